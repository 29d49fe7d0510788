"""Operators that act on each number: arithmetic with constants, normalisation, ReLU, quantisers."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.converters.onnx.model import OnnxNode
from edgespike.converters.onnx.qonnx.bits import Bits
from edgespike.converters.onnx.qonnx.fields import attribute, number
from edgespike.converters.onnx.qonnx.firing import fire
from edgespike.converters.onnx.qonnx.joins import add
from edgespike.converters.onnx.qonnx.quantisers import (
    Quantiser,
    bipolar,
    multi_threshold,
    quant,
    trunc,
)
from edgespike.converters.onnx.qonnx.state import TABLE_LIMIT, Activation, State, Value
from edgespike.converters.onnx.qonnx.steps import Clip, Fractions, over_root
from edgespike.converters.onnx.qonnx.weights import quantised
from edgespike.converters.sums import ConversionStoppedError
from edgespike.errors import shown

_ZERO, _ONE = Fraction(0), Fraction(1)


def arithmetic(state: State, node: OnnxNode) -> Value:
    """Convert Add, Sub, Mul or Div: of two values that depend on the input, or with a constant."""
    constant = [state.is_constant(name) for name in node.inputs[:2]]
    if not any(constant):
        return _of_two(state, node)
    first = constant[0]
    x = state.activation(node, int(first))
    values = state.exact(node, int(not first))
    rows = state.rows(node, values, x)
    numbers = state.fractions(node, rows, x)
    factor, offset = _line(node, numbers, constant_first=first)
    made = x.line(factor, offset)
    if x.table is None or rows.dtype.kind != "f":
        return made
    if max(len(rows), len(x.table)) * x.table.shape[1] > TABLE_LIMIT:
        return made
    table = _computed(node.op, x.table, rows, constant_first=first)
    return replace(made, table=table) if np.isfinite(table).all() else made


def _of_two(state: State, node: OnnxNode) -> Value:
    x, y = state.activation(node, 0), state.activation(node, 1)
    match node.op:
        case "Add":
            return add(state, node, x, y)
        case "Sub":
            channels = state.channels(y)
            return add(state, node, x, y.line((-_ONE,) * channels, (_ZERO,) * channels))
        case _:
            raise ConversionStoppedError(
                f"{node.title} is a {node.op} of two values that depend on the input, which is not "
                "read: give one of them as a constant"
            )


def _line(
    node: OnnxNode, numbers: Fractions, *, constant_first: bool
) -> tuple[Fractions, Fractions]:
    ones, zeros = (_ONE,) * len(numbers), (_ZERO,) * len(numbers)
    match node.op:
        case "Add":
            return ones, numbers
        case "Sub" if constant_first:
            return tuple(-one for one in ones), numbers
        case "Sub":
            return ones, tuple(-number for number in numbers)
        case "Mul":
            return numbers, zeros
        case "Div" if not constant_first and 0 not in numbers:
            return tuple(1 / number for number in numbers), zeros
        case _:
            raise ConversionStoppedError(
                f"{node.title} divides a constant by a value, or by 0; divide by constants"
            )


def _computed(
    op: str, table: NDArray[np.float32], rows: NDArray[Any], *, constant_first: bool
) -> NDArray[np.float32]:
    """Return what float32 arithmetic gives."""
    constant = rows.astype(np.float32).reshape(-1, 1)
    function = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide}[op]
    with np.errstate(all="ignore"):
        return function(constant, table) if constant_first else function(table, constant)


def negative(state: State, node: OnnxNode) -> Value:
    """Convert Neg."""
    x = state.activation(node)
    channels = state.channels(x)
    made = x.line((-_ONE,) * channels, (_ZERO,) * channels)
    return made if x.table is None else replace(made, table=-x.table)


def batch_normalization(state: State, node: OnnxNode) -> Value:
    """Convert BatchNormalization with its stored statistics."""
    x = state.activation(node)
    if node.attributes.get("training_mode", 0):
        raise ConversionStoppedError(f"{node.title} is in training mode; export for inference")
    if x.channel_axis != 1:
        raise ConversionStoppedError(
            f"{node.title} normalises axis 1, which does not hold the channels; transpose before it"
        )
    given = [state.exact(node, i).ravel() for i in range(1, 5)]
    if any(len(values) != state.channels(x) for values in given):
        raise ConversionStoppedError(
            f"{node.title} has {', '.join(str(len(values)) for values in given)} parameters for "
            f"{state.channels(x)} channels"
        )
    gamma, beta, mean, variance = (
        state.fractions(node, state.in_order(values, x), x) for values in given
    )
    epsilon = attribute(node, "epsilon", 1e-5)
    squares = tuple(value + epsilon for value in variance)
    if min(squares) <= 0:
        raise ConversionStoppedError(
            f"{node.title} has a variance plus epsilon of {float(min(squares))}; it must be "
            "positive"
        )
    shifted = x.line((_ONE,) * len(mean), tuple(-value for value in mean))
    return replace(shifted, steps=over_root(shifted.steps, squares)).line(gamma, beta)


def relu(state: State, node: OnnxNode) -> Value:
    """Convert Relu."""
    return _clip(state.activation(node), _ZERO, None)


def clip(state: State, node: OnnxNode) -> Value:
    """Convert Clip; its bounds are attributes before version 11."""
    bounds: list[Fraction | None] = []
    for index, name, sign in ((1, "min", -1), (2, "max", 1)):
        bound = None
        if state.given(node, index):
            bound = number(node, name, state.constant(node, index))
        elif name in node.attributes:
            bound = attribute(node, name, 0.0)
        unlimited = bound is None or sign * bound >= Fraction(float(np.finfo(np.float32).max))
        bounds.append(None if unlimited else bound)
    low, high = bounds
    if low is not None and high is not None and low > high:
        raise ConversionStoppedError(f"{node.title} clips to {float(low)}..{float(high)}")
    return _clip(state.activation(node), low, high)


def _clip(x: Activation, low: Fraction | None, high: Fraction | None) -> Activation:
    made = x.then(Clip(low, high))
    if x.table is None:
        return made
    least = np.float32(-np.inf if low is None else low)
    most = np.float32(np.inf if high is None else high)
    return replace(made, table=np.clip(x.table, least, most))


def quantiser(state: State, node: OnnxNode) -> Value:
    """Convert Quant, IntQuant, BipolarQuant, Trunc or MultiThreshold."""
    name = node.inputs[0]
    if state.is_constant(name):
        if node.op not in ("Quant", "IntQuant", "BipolarQuant"):
            raise ConversionStoppedError(f"{node.title} is a {node.op} of a constant; compute it")
        others = [state.constant(node, i) for i in range(1, len(node.inputs))]
        return quantised(node, state.constant(node, 0), others)
    x = state.activation(node)
    takers = state.consumers[node.outputs[0]]
    from_zero = bool(takers) and all(taker.op == "MaxPool" for taker in takers)
    return fire(state, node, x, _made(state, node, x), from_zero=from_zero)


def _made(state: State, node: OnnxNode, x: Activation) -> Quantiser:
    match node.op:
        case "BipolarQuant":
            return bipolar(node, state.rows(node, state.constant(node, 1), x))
        case "Trunc":
            return trunc(node, [state.constant(node, i) for i in range(1, len(node.inputs))])
        case "MultiThreshold":
            return _multi_threshold(state, node, x)
        case _:
            scale = state.rows(node, state.constant(node, 1), x)
            return quant(
                node, Bits.of(node, state.constant(node, 3)), scale, state.constant(node, 2)
            )


LAYOUTS = {2: "NC", 3: "NWC", 4: "NCHW"}
"""What MultiThreshold takes its input for where it does not say it, by the number of axes."""


def _multi_threshold(state: State, node: OnnxNode, x: Activation) -> Quantiser:
    thresholds = state.constant(node, 1)
    rank = len(x.axes) + 1
    layout = str(node.attributes.get("data_layout", "")) or LAYOUTS.get(rank, "")
    axis = layout.index("C") if "C" in layout else 1
    if thresholds.ndim != 2 or len(thresholds) not in (1, state.channels(x)):
        raise ConversionStoppedError(
            f"{node.title} has thresholds of shape {thresholds.shape} for {state.channels(x)} "
            "channels; give (channels, levels) or (1, levels)"
        )
    if len(thresholds) > 1 and axis != x.channel_axis:
        raise ConversionStoppedError(
            f"{node.title} has thresholds for axis {axis} (layout {shown(layout)}), but the "
            f"channels are on axis {x.channel_axis}; state its data_layout"
        )
    return multi_threshold(node, state.in_order(thresholds, x))
