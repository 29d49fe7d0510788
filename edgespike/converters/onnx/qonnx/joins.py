"""Values that come together: sums of two branches, and channels side by side."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from edgespike.converters.onnx.model import OnnxNode
from edgespike.converters.onnx.qonnx.events import as_events, common_unit
from edgespike.converters.onnx.qonnx.state import Activation, State
from edgespike.converters.onnx.qonnx.steps import Line
from edgespike.converters.sums import ConversionStoppedError
from edgespike.graph import Add, Concatenate, Conv2d, Dense, Reshape
from edgespike.graph.tensor import Integers


def add(state: State, node: OnnxNode, x: Activation, y: Activation) -> Activation:
    """Return the sum of two values, in a unit of which both scales are small multiples."""
    _check_places(node, x, y, state)
    if state.tensor(x).shape != state.tensor(y).shape:
        raise ConversionStoppedError(
            f"{node.title} adds shapes {state.tensor(x).shape} and {state.tensor(y).shape}; give "
            "equal ones"
        )
    x, first = _on_a_line(state, node, x)
    y, second = _on_a_line(state, node, y)
    channels = state.channels(x)
    pairs = [common_unit(node.title, (first.factor[c], second.factor[c])) for c in range(channels)]
    factors = np.array([multiples for _, multiples in pairs], np.int64).reshape(channels, 2)
    events = [state.tensor(value).signal.is_event for value in (x, y)]
    scaled = bool((factors != 1).any()) or not all(events)
    names = [
        _scaled(state, node.title, value, factors[:, i]) if scaled else value.node
        for i, value in enumerate((x, y))
    ]
    name = state.append(node.title, "add", Add(), *names)
    offsets = tuple(a + b for a, b in zip(first.offset, second.offset, strict=True))
    return Activation(name, x.axes, (Line(tuple(unit for unit, _ in pairs), offsets),), x.order)


def _check_places(node: OnnxNode, x: Activation, y: Activation, state: State) -> None:
    first, second = (
        np.arange(state.channels(value)) if value.order is None else value.order for value in (x, y)
    )
    if x.axes != y.axes or not np.array_equal(first, second):
        raise ConversionStoppedError(
            f"{node.title} joins values whose axes are in different orders; transpose one of them "
            "as the other"
        )


def _on_a_line(state: State, node: OnnxNode, x: Activation) -> tuple[Activation, Line]:
    """Return a value that is a line of its node: sums as they are, others as events."""
    line = state.line_of(x)
    return (x, line) if line is not None else as_events(state, node.title, x)


def _scaled(state: State, path: str, x: Activation, factors: Integers) -> str:
    """Return a node with the sums of a value, each channel times a whole factor."""
    tensor = state.tensor(x)
    if tensor.signal.is_event:
        return _weighed(state, path, x, factors)
    if (factors == 1).all():
        return x.node
    source = next(node for node in state.builder.nodes if node.name == x.node)
    if not isinstance(source.op, Dense | Conv2d):
        raise ConversionStoppedError(
            f"{path} adds sums of different scales that are themselves sums; put a Quant between"
        )
    by_output = factors.reshape(-1, *(1,) * (source.op.weight.ndim - 1))
    op = replace(source.op, weight=source.op.weight * by_output, bias=source.op.bias * factors)
    return state.append(path, "sums", op, *source.inputs)


def _weighed(state: State, path: str, x: Activation, factors: Integers) -> str:
    """Return sums of events, each channel's times a factor: a depthwise convolution."""
    shape, name = state.tensor(x).shape, x.node
    if len(shape) == 1:
        name = state.append(path, "reshape", Reshape((shape[0], 1, 1)), name)
    weight = factors.reshape(-1, 1, 1, 1)
    op = Conv2d(weight, np.zeros(len(weight), np.int64), groups=len(weight))
    name = state.append(path, "sums", op, name)
    if len(shape) == 1:
        name = state.append(path, "reshape", Reshape(shape), name)
    return name


def concatenate(state: State, node: OnnxNode) -> Activation:
    """Convert Concat along the channels."""
    values = [state.activation(node, index) for index in range(len(node.inputs))]
    first = values[0]
    rank = len(first.axes) + 1
    if int(node.attributes.get("axis", 1)) % rank != first.channel_axis:
        raise ConversionStoppedError(
            f"{node.title} concatenates along axis {node.attributes.get('axis')}, which does not "
            "hold the channels"
        )
    for value in values:
        if value.axes != first.axes:
            raise ConversionStoppedError(
                f"{node.title} joins values whose axes are in different orders; transpose one of "
                "them as the other"
            )
    lined = [_on_a_line(state, node, value) for value in values]
    if len({state.tensor(value).signal.is_event for value, _ in lined}) > 1:
        lined = [as_events(state, node.title, value) for value, _ in lined]
    name = state.append(node.title, "concatenate", Concatenate(), *(v.node for v, _ in lined))
    factor: tuple[Fraction, ...] = tuple(f for _, line in lined for f in line.factor)
    offset: tuple[Fraction, ...] = tuple(o for _, line in lined for o in line.offset)
    return Activation(name, first.axes, (Line(factor, offset),), _joined_order(state, values))


def _joined_order(state: State, values: list[Activation]) -> Integers | None:
    if all(value.order is None for value in values):
        return None
    orders, start = [], 0
    for value in values:
        size = state.channels(value)
        orders.append(start + (np.arange(size) if value.order is None else value.order))
        start += size
    return np.concatenate(orders)
