"""A net of 8-bit numbers under construction, and what is known of the model's values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.converters.names import Names
from edgespike.converters.onnx.int8.shapes import input_shape, node_shape, places_of
from edgespike.converters.onnx.int8.storages import in_words, stored_of
from edgespike.converters.onnx.int8.values import (
    Codes,
    Entering,
    Finer,
    RefusedError,
    Units,
    UnknownValueError,
    Value,
)
from edgespike.converters.onnx.model import OnnxModel, OnnxNode
from edgespike.errors import shown
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
    made
        What quantisers made of real values, by the value's name and how it is stored: tools put one
        before each reader.
    saturating
        Titles of layers whose pairs of products do not fit into 16 bits.
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
    made: dict[tuple[str, Stored], Codes] = field(default_factory=dict)
    saturating: list[str] = field(default_factory=list)
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

    def number(self, node: OnnxNode, index: int, what: str) -> Any:
        """Return an input that must be one constant number.

        Raises
        ------
        RefusedError
            It is none.
        """
        found = self.constant(node, index, what)
        if found.size != 1:
            raise RefusedError(f"its {what} has {found.size} values; it must be one")
        return found.ravel()[0]

    def stored(self, node: OnnxNode, scale: int, zero_point: int) -> Stored:
        """Return how a tensor is stored, of a node's inputs for its scale and its zero point."""
        scales, zeros = self.constant(node, scale, "scale"), None
        if zero_point < len(node.inputs) and node.inputs[zero_point]:
            zeros = self.constant(node, zero_point, "zero point")
        return stored_of(scales, zeros)
