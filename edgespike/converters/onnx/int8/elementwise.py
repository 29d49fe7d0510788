"""Sums, concatenations, clips and what ends a net."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgespike.converters.onnx.endings import ending_fault
from edgespike.converters.onnx.int8.arithmetic import of_one, of_two
from edgespike.converters.onnx.int8.biases import with_bias
from edgespike.converters.onnx.int8.quantisers import finished, restored
from edgespike.converters.onnx.int8.shapes import node_shape
from edgespike.converters.onnx.int8.values import (
    Answer,
    Codes,
    Made,
    Pending,
    RefusedError,
    Value,
    Weights,
    kind_of,
)
from edgespike.converters.onnx.int8.walk import Walk
from edgespike.converters.onnx.int8.weighted import real, stored_input
from edgespike.converters.onnx.model import OnnxNode
from edgespike.graph.tensor import Integers
from edgespike.int8.net import Int8Add, Int8Concatenate, Int8Function, Stored


def add(walk: Walk, node: OnnxNode) -> Pending:
    """Read an Add of two dequantised values, or of a layer's sums and a bias."""
    for name, other in (node.inputs, node.inputs[::-1]):
        if other in walk.constants or isinstance(walk.values.get(other), Weights):
            value = walk.value(name)
            if isinstance(value, Pending) and value.sums is not None and is_bare(value):
                _check_bias(walk, node, name, other)
                return replace(with_bias(walk, value, other), certain=False)
            raise RefusedError(
                f"it adds the constant {other} to {kind_of(value)} values; only a weighted layer "
                "may have a bias, right behind it"
            )
    return _sum(walk, node, real(walk, node, 0), real(walk, node, 1))


def _check_bias(walk: Walk, node: OnnxNode, name: str, bias: str) -> None:
    """Refuse a constant that is not the same for all of a channel."""
    before, after = walk.model.shapes[name], walk.model.shapes[node.outputs[0]]
    shape = walk.model.shapes[bias]
    aligned = (*(1,) * (len(after) - len(shape)), *shape)
    if before != after or any(size > 1 for axis, size in enumerate(aligned) if axis != 1):
        raise RefusedError(
            f"it adds a constant of shape {shape} to values of shape {before}; give one for all, "
            "or one for each channel, axis 1"
        )


def is_bare(value: Pending) -> bool:
    """Return whether nothing follows a layer's sums yet."""
    return not value.later and (value.least, value.most) == (-math.inf, math.inf)


def qlinear_add(walk: Walk, node: OnnxNode) -> Codes:
    """Read ONNX Runtime's QLinearAdd."""
    for index in (0, 3):
        if node.inputs[index] in walk.constants:
            raise RefusedError(
                f"it adds the constant {node.inputs[index]}; make it the bias of the layer before"
            )
    first, second = stored_input(walk, node, 0), stored_input(walk, node, 3)
    return finished(walk, _sum(walk, node, first, second), walk.stored(node, 6, 7))


def _sum(walk: Walk, node: OnnxNode, first: Codes, second: Codes) -> Pending:
    if first.shape != second.shape:
        raise RefusedError(
            f"it adds values of shapes {(1, *first.shape)} and {(1, *second.shape)}; they must be "
            "equal"
        )
    inputs, shape = (first.node, second.node), walk.shapes[first.node]
    places: Integers | None = first.places
    if walk.shapes[second.node] != shape or not np.array_equal(second.places, first.places):
        shape, places = node_shape(first.shape), None
        inputs = walk.arranged(first, shape), walk.arranged(second, shape)

    def make(stored: Stored) -> Made:
        return Int8Add(of_two(first.stored, second.stored, stored)), inputs

    return Pending(node.title, make, first.shape if places is None else shape, places=places)


def concat(walk: Walk, node: OnnxNode) -> Pending:
    """Read a Concat of dequantised values."""
    return _joined(walk, node, [real(walk, node, index) for index in range(len(node.inputs))])


def qlinear_concat(walk: Walk, node: OnnxNode) -> Codes:
    """Read ONNX Runtime's QLinearConcat (scale, zero point, X1, scale, zero point, X2, ...)."""
    parts = [stored_input(walk, node, index) for index in range(2, len(node.inputs), 3)]
    return finished(walk, _joined(walk, node, parts), walk.stored(node, 0, 1))


def _joined(walk: Walk, node: OnnxNode, parts: Sequence[Codes]) -> Pending:
    shape, axis = walk.shape(node), node.attributes.get("axis")
    if axis is None or int(axis) % (len(shape) + 1) != 1:
        raise RefusedError(
            f"it joins axis {axis} of {(1, *parts[0].shape)}; only channels, axis 1, can be joined"
        )

    def make(stored: Stored) -> Made:
        """Give each branch the storage of the result, which may differ from its own."""
        branches = [restored(walk, f"{node.title}_branch", part, stored) for part in parts]
        sources = [walk.arranged(branch, node_shape(branch.shape)) for branch in branches]
        return Int8Concatenate(), tuple(sources)

    return Pending(node.title, make, shape)


def relu(walk: Walk, node: OnnxNode) -> Pending:
    """Read a Relu of real values."""
    return _clipped(walk, node, 0.0, math.inf)


def clip(walk: Walk, node: OnnxNode) -> Value | None:
    """Read a Clip of real values or of stored ones; its limits are attributes before version 11."""
    least, most = (
        float(walk.number(node, index, name))
        if index < len(node.inputs) and node.inputs[index]
        else float(node.attributes.get(name, default))
        for index, name, default in ((1, "min", -math.inf), (2, "max", math.inf))
    )
    if not least <= most:
        raise RefusedError(f"it clips to {least}..{most}; the first must not be larger")
    name = node.inputs[0]
    if name in walk.constants:
        walk.constants[node.outputs[0]] = np.clip(walk.constants[name], least, most).astype(
            walk.constants[name].dtype
        )
        return None
    value = walk.value(name)
    if isinstance(value, Codes) and not value.real:
        return _narrowed(walk, node, value, least, most)
    return _clipped(walk, node, least, most)


def _narrowed(walk: Walk, node: OnnxNode, value: Codes, least: float, most: float) -> Codes:
    """Clip stored numbers, as Brevitas does to store fewer than 8 bits."""
    function = Int8Function(lambda numbers: np.clip(numbers, least, most).astype(np.int64))
    own = walk.add(node.title, function, value.stored, [value.node], walk.shapes[value.node])
    return replace(own, places=value.places)


def _clipped(walk: Walk, node: OnnxNode, least: float, most: float) -> Pending:
    value = walk.value(node.inputs[0])
    if isinstance(value, Pending):
        if value.later and not least <= 0 <= most:
            raise RefusedError(f"it clips to {least}..{most} after a pool or pad; put it before")
        return value.clipped(least, most)
    x = real(walk, node, 0)

    def make(stored: Stored) -> Made:
        return Int8Function(of_one(x.stored, stored)), (x.node,)

    own = walk.shapes[x.node]
    return Pending(node.title, make, own, places=x.places).clipped(least, most)


def ending(walk: Walk, node: OnnxNode) -> Answer:
    """Leave out what does not change which class is the largest, or says which one is."""
    value = walk.value(node.inputs[0])
    if not isinstance(value, Codes | Pending):
        raise RefusedError(f"its input is {kind_of(value)}; quantise it")
    if sum(size > 1 for size in value.shape) > 1:
        raise RefusedError(
            f"its input has shape {(1, *value.shape)}; the answer must be one number for each class"
        )
    if fault := ending_fault(node, walk.model.shapes[node.inputs[0]]):
        raise RefusedError(f"it {fault}")
    walk.said[
        f"{node.title} ({node.op}) at the end is left out: the graph gives what it takes, "
        "whose largest is the same class."
    ] = None
    return Answer(value, node.inputs[0])
