"""Levels from a line, alone or with a comparison: only where it is right for every value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgespike import interpreter
from edgespike.graph import Signal, Tensor, Threshold
from edgespike.graph.tensor import Integers
from edgespike.targets.cpu.levels import Line, exact_line
from edgespike.targets.shared.lines import fit

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


def rounded_twice(step: float, zero: int, reach: int) -> Integers:
    """Return the thresholds of 255 levels as gemmlowp rounds: in 256ths, then away from zero."""
    x = np.arange(-reach, reach + 1)[:, None] + np.arange(CHANNELS)
    first = np.floor(x * 256 / step + 0.5).astype(np.int64)
    stored = np.sign(first) * ((np.abs(first) + 128) // 256) + zero
    level = np.clip(stored, 0, 255)
    return np.stack([np.searchsorted(row, np.arange(1, 256)) for row in level.T]) - reach


@pytest.mark.parametrize("flipped", [[False] * 3, [True, False, True]])
@pytest.mark.parametrize("step", [3.01, 17.3, 151.9])
@pytest.mark.parametrize("zero", [0, 4, 128, 250])
def test_levels_that_were_rounded_twice(zero: int, step: float, flipped: list[bool]) -> None:
    op = Threshold(rounded_twice(step, zero, 30_000), np.array(flipped))
    line = exact_line(op, accumulators(-20_000, 30_000))
    assert line is not None
    assert_right_everywhere(line, op, -20_000, 30_000)


def test_a_comparison_is_made_where_no_line_is_exact() -> None:
    op = Threshold(rounded_twice(901.3, 128, 130_000), np.zeros(CHANNELS, bool))
    line = exact_line(op, accumulators(-120_000, 120_000))
    assert line is not None
    assert line.line.following is not None
    assert_right_everywhere(line, op, -120_000, 120_000)


@given(data=st.data())
def test_a_comparison_is_right_everywhere_or_there_is_no_line(data: st.DataObject) -> None:
    """Thresholds up to a whole level off, several at one place, and beyond the range."""
    levels, step = data.draw(st.integers(12, 40)), data.draw(st.sampled_from((0.4, 1.3, 5.0, 20.0)))
    theta = even_thetas(data.draw(st.floats(-300, 300)), step, levels)
    most = int(data.draw(st.sampled_from((0.2, 0.5, 1.0))) * step)
    off = np.random.default_rng(data.draw(st.integers(0, 99))).integers(
        -most, most + 1, theta.shape
    )
    flipped = np.array([data.draw(st.booleans()), True, False])
    op = Threshold(np.sort(theta + off, axis=1), flipped)
    low = data.draw(st.integers(-300, 300))
    high = low + data.draw(st.integers(0, 600))
    line = exact_line(op, accumulators(low, high))
    if line is not None:
        assert_right_everywhere(line, op, low, high)


@pytest.mark.parametrize("flipped", [[False] * 3, [True, False, True]])
@pytest.mark.parametrize(
    ("shift", "given"), [(-1.4, 0), (-0.6, 0), (-0.4, 1), (0.4, 1), (0.6, 0), (1.4, 0)]
)
def test_a_line_that_is_off_by_more_than_half_a_level_is_not_given(
    shift: float, given: bool, flipped: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    def shifted(*arguments: Any) -> tuple[Any, Any]:
        step, start = fit(*arguments)
        return step, start + shift * step

    monkeypatch.setattr("edgespike.targets.shared.lines.fit", shifted)
    op = Threshold(even_thetas(-40.2, 30.0, 20), np.array(flipped))
    line = exact_line(op, accumulators(-200, 900))
    assert (line is not None) == given
    if line is not None:
        assert_right_everywhere(line, op, -200, 900)


def test_thresholds_far_from_every_line_are_compared() -> None:
    theta = np.tile(np.arange(20) ** 3, (CHANNELS, 1))
    assert exact_line(Threshold(theta, np.zeros(CHANNELS, bool)), accumulators(0, 9999)) is None


def test_uneven_thresholds_have_no_line() -> None:
    theta = np.array([[-40, -10, 0, 10, 40]] * CHANNELS)
    assert exact_line(Threshold(theta, np.zeros(CHANNELS, bool)), accumulators(-99, 99)) is None


def test_values_that_float32_cannot_hold_have_no_line() -> None:
    op = Threshold(even_thetas(0.0, 10.0, 3), np.zeros(CHANNELS, bool))
    assert exact_line(op, accumulators(0, 2**24 - 1)) is not None
    assert exact_line(op, accumulators(0, 2**24)) is None
