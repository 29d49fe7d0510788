"""Operators that only move values: Reshape, Flatten, Squeeze, Unsqueeze and Transpose."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import prod
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edgespike.converters.onnx.model import OnnxNode
from edgespike.converters.onnx.qonnx.state import TABLE_LIMIT, Activation, State, Value
from edgespike.converters.onnx.qonnx.steps import Fractions, Line, OverRoot, Pool, Step
from edgespike.converters.onnx.qonnx.weights import Weights
from edgespike.converters.sums import ConversionStoppedError
from edgespike.graph import Reshape


def transpose(state: State, node: OnnxNode) -> Value:
    """Convert Transpose: of weights, or the file's order of a value's axes."""
    found = state.values[node.inputs[0]]
    rank = found.values.ndim if isinstance(found, Weights) else len(found.axes) + 1
    axes = tuple(node.attributes.get("perm", reversed(range(rank))))
    if isinstance(found, Weights):
        return found.transpose(axes)
    if axes[0] != 0:
        raise ConversionStoppedError(f"{node.title} moves the axis of the batch; leave it first")
    moved = tuple(found.axes[axis - 1] for axis in axes[1:])
    return replace(found, axes=moved)


def reshape(state: State, node: OnnxNode) -> Value:
    """Convert Reshape, Flatten, Squeeze and Unsqueeze."""
    found = state.values[node.inputs[0]]
    if isinstance(found, Weights):
        return _reshaped_weights(state, node, found)
    before, after = (state.model.shapes[name] for name in (node.inputs[0], node.outputs[0]))
    if before == after:
        return found
    if len(after) == 2 and after[0] == 1:
        return flattened(state, node, found)
    sizes = after[1:]
    if after[0] == 1 and len(before) == 2 and len(after) in (3, 4):
        return _unfolded(state, node, found, sizes)
    if after[0] == 1 and len(before) > 2 and len(after) in (3, 4):
        return _other_axes(state, node, found, sizes)
    raise ConversionStoppedError(
        f"{node.title} makes shape {after} of {before}; read are (1, features), (1, channels, "
        "length) and (1, channels, height, width)"
    )


def _reshaped_weights(state: State, node: OnnxNode, weights: Weights) -> Weights:
    """Return weights under another shape, which onnx inferred or the node says."""
    shape = state.model.shapes.get(node.outputs[0])
    if shape is None or prod(shape) != weights.values.size:
        raise ConversionStoppedError(
            f"{node.title} reshapes weights to a shape that is not known; quantise them after it"
        )
    return weights.reshape(shape)


def flattened(state: State, node: OnnxNode, x: Activation) -> Activation:
    """Return a value as features, which the file counts in the order of its own axes."""
    shape = state.tensor(x).shape
    if len(shape) == 1:
        return x
    _check_no_pool(node, x)
    name = state.append(node.title, "reshape", Reshape((prod(shape),)), x.node)
    absent = tuple(axis for axis in range(3) if axis not in x.axes)
    order = np.arange(prod(shape)).reshape(shape).transpose((*absent, *x.axes)).ravel()
    repeats, table = prod(shape[1:]), x.table
    if table is not None and len(table) > 1:
        fits = table.size * repeats <= TABLE_LIMIT
        table = np.repeat(table, repeats, axis=0) if fits else None
    steps = tuple(_repeated(step, repeats) for step in x.steps)
    same = np.array_equal(order, np.arange(len(order)))
    flat = replace(x, node=name, axes=(0,), steps=steps, table=table)
    return flat if same else replace(flat, order=order)


def _check_no_pool(node: OnnxNode, x: Activation) -> None:
    """Raise an error for sums that are pooled and not yet quantised, so still have their places."""
    if any(isinstance(step, Pool) for step in x.steps):
        raise ConversionStoppedError(
            f"{node.title} reshapes pooled values that nothing has quantised; put a Quant before it"
        )


def _repeated(step: Step, repeats: int) -> Step:
    """Return a step whose channels have become several features each."""

    def each(values: Fractions) -> Fractions:
        return tuple(value for value in values for _ in range(repeats))

    match step:
        case Line(factor, offset):
            return Line(each(factor), each(offset))
        case OverRoot(square):
            return OverRoot(each(square))
        case _:
            return step


def _unfolded(state: State, node: OnnxNode, x: Activation, sizes: tuple[int, ...]) -> Activation:
    """Return features as an image or a row, if what they stand for is one thing a channel."""
    shape = sizes if len(sizes) == 3 else (sizes[0], 1, sizes[1])
    line = state.line_of(x)
    if x.order is not None or line is None:
        raise ConversionStoppedError(
            f"{node.title} makes an image of features that were normalised or come in another "
            "order; quantise them before"
        )
    size = prod(shape[1:])
    factor, offset = (_one_a_channel(node, values, size) for values in (line.factor, line.offset))
    if x.table is not None and len(x.table) > 1:
        raise ConversionStoppedError(f"{node.title} follows arithmetic a feature; move it before")
    name = state.append(node.title, "reshape", Reshape(shape), x.node)
    return Activation(name, _axes(sizes), (Line(factor, offset),), table=x.table)


def _one_a_channel(node: OnnxNode, values: Fractions, size: int) -> tuple[Fraction, ...]:
    if any(value != values[i - i % size] for i, value in enumerate(values)):
        raise ConversionStoppedError(
            f"{node.title} makes channels of features of different scales; give one scale"
        )
    return values[::size]


def _axes(sizes: tuple[int, ...]) -> tuple[int, ...]:
    return (0, 1, 2) if len(sizes) == 3 else (0, 2)


def _other_axes(state: State, node: OnnxNode, x: Activation, sizes: tuple[int, ...]) -> Activation:
    """Return an image as a row or the other way round, the channels as they are."""
    _check_no_pool(node, x)
    shape = sizes if len(sizes) == 3 else (sizes[0], 1, sizes[1])
    if x.channel_axis != 1 or list(x.axes) != sorted(x.axes) or shape[0] != state.channels(x):
        raise ConversionStoppedError(
            f"{node.title} makes shape {(1, *sizes)} of {state.model.shapes[node.inputs[0]]}, "
            "which mixes channels; flatten instead"
        )
    name = x.node
    if shape != state.tensor(x).shape:
        name = state.append(node.title, "reshape", Reshape(shape), name)
    return replace(x, node=name, axes=_axes(sizes))


_Number = TypeVar("_Number", np.int64, np.float32, np.bool_)


def in_axes(values: NDArray[_Number], x: Activation) -> NDArray[_Number]:
    """Return a graph node's values ``(samples, ...)`` in the order of the file's axes."""
    if values.ndim == 2:
        return values if x.order is None else values[:, x.order]
    axes = (*(axis for axis in range(3) if axis not in x.axes), *x.axes)
    moved = values.transpose(0, *(axis + 1 for axis in axes))
    return moved.reshape(len(values), *moved.shape[4 - len(x.axes) :])
