"""A net of 8-bit numbers under construction, and what is known of the model's values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.converters.names import Names
from edgespike.converters.onnx.int8.values import (
    Answer,
    Codes,
    Entering,
    Finer,
    Pending,
    RefusedError,
    Units,
    UnknownValueError,
    Value,
    Weights,
)
from edgespike.converters.onnx.model import OnnxModel, OnnxNode
from edgespike.errors import named, shown
from edgespike.graph.tensor import Integers
from edgespike.int8.net import Int8Input, Int8Node, Int8Op, Int8Reshape, Stored

INPUT = "input"


@dataclass
class Walk:
    """The net so far.

    Parameters
    ----------
    model
        The model.
    values
        What is known of its values, by name.
    constants
        Its constants, by name, and what quantisers make of them.
    nodes
        The net's nodes; the input is added when something says what its numbers stand for.
    shapes
        Of the net's nodes, by name.
    said
        Sentences for the user.
    finer
        Results that ONNX Runtime may store as their neighbours, by the net's node.
    beside
        The nodes that have these more finely.
    units
        The answers, where nothing stores them.
    """

    model: OnnxModel
    values: dict[str, Value]
    constants: dict[str, NDArray[Any]]
    nodes: list[Int8Node] = field(default_factory=list)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    said: dict[str, None] = field(default_factory=dict)
    finer: dict[str, Finer] = field(default_factory=dict)
    beside: list[Int8Node] = field(default_factory=list)
    units: Units | None = None
    names: Names = field(default_factory=lambda: Names(INPUT))

    def value(self, name: str) -> Value:
        """Return what is known of a value that depends on the input, or of dequantised weights.

        Raises
        ------
        UnknownValueError
            The node that computes it was refused.
        """
        if name not in self.values:
            raise UnknownValueError(name)
        return self.values[name]

    def shape(self, node: OnnxNode) -> tuple[int, ...]:
        """Return the shape of a node's first result, without the batch.

        Raises
        ------
        RefusedError
            Its first axis is not a batch of 1.
        """
        shape = self.model.shapes[node.outputs[0]]
        if not shape or shape[0] != 1:
            raise RefusedError(
                f"its result has shape {shape}, whose first axis is not the batch; keep the batch "
                "as the first axis"
            )
        return shape[1:]

    def add(
        self,
        title: str,
        op: Int8Op,
        stored: Stored,
        inputs: Sequence[str],
        shape: tuple[int, ...],
        *,
        real: bool = False,
    ) -> Codes:
        """Add a node whose result has the shape of an ONNX value without its batch."""
        name = self.names.new(title)
        own = node_shape(shape)
        self.nodes.append(Int8Node(name, op, stored, tuple(inputs), title))
        self.shapes[name] = own
        return Codes(name, stored, places_of(own).reshape(shape), real)

    def enter(self, value: Entering, stored: Stored, *, real: bool) -> Codes:
        """Return the model's input as stored numbers; the first to ask says what they stand for.

        Raises
        ------
        RefusedError
            Another quantiser reads it otherwise.
        """
        if INPUT not in self.shapes:
            own = input_shape(self.model)
            self.nodes.insert(0, Int8Node(INPUT, Int8Input(own), stored, (), self.model.input))
            self.shapes[INPUT] = own
        if self.nodes[0].stored != stored:
            raise RefusedError(
                f"it takes the model's input as {in_words(stored)}, another node as "
                f"{in_words(self.nodes[0].stored)}; quantise the input once"
            )
        return Codes(INPUT, stored, value.places, real)

    def arranged(self, codes: Codes, shape: tuple[int, ...]) -> str:
        """Return a node that has a value's elements in row-major order, in a shape.

        Raises
        ------
        RefusedError
            The elements are in another order.
        """
        if not np.array_equal(codes.places.ravel(), np.arange(codes.places.size)):
            raise RefusedError(
                "its input has its axes in another order; put Transpose nodes first, right after "
                "the input, or last"
            )
        return self.reshaped(codes, shape)

    def reshaped(self, codes: Codes, shape: tuple[int, ...]) -> str:
        """Return a node that has another's elements, in the order of that, in a shape."""
        if self.shapes[codes.node] == shape:
            return codes.node
        title = f"{codes.node}_reshaped"
        return self.add(title, Int8Reshape(shape), codes.stored, [codes.node], shape).node

    def constant(self, node: OnnxNode, index: int, what: str) -> NDArray[Any]:
        """Return an input that must be a constant.

        Raises
        ------
        RefusedError
            It depends on the model's input, or is left out.
        """
        name = node.inputs[index] if index < len(node.inputs) else ""
        if name not in self.constants:
            raise RefusedError(f"its {what} {shown(name)} is not a constant; store it in the file")
        return self.constants[name]

    def stored(self, node: OnnxNode, scale: int, zero_point: int) -> Stored:
        """Return how a tensor is stored, of a node's inputs for its scale and its zero point."""
        scales, zeros = self.constant(node, scale, "scale"), None
        if zero_point < len(node.inputs) and node.inputs[zero_point]:
            zeros = self.constant(node, zero_point, "zero point")
        return stored_of(scales, zeros)


def stored_of(scales: NDArray[Any], zeros: NDArray[Any] | None, default: str = "uint8") -> Stored:
    """Return how a tensor is stored; without zero points, they are 0 in a type."""
    if scales.size != 1 or (zeros is not None and zeros.size != 1):
        raise RefusedError(
            f"its scale has {scales.size} values, one for each channel; only weights may have "
            "that, quantise activations per tensor"
        )
    kind = default if zeros is None else str(zeros.dtype)
    low, high = limits_of(kind)
    if high - low > 255:
        raise RefusedError(f"it stores activations in {kind}; quantise them to 8 bits or fewer")
    scale = float(scales.ravel()[0])
    if not (math.isfinite(scale) and scale > 0):
        raise RefusedError(f"its scale is {scale}; it must be positive and finite")
    return Stored(scale, 0 if zeros is None else int(zeros.ravel()[0]), low, high)


_LIMITS: Mapping[str, tuple[int, int]] = {
    f"{sign}int{bits}": (0, 2**bits - 1) if sign else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    for sign in ("", "u")
    for bits in (2, 4, 8, 16, 32)
}


def limits_of(kind: str) -> tuple[int, int]:
    """Return the smallest and largest number of an integer type.

    Raises
    ------
    RefusedError
        It is another type, such as one of 8-bit floats.
    """
    if kind not in _LIMITS:
        raise RefusedError(f"it stores numbers in {kind}; use int8 or uint8")
    return _LIMITS[kind]


def as_weights(
    numbers: NDArray[Any], scales: NDArray[Any], zeros: NDArray[Any] | None, axis: int
) -> Weights:
    """Return a constant of stored numbers, its zero points taken off.

    Raises
    ------
    RefusedError
        It has a scale for each block, or is of a type of real numbers.
    """
    limits_of(str(numbers.dtype))
    whole = numbers.astype(np.int64)
    each = [scales] if zeros is None else [scales, zeros.astype(np.int64)]
    if scales.dtype.kind != "f":
        raise RefusedError(f"its scales are of type {scales.dtype}; use float32")
    spread = [_along(values, whole.ndim, axis, whole.shape) for values in each]
    if not (np.isfinite(scales).all() and (scales > 0).all()):
        raise RefusedError("it has scales that are not positive and finite; quantise it again")
    taken = whole - spread[1] if len(spread) > 1 else whole
    return Weights(taken, spread[0].astype(np.float32), str(numbers.dtype))


def _along(values: NDArray[Any], axes: int, axis: int, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return one value for all or one for each place of an axis, with as many axes as a tensor."""
    if values.size == 1:
        return values.reshape((1,) * axes)
    if values.ndim != 1 or not -axes <= axis < axes or len(values) != shape[axis]:
        raise RefusedError(
            f"its scales have shape {values.shape}, its numbers {shape}, axis {axis}; use one for "
            "all, or one for each output channel; no blocks"
        )
    spread = [1] * axes
    spread[axis] = len(values)
    return values.reshape(spread)


def node_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of a node for that of an ONNX value without its batch.

    Raises
    ------
    RefusedError
        It has too many axes.
    """
    match len(shape):
        case 1 | 3:
            return shape
        case 0:
            return (1,)
        case 2:
            return (shape[0], 1, shape[1])
        case _:
            raise RefusedError(f"a value has shape {(1, *shape)}; four axes are the most")


def places_of(shape: tuple[int, ...]) -> Integers:
    """Return the place of each element in row-major order."""
    return np.arange(math.prod(shape)).reshape(shape)


def entering(model: OnnxModel) -> Entering:
    """Return the model's input; images that have their channels last are turned."""
    shape = model.shapes[model.input][1:]
    own = input_shape(model)
    if own == shape or len(shape) != 3:
        return Entering(places_of(own).reshape(shape))
    return Entering(places_of(own).transpose(1, 2, 0))


def input_shape(model: OnnxModel) -> tuple[int, ...]:
    """Return the shape of the net's input: channels first, also where the file turns it so."""
    shape = model.shapes[model.input]
    if not shape or shape[0] != 1:
        raise RefusedError(f"has shape {shape}; its first axis must be the batch, open or 1")
    if len(shape) == 4 and _is_turned(model):
        return (shape[3], shape[1], shape[2])
    return node_shape(shape[1:])


def _is_turned(model: OnnxModel) -> bool:
    """Return whether the first thing that moves the input's axes puts the channels first."""
    followed = {model.input}
    for node in model.nodes:
        if not followed & set(node.inputs[:1]):
            continue
        if node.op == "Transpose":
            return tuple(node.attributes.get("perm", ())) == (0, 3, 1, 2)
        if node.op in ("QuantizeLinear", "DequantizeLinear"):
            followed.add(node.outputs[0])
    return False


def in_words(stored: Stored) -> str:
    """Return a storage as messages say it."""
    return (
        f"{stored.low}..{stored.high} with scale {stored.scale:.6g} and zero point "
        f"{stored.zero_point}"
    )


def kind_of(value: Value) -> str:
    """Return what messages call a value."""
    match value:
        case Codes():
            return "dequantised" if value.real else "stored"
        case Entering():
            return "the model's input, which nothing has quantised"
        case Pending():
            return f"the result of {named(value.title)}, which nothing has quantised"
        case Answer():
            return "the result of a softmax or sigmoid"
        case Weights():
            return "a constant"
