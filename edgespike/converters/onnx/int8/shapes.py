"""Shapes of the net's nodes, and where elements of the model's values are in them."""

from __future__ import annotations

import math

import numpy as np

from edgespike.converters.onnx.int8.values import Entering, RefusedError
from edgespike.converters.onnx.model import OnnxModel
from edgespike.graph.tensor import Integers

VALUE_LIMIT = 2**24
"""Most elements of a value, whose places are kept one by one."""


def node_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of a node for that of an ONNX value without its batch.

    Raises
    ------
    RefusedError
        It has too many axes or elements.
    """
    if (count := math.prod(shape)) > VALUE_LIMIT:
        raise RefusedError(f"a value has {count} elements; the limit is {VALUE_LIMIT}")
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
        return node_shape((shape[3], shape[1], shape[2]))
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
