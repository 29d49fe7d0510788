"""A proven multiplier yields the right level for every accumulator, on every kernel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgespike.targets.shared.lines import fit
from edgespike.targets.tflite.planning.requantise import multiplier_and_offset, proven
from tests.targets.tflite.kernels import ONE_CHANNEL, PER_CHANNEL

Whole = NDArray[np.int64]


def even(step: float, start: float, levels: int) -> Whole:
    """Return the thresholds of one channel as folding does: least integers on or above a line."""
    theta: Whole = np.ceil((np.arange(1, levels + 1) - 0.5) * step + start).astype(np.int64)
    return theta


def solve(theta: Whole, low: Whole, high: Whole, factor: int) -> tuple[bool, np.float32, int]:
    """Fit all channels; return whether the first is proven, with its multiplier and offset."""
    factors = np.full(len(theta), factor)
    multiplier, offset = multiplier_and_offset(*fit(theta, low, high), factors)
    stored = multiplier.astype(np.float32)
    right = proven(theta, low, high, factors, offset, stored.astype(np.float64))
    return bool(right[0]), stored[0], int(offset[0])


def assert_levels(theta: Whole, low: int, high: int, factor: int, others: int) -> bool:
    """Return whether a channel is proven; if so, every kernel must compute every level right."""
    rows = np.repeat(theta[None], 1 + others, axis=0)
    right, multiplier, offset = solve(
        rows, np.full(len(rows), low), np.full(len(rows), high), factor
    )
    if right:
        accumulators = np.arange(low, high + 1)
        expected = (accumulators[:, None] >= theta).sum(axis=1)
        for name, kernel in (PER_CHANNEL if others else ONE_CHANNEL).items():
            found = kernel(factor * accumulators + offset, multiplier)
            assert np.array_equal(np.clip(found, 0, len(theta)), expected), name
    return right


@settings(max_examples=400)
@given(
    theta=st.lists(st.integers(-300, 300), min_size=2, max_size=15).map(sorted),
    low=st.integers(-400, 0),
    width=st.integers(0, 800),
    factor=st.integers(1, 127),
    others=st.sampled_from((0, 2)),
)
def test_any_thresholds(theta: list[int], low: int, width: int, factor: int, others: int) -> None:
    assert_levels(np.array(theta), low, low + width, factor, others)


@settings(max_examples=400)
@given(
    step=st.floats(0.05, 2000),
    start=st.floats(-5000, 5000),
    levels=st.sampled_from((2, 3, 4, 7, 14, 15)),
    factor=st.integers(1, 127),
    others=st.sampled_from((0, 2)),
)
def test_even_thresholds_are_proven_where_the_factor_leaves_room(
    step: float, start: float, levels: int, factor: int, others: int
) -> None:
    """A line passes all thresholds at a distance of at least 1 / (2 (levels - 1)).

    Kernels need one unit of ``factor * acc``, or two where there is one channel, the rounded
    offset half of one, and float32 a little more.
    """
    theta = even(step, start, levels)
    reach = int(step * levels) + 10
    low, high = int(start) - reach, int(start) + reach
    right = assert_levels(theta, low, high, factor, others)
    needed = 2 * (levels - 1) * ((1.5 if others else 2.5) + factor * (abs(low) + high) * 2.0**-20)
    assert right or factor < needed


@given(factor=st.integers(8, 127), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=50)
def test_accumulators_of_millions(factor: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    step, start = rng.uniform(1e3, 2e5), rng.uniform(-1e5, 1e5)
    theta = even(step, start, 3)
    reach = 4 * int(step)
    low, high = np.array([int(start) - reach] * 2), np.array([int(start) + reach] * 2)
    right, multiplier, offset = solve(np.repeat(theta[None], 2, 0), low, high, factor)
    assume(right)
    near = np.concatenate([theta - 1, theta, [low[0], high[0]], rng.integers(low[0], high[0], 999)])
    expected = (near[:, None] >= theta).sum(axis=1)
    for name, kernel in PER_CHANNEL.items():
        found = np.clip(kernel(factor * near + offset, multiplier), 0, 3)
        assert np.array_equal(found, expected), name


@pytest.mark.parametrize(
    ("theta", "low", "high"),
    [
        ([5, 6, 100], 0, 200),
        ([-50, 0, 1, 2], -100, 100),
        ([0, 0, 0, 2], -5, 5),
    ],
)
def test_uneven_thresholds_are_not_proven(theta: list[int], low: int, high: int) -> None:
    assert not assert_levels(np.array(theta), low, high, factor=127, others=2)


@pytest.mark.parametrize(
    ("theta", "low", "high"),
    [
        ([-7, 40], 0, 30),
        ([-9, -8, -7], 0, 30),
        ([31, 50, 51], 0, 30),
        ([-100, 3, 500], 0, 30),
        ([3, 3], 0, 30),
        ([0, 1], 0, 0),
        (list(range(-400, 400, 9)), 0, 30),
    ],
    ids=[
        "none in reach",
        "all reached",
        "none reached",
        "one in reach",
        "equal",
        "constant",
        "few of many in reach",
    ],
)
def test_thresholds_out_of_reach_lie_anywhere_outside(
    theta: list[int], low: int, high: int
) -> None:
    assert assert_levels(np.array(theta), low, high, factor=20, others=2)


def test_a_factor_without_room_is_not_proven() -> None:
    """Consecutive accumulators may become the same number in the first of two roundings."""
    theta = even(7.3, 0.2, 3)
    assert not assert_levels(theta, -50, 50, factor=1, others=2)
    assert assert_levels(theta, -50, 50, factor=8, others=2)
