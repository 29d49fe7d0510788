"""A function of two numbers as one of a weighted sum of both.

A sum of two tensors of different scales is rounded in a way that ascends in both. It is a
function of ``m1 * a + m2 * b`` if that sum orders all pairs as the function does, which bounds the
ratio ``m1 / m2`` from both sides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from edgespike.graph.tensor import Integers
from edgespike.int8.fractions import simplest_between
from edgespike.int8.steps import Steps

_FAR = 2**40
"""Stands for the place of a value that is reached nowhere; far from all others."""


@dataclass(frozen=True, eq=False)
class WeightedPair:
    """``finish(first * a + second * b)``."""

    first: int
    second: int
    finish: Callable[[Integers], Integers]


def weighted_pair(table: Integers, a: Integers, b: Integers) -> WeightedPair | None:
    """Return a table as a function of a weighted sum, or ``None`` if it is none.

    It is proven by evaluating every pair.

    Parameters
    ----------
    table
        Its value at ``(a[i], b[j])`` in row i and column j.
    a, b
        Whole numbers in a row, ascending.
    """
    ratio = _ratio(table)
    if ratio is None:
        return None
    first, second = ratio.numerator, ratio.denominator
    sums = (first * a[:, None] + second * b).ravel()
    starts, where = np.unique(sums, return_index=True)
    steps = Steps(starts, table.ravel()[where])
    ascends = bool((np.diff(steps.values) >= 0).all())
    proven = ascends and np.array_equal(steps(sums), table.ravel())
    return WeightedPair(first, second, steps) if proven else None


def _ratio(table: Integers) -> Fraction | None:
    """Return the simplest ratio of weights that is not ruled out, if there is any."""
    if (np.diff(table, axis=0) < 0).any() or (np.diff(table, axis=1) < 0).any():
        return None
    low, high = Fraction(0), None
    columns = table.shape[1]
    levels = np.unique(table)[1:]
    # For each level and row: the first column that reaches it, and the last that does not.
    reached = np.stack([np.searchsorted(row, levels) for row in table], axis=1)
    first = np.where(reached < columns, reached, _FAR)
    last = np.where(reached > 0, reached - 1, -_FAR)
    for apart in range(1, len(table) if len(levels) else 0):
        # Where row i + apart reaches a level and row i does not: apart * m1 > gap * m2.
        gap = int((last[:, :-apart] - first[:, apart:]).max())
        low = max(low, Fraction(gap, apart))
        # The other way round: apart * m1 < gap * m2.
        gap = int((first[:, :-apart] - last[:, apart:]).min())
        if gap < _FAR // 2:
            high = Fraction(gap, apart) if high is None else min(high, Fraction(gap, apart))
    if high is not None and high <= low:
        return None
    return simplest_between(low, high)
