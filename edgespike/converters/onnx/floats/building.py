"""A float net under construction from the nodes of an ONNX model."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from edgespike.converters.floats import Shape, Unknown, UnreadableError
from edgespike.converters.names import Names
from edgespike.converters.onnx.floats.values import Answer, Value, in_order, ordered
from edgespike.converters.onnx.model import OnnxModel, OnnxNode
from edgespike.errors import named, shown
from edgespike.floats.net import FloatAffine, FloatNode, FloatOp, FloatReshape, Reals


class MovedError(UnreadableError):
    """A layer receives elements in an order that no layer before it gives."""


@dataclass
class Building:
    """The nodes so far.

    Parameters
    ----------
    model
        What is read.
    nodes
        Of the float net, in the order of execution.
    found
        What each value of the model is.
    shown
        The model's value that a node of the float net computes, by the node's name.
    """

    model: OnnxModel
    nodes: list[FloatNode] = field(default_factory=list)
    found: dict[str, Value | Answer | Unknown] = field(default_factory=dict)
    shown: dict[str, tuple[str, Value]] = field(default_factory=dict)
    _names: Names = field(default_factory=Names)

    def add(
        self, node: OnnxNode, op: FloatOp, *inputs: Value, stored: Shape, elements: Any = None
    ) -> Value:
        """Append a node to the float net, and return its value.

        Parameters
        ----------
        stored
            Shape of its value.
        elements
            Where the elements of the ONNX node's value are in it; by default in the same order.
        """
        name = self._names.new(node.title)
        self.nodes.append(FloatNode(name, op, tuple(x.node for x in inputs), node.title))
        return Value(name, stored, ordered(self.shape(node)) if elements is None else elements)

    def shape(self, node: OnnxNode) -> Shape:
        """Return the shape of a node's value in ONNX, with a batch of 1."""
        return self.model.shapes[node.outputs[0]]

    def depends(self, name: str) -> bool:
        """Return whether a value depends on the sample."""
        return name not in self.model.constants

    def constant(self, node: OnnxNode, place: int, what: str) -> Any:
        """Return an input that must be a constant; ``None`` if it is left out.

        Raises
        ------
        UnreadableError
            It depends on the sample.
        """
        name = node.inputs[place] if place < len(node.inputs) else ""
        if not name:
            return None
        if self.depends(name):
            raise UnreadableError(
                f"has {what} ({named(name)}) that depends on the sample; a graph's are constants"
            )
        return self.model.constants[name]

    def reals(self, node: OnnxNode, place: int, what: str) -> Any:
        """Return an input that must be a constant as float64; ``None`` if it is left out."""
        found = self.constant(node, place, what)
        return None if found is None else as_reals(found)

    def value(self, node: OnnxNode, place: int = 0) -> Value:
        """Return an input that must be a value of the net.

        Raises
        ------
        UnreadableError
            It is something else.
        """
        name = node.inputs[place] if place < len(node.inputs) else ""
        found = self.found.get(name)
        if isinstance(found, Answer):
            raise UnreadableError(
                f"follows {' and '.join(found.left_out)}, which no graph can compute inside the "
                "net; leave it out, or put it at the end"
            )
        if not isinstance(found, Value):
            raise UnreadableError(f"takes a constant, {named(name)}; give a value of the net")
        return found

    def unpadded(self, node: OnnxNode, place: int = 0) -> Value:
        """Return an input that must be a value of the net to which no zeros are added."""
        value = self.value(node, place)
        if value.padded:
            raise UnreadableError(
                "receives padded values; pad only before a convolution or an average pool, or give "
                "that layer the padding"
            )
        return value

    def image(self, node: OnnxNode, value: Value) -> Value:
        """Return a value ``(1, channels, height, width)`` or ``(1, channels, length)`` as stored.

        Raises
        ------
        UnreadableError
            It has other axes, or its elements stand in another order.
        """
        if len(value.shape) not in (3, 4) or value.shape[0] != 1:
            raise UnreadableError(
                f"receives values of shape {value.shape}; give (batch, channels, length) or "
                "(batch, channels, height, width)"
            )
        channels, *size = value.shape[1:]
        return self.stored_as(node, value, (channels, *(1, *size)[-2:]))

    def stored_as(self, node: OnnxNode, value: Value, stored: Shape) -> Value:
        """Return a value under another shape in the float net, in ONNX's order of the elements.

        Raises
        ------
        MovedError
            The elements stand in another order.
        """
        if not in_order(value.elements):
            raise MovedError(
                f"receives elements that were moved: {value.shape} in ONNX are kept as "
                f"{value.stored}, in another order; move them back before this node, or keep "
                "(batch, channels, height, width) throughout"
            )
        if value.stored == stored:
            return value
        name = self._names.new(f"{node.title}.reshape")
        self.nodes.append(FloatNode(name, FloatReshape(stored), (value.node,), node.title))
        return Value(name, stored, value.elements, value.pads)

    def affine(self, node: OnnxNode, value: Value, scale: Any, offset: Any) -> Value:
        """Append ``scale * value + offset``; both broadcast as in ONNX.

        Raises
        ------
        UnreadableError
            They differ within a channel, or make the value larger.
        """
        op = FloatAffine(a_channel(scale, value), a_channel(offset, value))
        elements = value.elements.reshape(self.shape(node))
        return self.add(node, op, value, stored=value.stored, elements=elements)


def as_reals(numbers: Any) -> Reals:
    """Return numbers as float64.

    Raises
    ------
    UnreadableError
        They are of a type that has no numbers, or not finite.
    """
    array = np.asarray(numbers)
    if array.dtype.kind not in "biuf":
        raise UnreadableError(f"has constants of type {array.dtype}; store them as float32")
    found = array.astype(np.float64)
    if not np.isfinite(found).all():
        raise UnreadableError("has constants that are not finite; train again, or replace them")
    return found


def a_channel(numbers: Any, value: Value) -> Reals:
    """Return one number for each channel, as stored, from what ONNX broadcasts to a value.

    Raises
    ------
    UnreadableError
        There is more than one for a channel, or they make the value larger.
    """
    array = as_reals(numbers)
    if array.ndim > len(value.shape) and array.size == prod(array.shape[-len(value.shape) :]):
        array = array.reshape(array.shape[-len(value.shape) :])
    advice = "give one constant for all, or one for each channel"
    try:
        everywhere = np.broadcast_to(array, value.shape)
    except ValueError:
        raise UnreadableError(
            f"combines values of shape {value.shape} with constants of shape {shown(array.shape)}; "
            f"{advice}"
        ) from None
    kept = np.empty(value.elements.size)
    kept[value.elements.reshape(-1)] = everywhere.reshape(-1)
    channels = kept.reshape(value.stored[0], -1)
    if not (channels == channels[:, :1]).all():
        raise UnreadableError(
            f"combines values of shape {value.shape} with constants that differ within a channel; "
            f"{advice}"
        )
    return np.ascontiguousarray(channels[:, 0])
