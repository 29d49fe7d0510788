"""What moves elements or leaves some out: the same for stored numbers and for real ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from edgespike.converters.onnx.int8.pooling import max_pool
from edgespike.converters.onnx.int8.values import (
    Codes,
    Entering,
    Pending,
    RefusedError,
    Value,
    Weights,
    kind_of,
)
from edgespike.converters.onnx.int8.walk import Walk
from edgespike.converters.onnx.int8.windows import as_image
from edgespike.converters.onnx.model import OnnxNode
from edgespike.graph.tensor import Integers
from edgespike.int8.net import Int8Pad


def pooled(walk: Walk, node: OnnxNode) -> Value:
    """Read a MaxPool."""
    return _moved(walk, node, partial(max_pool, walk, node))


def padded(walk: Walk, node: OnnxNode) -> Value:
    """Read a Pad with what stands for 0."""
    return _moved(walk, node, partial(_pad, walk, node))


def _moved(walk: Walk, node: OnnxNode, move: Callable[[Codes], Codes]) -> Value:
    value = walk.value(node.inputs[0])
    match value:
        case Codes():
            return move(value)
        case Pending():  # it may as well be done when the result is stored
            return replace(value, later=(*value.later, move))
        case _:
            raise RefusedError(f"its input is {kind_of(value)}; quantise it first")


def reshaped(walk: Walk, node: OnnxNode) -> Value:
    """Read what gives the same elements in row-major order another shape."""
    value = walk.value(node.inputs[0])
    if isinstance(value, Weights):
        raise RefusedError("it reshapes dequantised weights; store them in the right shape")
    shape = walk.shape(node)
    return _replaced(value, lambda places: places.reshape(shape))


def transposed(walk: Walk, node: OnnxNode) -> Value:
    """Read a Transpose that leaves the batch first, or one of weights."""
    value = walk.value(node.inputs[0])
    rank = len(walk.model.shapes[node.inputs[0]])
    axes = tuple(node.attributes.get("perm", range(rank)[::-1]))
    if sorted(axes) != list(range(rank)):
        raise RefusedError(f"its perm is {axes}; it must name each of {rank} axes once")
    if isinstance(value, Weights):
        return value.transposed(axes)
    if axes[:1] != (0,):
        raise RefusedError(f"its perm is {axes}; it must leave the batch first")
    return _replaced(value, lambda places: places.transpose([axis - 1 for axis in axes[1:]]))


def _replaced(value: Value, change: Callable[[Integers], Integers]) -> Value:
    match value:
        case Codes() | Entering():
            return replace(value, places=change(value.places))
        case Pending():

            def move(codes: Codes) -> Codes:
                return replace(codes, places=change(codes.places))

            return replace(value, later=(*value.later, move))
        case _:
            raise RefusedError(f"its input is {kind_of(value)}; leave it out")


def _pad(walk: Walk, node: OnnxNode, codes: Codes) -> Codes:
    mode = node.attributes.get("mode", "constant")
    has = len(node.inputs) > 2 and node.inputs[2]
    filling = walk.number(node, 2, "value") if has else node.attributes.get("value", 0)
    zero = 0 if codes.real else codes.stored.zero_point
    if mode != "constant" or filling != zero:
        raise RefusedError(f"it pads with {mode} {filling}; it must pad with what stands for 0")
    rank = len(codes.shape) + 1
    axes = [int(axis) % rank for axis in _optional(walk, node, 3, "axes", list(range(rank)))]
    pads = [int(each) for each in _optional(walk, node, 1, "pads", [])]
    if len(pads) != 2 * len(axes):
        raise RefusedError(f"its pads are {pads}; it must be two for each of {len(axes)} axes")
    ends = {axis: (pads[i], pads[i + len(axes)]) for i, axis in enumerate(axes)}
    outside = [ends.pop(axis, (0, 0)) for axis in (rank - 2, rank - 1)]
    if rank not in (3, 4) or any(map(any, ends.values())) or min(map(min, outside)) < 0:
        raise RefusedError(f"its pads are {pads}; it must pad height and width, by 0 or more")
    if rank == 3 and any(outside[0]):  # a sequence: the first of these axes has its channels
        raise RefusedError(f"its pads are {pads}; it must pad the length, not the channels")
    source = walk.arranged(codes, as_image(codes.shape, node))
    op = Int8Pad((*outside[0], *outside[1]))
    return walk.add(node.title, op, codes.stored, [source], walk.shape(node), real=codes.real)


def _optional(walk: Walk, node: OnnxNode, index: int, name: str, default: Any) -> Any:
    """Return an input, in newer versions of an operator, or the attribute of older ones."""
    if index < len(node.inputs) and node.inputs[index]:
        return walk.constant(node, index, name).tolist()
    found = node.attributes.get(name, default)
    return list(found) if isinstance(found, tuple) else found
