"""Pools: the largest of each window, and its mean."""

from __future__ import annotations

from fractions import Fraction

from edgespike.converters.onnx.model import OnnxNode
from edgespike.converters.onnx.qonnx.events import as_events, relabelled, with_zero
from edgespike.converters.onnx.qonnx.geometry import windows_of
from edgespike.converters.onnx.qonnx.shapes import flattened
from edgespike.converters.onnx.qonnx.state import Activation, State
from edgespike.converters.onnx.qonnx.steps import Line, Pool
from edgespike.converters.onnx.windows import Windows
from edgespike.converters.sums import ConversionStoppedError
from edgespike.graph import MaxPool2d, SumPool2d
from edgespike.graph.ops.windows import padded_size, sides_of


def max_pool(state: State, node: OnnxNode) -> Activation:
    """Convert MaxPool: of events, or of sums, which are then quantised before it.

    A quantiser keeps the order of numbers, so the largest level is the level of the largest.
    """
    x = state.activation(node)
    windows = _windows(state, node, x)
    op = MaxPool2d(windows.kernel, windows.stride, windows.padding)
    if not state.tensor(x).signal.is_event:
        return x.then(Pool(op))
    x, line = as_events(state, node.title, x)
    if min(line.factor) < 0:
        raise ConversionStoppedError(
            f"{node.title} follows a negative factor, so that it gives the smallest of each window"
        )
    low, _ = state.tensor(x).bounds
    if low < 0:
        moved = tuple(f * low + o for f, o in zip(line.factor, line.offset, strict=True))
        x, line = relabelled(state, node.title, x, 0, 1), Line(line.factor, moved)
    return Activation(state.append(node.title, "pool", op, x.node), x.axes, (line,))


def average_pool(state: State, node: OnnxNode) -> Activation:
    """Convert AveragePool."""
    x = state.activation(node)
    windows = _windows(state, node, x)
    if any(windows.padding) and not node.attributes.get("count_include_pad", 0):
        raise ConversionStoppedError(
            f"{node.title} divides by fewer places at a padded border than inside; pool without "
            "padding, or with count_include_pad"
        )
    return _mean(state, node, x, SumPool2d(windows.kernel, windows.stride, windows.padding))


def global_average_pool(state: State, node: OnnxNode) -> Activation:
    """Convert GlobalAveragePool."""
    x = state.activation(node)
    if x.channel_axis != 1:
        raise _channels_elsewhere(node)
    return _mean(state, node, x, _over_all(state, node, x))


def reduce_mean(state: State, node: OnnxNode) -> Activation:
    """Convert ReduceMean over height and width."""
    x = state.activation(node)
    if state.given(node, 1):
        axes = [int(axis) for axis in state.constant(node, 1).ravel()]
    else:
        axes = [int(axis) for axis in node.attributes.get("axes", ())]
    rank = len(x.axes) + 1
    if sorted(axis % rank for axis in axes) != [i for i in range(1, rank) if i != x.channel_axis]:
        raise ConversionStoppedError(
            f"{node.title} takes the mean over axes {axes}; only that over height and width is read"
        )
    pooled = _mean(state, node, x, _over_all(state, node, x))
    return pooled if node.attributes.get("keepdims", 1) else flattened(state, node, pooled)


def _over_all(state: State, node: OnnxNode, x: Activation) -> SumPool2d:
    if len(x.axes) == 1:
        raise ConversionStoppedError(f"{node.title} takes the mean of features; give it an image")
    _, height, width = state.tensor(x).shape
    return SumPool2d((height, width), (height, width))


def _mean(state: State, node: OnnxNode, x: Activation, op: SumPool2d) -> Activation:
    line = state.line_of(x)
    if line is None:
        x, line = as_events(state, node.title, x)
    if op.padded and any(line.offset):
        x, line = with_zero(state, node.title, x, line)
    count = op.kernel[0] * op.kernel[1]
    name = state.append(node.title, "sum", op, x.node)
    factor = tuple(f / Fraction(count) for f in line.factor)
    return Activation(name, x.axes, (Line(factor, line.offset),))


def _channels_elsewhere(node: OnnxNode) -> ConversionStoppedError:
    return ConversionStoppedError(
        f"{node.title} pools an input whose channels are not on axis 1; transpose it before"
    )


def _windows(state: State, node: OnnxNode, x: Activation) -> Windows:
    if x.axes not in ((0, 1, 2), (0, 2)):
        raise _channels_elsewhere(node)
    windows = windows_of(state, node, node.attributes.get("kernel_shape", ()))
    if windows.dilation != (1, 1):
        raise ConversionStoppedError(f"{node.title} has dilations; pool without them")
    if node.attributes.get("ceil_mode", 0):
        totals = padded_size(state.tensor(x).shape, sides_of(windows.padding))
        if any((n - k) % s for n, k, s in zip(totals, windows.kernel, windows.stride, strict=True)):
            raise ConversionStoppedError(
                f"{node.title} has ceil_mode and windows that reach beyond its input; pad it or "
                "leave ceil_mode out"
            )
    return windows
