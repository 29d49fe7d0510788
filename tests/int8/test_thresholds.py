"""Monotone functions as thresholds, compared with the function at every number of the range."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgespike.graph.tensor import Integers
from edgespike.int8.rounding import Requantise, Rounding
from edgespike.int8.thresholds import levels_of
from edgespike.interpreter import threshold


def values(
    function: Callable[[Integers], Integers], low: Integers, high: Integers, zero: int
) -> tuple[Integers, Integers]:
    """Return what the thresholds of a function give at all numbers, and what the function does."""
    levels = levels_of(function, low, high, zero)
    op = levels.threshold(zero)
    x = np.arange(low.min(), high.max() + 1)
    x = np.clip(np.broadcast_to(x, (len(low), len(x))), low[:, None], high[:, None])
    assert (op.theta[:, 1:] >= op.theta[:, :-1]).all()
    assert ((op.theta >= low[:, None]) & (op.theta <= high[:, None] + 1)).all()
    return threshold(op, x.T).T + zero, function(x)


ROWS = st.lists(st.lists(st.integers(-20, 20), min_size=5, max_size=5), min_size=1, max_size=4)


@given(ROWS, st.lists(st.booleans(), min_size=4, max_size=4), st.integers(-30, 30))
def test_tables_that_ascend_or_descend(
    rows: list[list[int]], descends: list[bool], zero: int
) -> None:
    table = np.sort(np.array(rows), axis=1)
    table[descends[: len(table)]] *= -1

    def look_up(x: Integers) -> Integers:
        return np.take_along_axis(table, x - 3, axis=1)

    low, high = np.full(len(table), 3), np.full(len(table), 7)
    found, wanted = values(look_up, low, high, zero)
    assert np.array_equal(found, wanted)


@pytest.mark.parametrize("rounding", Rounding)
@given(
    seed=st.integers(0, 2**32 - 1),
    zero=st.integers(-128, 127),
    ends=st.tuples(st.integers(-128, 127), st.integers(-128, 127)),
)
def test_every_sum_of_every_channel(
    rounding: Rounding, seed: int, zero: int, ends: tuple[int, int]
) -> None:
    rng = np.random.default_rng(seed)
    factor = 2.0 ** rng.uniform(-12, 0, 4)
    factor[:2] = 2.0 ** np.round(np.log2(factor[:2]))
    requantise = Requantise(factor, rounding, zero, min(ends), max(ends))
    low = rng.integers(-2000, 0, 4)
    found, wanted = values(requantise, low, low + rng.integers(0, 4000, 4), zero)
    assert np.array_equal(found, wanted)


def test_levels_begin_at_the_zero_point_or_below() -> None:
    low, high = np.array([0]), np.array([10])
    above = levels_of(lambda x: x + 3, low, high, 1).threshold(1)
    assert (above.offset, above.levels) == (0, 12)
    assert above.theta[0, :3].tolist() == [0, 0, 1]  # 2 and 3 are always reached
    below = levels_of(lambda x: x - 3, low, high, 1).threshold(1)
    assert (below.offset, below.levels) == (-4, 10)


def test_a_constant_has_one_threshold_that_is_never_reached() -> None:
    levels = levels_of(lambda x: 0 * x + 5, np.array([-2]), np.array([9]), 5)
    assert (levels.least, levels.theta.tolist()) == (5, [[10]])
