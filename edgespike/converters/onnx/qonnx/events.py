"""Values as events that synapses may receive, with 0 where zero padding needs it."""

from __future__ import annotations

from fractions import Fraction
from math import gcd, lcm

import numpy as np

from edgespike.converters.builder import label_of_neurons
from edgespike.converters.onnx.qonnx.firing import PARTS_LIMIT
from edgespike.converters.onnx.qonnx.state import Activation, State, every, real
from edgespike.converters.onnx.qonnx.steps import Clip, Fractions, Line
from edgespike.converters.onnx.qonnx.thresholds import check_size
from edgespike.converters.sums import ConversionStoppedError
from edgespike.graph import Threshold
from edgespike.graph.tensor import Integers

LEVEL_LIMIT = 2**12
"""Most levels of values that are passed on as they are."""

FACTOR_LIMIT = 2**12
"""Largest whole factor that brings two scales to one unit."""


def as_events(state: State, path: str, x: Activation) -> tuple[Activation, Line]:
    """Return a value as events, and the line that it is of them.

    Sums that nothing has quantised become events through thresholds, where they have few values;
    so does a ReLU that clips whole levels.
    """
    line = state.line_of(x)
    while line is None:
        x = _clipped(state, path, x)
        line = state.line_of(x)
    if not state.tensor(x).signal.is_event:
        x = relabelled(state, path, x, state.tensor(x).bounds[0], 1)
    return x, line


def relabelled(state: State, path: str, x: Activation, offset: int, unit: int) -> Activation:
    """Return events ``offset + unit * (value - lowest value)`` of a node's integers."""
    low, high = state.tensor(x).bounds
    if high - low > LEVEL_LIMIT:
        raise ConversionStoppedError(
            f"{path} takes sums that nothing has quantised, of {high - low + 1} possible values; "
            "put a Quant before it"
        )
    theta = np.arange(low + 1, max(high, low + 1) + 1)
    return _with_thresholds(state, path, x, theta, offset, unit)


def _with_thresholds(
    state: State, path: str, x: Activation, theta: Integers, offset: int, unit: int
) -> Activation:
    channels = state.channels(x)
    check_size(path, channels, len(theta))
    rows = np.broadcast_to(theta, (channels, len(theta)))
    op = Threshold(rows, np.zeros(channels, np.bool_), offset, unit)
    name = state.append(path, label_of_neurons(op.levels), op, x.node)
    return Activation(name, x.axes, x.steps, x.order)


def _clipped(state: State, path: str, x: Activation) -> Activation:
    """Return a value whose first clip is done by thresholds."""
    steps = x.steps
    line = state.line_of(Activation(x.node, x.axes, steps[:1])) if steps else None
    rest = steps[1:] if line else steps
    if line is None:
        line = state.line_of(Activation(x.node, x.axes))
    if not rest or not isinstance(clip := rest[0], Clip) or line is None:
        raise _not_quantised(path)
    factor, offset = every(line.factor), every(line.offset)
    if factor is None or offset is None or factor <= 0:
        raise _not_quantised(path)
    low, high = state.tensor(x).bounds
    ends = [
        given if bound is None else (bound - offset) / factor
        for bound, given in ((clip.low, Fraction(low)), (clip.high, Fraction(high)))
    ]
    if any(end.denominator != 1 for end in ends):
        raise _not_quantised(path)
    least, most = map(int, ends)
    first, last = min(max(least, low), most), min(most, high)
    if last - first > LEVEL_LIMIT:
        raise _not_quantised(path)
    theta = np.arange(first + 1, last + 1) if last > first else np.array([high + 1])
    after = Activation(x.node, x.axes, (line, *rest[1:]), x.order)
    return _with_thresholds(state, path, after, theta, first, 1)


def _not_quantised(path: str) -> ConversionStoppedError:
    return ConversionStoppedError(
        f"{path} takes values that nothing has quantised since they were normalised or clipped; "
        "put a Quant before it"
    )


def with_zero(state: State, path: str, x: Activation, line: Line) -> tuple[Activation, Line]:
    """Return events whose 0 stands for 0, as padding needs it."""
    shifts = [o / f if f else Fraction(0) for f, o in zip(line.factor, line.offset, strict=True)]
    shift = every(shifts)
    if shift is None or shift.denominator > PARTS_LIMIT or 0 in line.factor:
        raise ConversionStoppedError(
            f"{path} pads with zeros, which no level of its input stands for; quantise it with a "
            "whole zero point, or do not pad"
        )
    if shift == 0:
        return x, line
    parts = shift.denominator
    low, _ = state.tensor(x).bounds
    moved = relabelled(state, path, x, int(parts * (low + shift)), parts)
    factor = tuple(f / parts for f in line.factor)
    line = Line(factor, (Fraction(0),) * len(factor))
    return Activation(moved.node, x.axes, (line,), x.order), line


def common_unit(path: str, factors: Fractions) -> tuple[Fraction, list[int]]:
    """Return a unit of which all factors are small multiples, and these.

    Raises
    ------
    ConversionStoppedError
        There is none.
    """
    different = sorted(set(factors))
    if len(different) == 1 and different[0]:
        return different[0], [1] * len(factors)
    unit = Fraction(
        gcd(*(f.numerator for f in different)), lcm(*(f.denominator for f in different))
    )
    if not unit:
        return Fraction(1), [0] * len(factors)
    largest = max(abs(f) for f in different) / unit
    if largest > FACTOR_LIMIT:
        listed = ", ".join(f"{real(f):.9g}" for f in different[:4])
        raise ConversionStoppedError(
            f"{path} adds up values of the scales {listed}{', ...' if len(different) > 4 else ''}, "
            f"which are no multiples, up to {FACTOR_LIMIT}, of one unit; give them one scale"
        )
    return unit, [int(f / unit) for f in factors]
