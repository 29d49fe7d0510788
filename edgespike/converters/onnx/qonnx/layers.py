"""Layers with weights: Conv, Gemm and MatMul."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.converters.onnx.model import OnnxNode
from edgespike.converters.onnx.qonnx.events import as_events, common_unit, with_zero
from edgespike.converters.onnx.qonnx.fields import attribute
from edgespike.converters.onnx.qonnx.geometry import windows_of
from edgespike.converters.onnx.qonnx.state import Activation, State, every
from edgespike.converters.onnx.qonnx.steps import Fractions, Line
from edgespike.converters.onnx.qonnx.weights import Weights
from edgespike.converters.onnx.windows import Windows
from edgespike.converters.sums import ConversionStoppedError
from edgespike.graph import Conv2d, Dense
from edgespike.graph.tensor import Integers


def conv(state: State, node: OnnxNode) -> Activation:
    """Convert Conv of images or of rows."""
    x, weights = state.activation(node), state.weights(node, 1)
    rank = weights.values.ndim
    if rank not in (3, 4) or x.axes != ((0, 1, 2) if rank == 4 else (0, 2)):
        raise ConversionStoppedError(
            f"{node.title} has a kernel of shape {weights.values.shape} on an input with the axes "
            f"{('channels', *x.axes[1:])}; give (batch, channels, height, width) or (batch, "
            "channels, length)"
        )
    windows = windows_of(state, node, weights.values.shape[2:])
    weights = weights.reshape((*weights.values.shape[:2], *windows.kernel))
    bias = state.exact(node, 2) if state.given(node, 2) else None
    groups = int(node.attributes.get("group", 1))
    return _convolved(state, node, x, weights, bias, windows, groups)


_ONE_PIXEL = Windows((1, 1), (1, 1), (1, 1), (0, 0, 0, 0))


def _convolved(
    state: State,
    node: OnnxNode,
    x: Activation,
    weights: Weights,
    bias: NDArray[Any] | None,
    windows: Windows,
    groups: int,
) -> Activation:
    x, line = as_events(state, node.title, x)
    if any(windows.padding) and any(line.offset):
        x, line = with_zero(state, node.title, x, line)
    outputs, per_group = weights.values.shape[:2]
    if groups < 1 or outputs % groups or per_group * groups != len(line.factor):
        raise ConversionStoppedError(
            f"{node.title} has a kernel of shape {weights.values.shape} in {groups} groups, and an "
            f"input of {len(line.factor)} channels; they do not fit"
        )
    # The channel of each (output, input of its group).
    sources = np.arange(outputs)[:, None] // (outputs // groups) * per_group + np.arange(per_group)
    unit, factors = common_unit(node.title, line.factor)
    scaled = weights.values * np.array(factors, np.int64)[sources][:, :, None, None]
    made = _line_of_sums(node, weights, sources, line, unit, bias)
    op = Conv2d(
        scaled,
        np.zeros(outputs, np.int64),
        stride=windows.stride,
        padding=windows.padding,
        dilation=windows.dilation,
        groups=groups,
    )
    return Activation(state.append(node.title, "sums", op, x.node), x.axes, (made,))


def matmul(state: State, node: OnnxNode) -> Activation:
    """Convert MatMul of a value with weights: dense, or 1 x 1 where the channels are last."""
    x, weights = state.activation(node), state.weights(node, 1)
    if weights.values.ndim != 2 or x.channel_axis != len(x.axes):
        raise ConversionStoppedError(
            f"{node.title} multiplies axis {len(x.axes)} by weights of shape "
            f"{weights.values.shape}; give a value with its channels last and a matrix"
        )
    weights = weights.transpose((1, 0))
    if len(x.axes) == 1:
        return _dense(state, node, x, weights)
    if weights.values.shape[1] != state.channels(x):
        raise ConversionStoppedError(f"{node.title} has weights that do not fit its input")
    kernel = weights.reshape((*weights.values.shape, 1, 1))
    return _convolved(state, node, x, kernel, None, _ONE_PIXEL, groups=1)


def gemm(state: State, node: OnnxNode) -> Activation:
    """Convert Gemm of a value with weights."""
    x, weights = state.activation(node), state.weights(node, 1)
    if node.attributes.get("transA", 0) or weights.values.ndim != 2 or len(x.axes) != 1:
        raise ConversionStoppedError(
            f"{node.title} transposes its input or has an input of more than two axes; flatten it"
        )
    if not node.attributes.get("transB", 0):
        weights = weights.transpose((1, 0))
    alpha, beta = attribute(node, "alpha", 1.0), attribute(node, "beta", 1.0)
    bias = state.exact(node, 2) if state.given(node, 2) else None
    made = _dense(state, node, x, weights)
    channels = state.channels(made)
    offset = (Fraction(0),) * channels
    if bias is not None:
        rows = state.rows(node, bias, made)
        offset = tuple(beta * value for value in state.fractions(node, rows, made))
    return made.line((alpha,) * channels, offset)


def _dense(state: State, node: OnnxNode, x: Activation, weights: Weights) -> Activation:
    x, line = as_events(state, node.title, x)
    if weights.values.shape[1] != len(line.factor):
        raise ConversionStoppedError(
            f"{node.title} has weights for {weights.values.shape[1]} features, and an input of "
            f"{len(line.factor)}"
        )
    if x.order is not None:
        back = np.argsort(x.order)
        weights = replace(weights, values=weights.values[:, back], scale=weights.scale[:, back])
    sources = np.broadcast_to(np.arange(len(line.factor)), weights.values.shape)
    unit, factors = common_unit(node.title, line.factor)
    made = _line_of_sums(node, weights, sources, line, unit, None)
    scaled = weights.values * np.array(factors, np.int64)
    op = Dense(scaled, np.zeros(len(scaled), np.int64))
    return Activation(state.append(node.title, "sums", op, x.node), (0,), (made,))


def _line_of_sums(
    node: OnnxNode,
    weights: Weights,
    sources: Integers,
    line: Line,
    unit: Fraction,
    bias: NDArray[Any] | None,
) -> Line:
    """Return what the integer sums stand for, with the bias and what the inputs' offsets add.

    Parameters
    ----------
    sources
        The input channel of each weight, ``(outputs, inputs of an output)``.
    """
    units = weights.units(node.title)
    offsets = [Fraction(0)] * len(units)
    if any(line.offset):
        totals = weights.values.reshape(*weights.values.shape[:2], -1).sum(axis=2)
        shared = every(line.offset)
        for output, row in enumerate(totals):
            if shared is not None:
                offsets[output] = shared * int(row.sum()) * units[output]
                continue
            taken = zip(sources[output], row, strict=True)
            sums = sum((line.offset[int(c)] * int(total) for c, total in taken), Fraction(0))
            offsets[output] = sums * units[output]
    if bias is not None:
        biases = _biases(node, bias, len(units))
        offsets = [offset + value for offset, value in zip(offsets, biases, strict=True)]
    return Line(tuple(unit * each for each in units), tuple(offsets))


def _biases(node: OnnxNode, bias: NDArray[Any], outputs: int) -> Fractions:
    values = bias.ravel()
    if len(values) != outputs:
        raise ConversionStoppedError(
            f"{node.title} has a bias of shape {bias.shape} for {outputs} outputs"
        )
    if bias.dtype.kind == "f" and not np.isfinite(bias).all():
        raise ConversionStoppedError(f"{node.title} has a bias that is not finite")
    return tuple(v if isinstance(v, Fraction) else Fraction(v.item()) for v in values)
