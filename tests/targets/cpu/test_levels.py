"""Levels from a line: given only where it is right for every value in range."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgespike import interpreter
from edgespike.graph import Signal, Tensor, Threshold
from edgespike.graph.tensor import Integers
from edgespike.targets.cpu.levels import Line, exact_line

CHANNELS = 3


def accumulators(low: int, high: int) -> Tensor:
    shape = (CHANNELS,)
    return Tensor(shape, np.full(shape, low), np.full(shape, high), Signal.ACCUMULATOR)


def even_thetas(start: float, step: float, levels: int) -> Integers:
    """Return the least integers that reach evenly spaced lines, each channel's a bit further."""
    places = start + step * np.arange(levels) + np.arange(CHANNELS)[:, None] / 3
    return np.ceil(places).astype(np.int64)


def assert_right_everywhere(line: Line, op: Threshold, low: int, high: int) -> None:
    x = np.repeat(np.arange(low, high + 1)[:, None], CHANNELS, axis=1)
    np.testing.assert_array_equal(line(x.astype(np.float32)), interpreter.threshold(op, x))


@pytest.mark.parametrize("levels", [2, 15, 127, 128, 300])
@pytest.mark.parametrize("step", [1.0, 2.7, 40.1])
@pytest.mark.parametrize("start", [-3000.37, 0.05, 71.43])
@pytest.mark.parametrize("flipped", [[False] * 3, [True, False, True]])
def test_evenly_spaced_thresholds(
    levels: int, step: float, start: float, flipped: list[bool]
) -> None:
    op = Threshold(even_thetas(start, step, levels), np.array(flipped))
    line = exact_line(op, accumulators(-4000, 9000))
    assert line is not None
    assert_right_everywhere(line, op, -4000, 9000)


@given(data=st.data())
def test_a_line_is_right_everywhere_or_is_not_given(data: st.DataObject) -> None:
    """Thresholds beyond the range, several at one place, and one moved off the line."""
    theta = even_thetas(
        data.draw(st.floats(-300, 300)),
        data.draw(st.sampled_from((0.0, 0.3, 1.0, 7.7, 90.0))),
        data.draw(st.integers(2, 20)),
    )
    theta[0, 0] += data.draw(st.integers(-3, 3))
    op = Threshold(np.sort(theta, axis=1), np.array([data.draw(st.booleans()), True, False]))
    low = data.draw(st.integers(-300, 300))
    high = low + data.draw(st.integers(0, 300))
    line = exact_line(op, accumulators(low, high))
    if line is not None:
        assert_right_everywhere(line, op, low, high)


def test_uneven_thresholds_have_no_line() -> None:
    theta = np.array([[-40, -10, 0, 10, 40]] * CHANNELS)
    assert exact_line(Threshold(theta, np.zeros(CHANNELS, bool)), accumulators(-99, 99)) is None


def test_values_that_float32_cannot_hold_have_no_line() -> None:
    op = Threshold(even_thetas(0.0, 10.0, 3), np.zeros(CHANNELS, bool))
    assert exact_line(op, accumulators(0, 2**24 - 1)) is not None
    assert exact_line(op, accumulators(0, 2**24)) is None
