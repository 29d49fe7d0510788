"""The parts of the recipe, each beside a slow and obvious form of itself."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgespike.graph import Input, Signal, Tensor, Threshold
from edgespike.interpreter import threshold
from edgespike.quantise.levels.correction import corrected
from edgespike.quantise.levels.firing import Grid, signed_grid
from edgespike.quantise.levels.graph_so_far import Growing
from edgespike.quantise.levels.level_steps import FRACTIONS, best_steps
from edgespike.quantise.levels.thresholds import thresholds
from edgespike.quantise.lines import Line
from tests.quantise.losses import squared

RNG = np.random.default_rng(5)
NUMBERS = st.sampled_from([0.1, 1 / 3, 0.25, 1.0, 2.5, 7e-5, 1e3])


@given(NUMBERS, NUMBERS, NUMBERS, st.sampled_from([-1, 0, 1]), st.sampled_from([-1, 0, 1]))
def test_thresholds_are_those_of_fractions(
    scale: float, offset: float, step: float, sign: int, side: int
) -> None:
    line = Line(np.array([sign * scale]), np.array([side * offset]))
    bounds = np.array([[(k - 0.5) * step for k in (1, 2, 3)]])
    sums = Tensor((1,), np.array([-40]), np.array([40]), Signal.ACCUMULATOR)
    op = thresholds(line, bounds, sums)
    n = np.arange(-40, 41)
    values = [Fraction(float(line.scale[0])) * int(i) + Fraction(float(line.offset[0])) for i in n]
    expected = [sum(value >= Fraction(bound) for bound in bounds[0].tolist()) for value in values]
    assert threshold(op, n[:, None])[:, 0].tolist() == expected


def test_a_tie_is_decided_by_the_exact_numbers() -> None:
    # In float64, 0.1 * 3 is 0.30000000000000004, more than 0.3; as fractions 0.1 * 3 is more too,
    # but 0.1 * 10 is more than 1, where float64 says they are equal.
    sums = Tensor((1,), np.array([0]), np.array([99]), Signal.ACCUMULATOR)
    above_one = np.array([[math.nextafter(1.0, 2.0)]])
    assert 0.1 * 10 == 1.0
    assert Fraction(0.1) * 10 > 1
    assert thresholds(Line.of(1, 0.1), np.array([[1.0]]), sums).theta.item() == 10
    assert thresholds(Line.of(1, 0.1), above_one, sums).theta.item() == 11


def test_thresholds_by_bisection_are_those_of_the_interpreter() -> None:
    grow = Growing()
    samples = RNG.integers(-128, 128, (50, 3, 2, 2))
    source = grow.start(Input((3, 2, 2), -128, 127, 1.0), samples)
    theta = np.sort(RNG.integers(-130, 130, (3, 9)), axis=1)
    op = Threshold(theta, np.array([False, True, False]), -4, 2)
    name = grow.add("net.relu", "levels", op, [source])
    assert np.array_equal(grow.seen[name], threshold(op, samples))
    assert grow.seen[name].dtype.itemsize < 8


def test_levels_above_the_maximum_are_never_reached() -> None:
    grid = Grid(np.array([0.5, 2.0]), 0, 3, maximum=1.2)
    sums = Tensor((2,), np.array([-9, -9]), np.array([9, 9]), Signal.ACCUMULATOR)
    op = thresholds(Line.of(2), grid.bounds, sums)
    assert op.theta.tolist() == [[1, 1, 10], [1, 10, 10]]
    values = np.array([[1.2, 1.2], [9.0, 9.0]])
    assert grid.of(values).tolist() == [[2, 1], [2, 1]]


@given(st.integers(-3, 0), st.integers(1, 5))
def test_the_nearest_level_by_a_loop(lowest: int, highest: int) -> None:
    steps = RNG.uniform(0.1, 2, 3)
    values = RNG.normal(size=(20, 3, 2)) * 3
    values[0] = steps[:, None] * 0.5  # a tie, up
    found = Grid(steps, lowest, highest).of(values)
    for (i, c, j), value in np.ndenumerate(values):
        reached = (value >= (k - 0.5) * steps[c] for k in range(lowest + 1, highest + 1))
        assert found[i, c, j] == lowest + sum(reached)


@pytest.mark.parametrize(
    ("low", "high", "levels", "expected"),
    [(-1, 1, 16, (-8, 7)), (-1, 3, 16, (-4, 11)), (0, 1, 16, (0, 15)), (-1, 9, 2, (-1, 1))],
)
def test_levels_of_both_signs_are_shared_out_by_the_ends(
    low: float, high: float, levels: int, expected: tuple[int, int]
) -> None:
    grid = signed_grid(np.linspace(low, high, 9999)[:, None], levels, from_zero=False, one=False)
    assert (grid.lowest, grid.highest) == expected


@pytest.mark.parametrize(("lowest", "highest"), [(0, 15), (0, 3), (0, 1), (-8, 7)])
def test_a_step_loses_least_of_all_candidates(lowest: int, highest: int) -> None:
    values = np.maximum(RNG.normal(size=(4, 200)), 0 if lowest == 0 else -9)
    for row, step in zip(values, best_steps(values, lowest, highest), strict=True):
        reach = max(row.max() / highest, -row.min() / -lowest if lowest else 0)
        losses = [squared(row, reach * f, lowest, highest) for f in FRACTIONS]
        assert squared(row, float(step), lowest, highest) <= min(losses) * (1 + 1e-12)


def test_steps_of_channels_that_lie_on_a_grid_or_are_silent() -> None:
    levels = RNG.integers(0, 16, (1, 300)).astype(np.float64)
    on_grid, six = levels * 0.125, levels * 0.4
    assert best_steps(on_grid, 0, 15).tolist() == [0.125]
    assert best_steps(six, 0, 15, 6.0).tolist() == [6 / 15]
    silent = np.concatenate([on_grid, 0 * on_grid, 2 * on_grid, 4 * on_grid])
    assert best_steps(silent, 0, 15).tolist() == [0.125, 0.25, 0.25, 0.5]
    assert best_steps(0 * on_grid, 0, 15).tolist() == [1.0]


def test_a_correction_is_a_straight_line_through_the_float_values() -> None:
    sums = RNG.integers(-50, 50, (40, 3, 2, 2))
    target = 0.3 * sums + 1 + RNG.normal(size=sums.shape)
    line = corrected(Line.of(3, 0.25), sums, target)
    for channel in range(3):
        x, y = sums[:, channel].ravel(), target[:, channel].ravel()
        slope, offset = np.polyfit(x, y, 1)
        assert line.scale[channel] == pytest.approx(slope)
        assert line.offset[channel] == pytest.approx(offset)


def test_a_correction_changes_nothing_that_is_right_and_never_turns_a_sign() -> None:
    sums = RNG.integers(-50, 50, (40, 4))
    line = Line(np.array([0.1, 0.1, 0.1, -0.1]), np.array([0.7, 0.7, 0.7, 0.7]))
    target = sums * line.scale + line.offset
    target[:, 1] = -target[:, 1]
    sums[:, 2] = 3
    found = corrected(line, sums, target)
    assert found.scale[[0, 3]].tolist() == [0.1, -0.1]
    assert found.offset[[0, 3]].tolist() == [0.7, 0.7]
    assert found.scale[1:3].tolist() == [0.1, 0.1]
    assert 3 * 0.1 + found.offset[2] == pytest.approx(target[:, 2].mean())
