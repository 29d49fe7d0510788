"""Exact sums of counts: int64 where that holds them, Python's integers (dtype object) beyond."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

INT64_LIMIT = 2**63 - 1
"""Largest number that int64 holds."""

Whole = NDArray[Any]
"""Numbers that are not negative: int64, or Python's integers where one does not fit into that."""


def add(left: Whole, right: Whole) -> Whole:
    """Add element by element."""
    total = np.asarray(left + right)
    # The sum of two numbers of 0 to 2**63 - 1 wraps around to a negative one, or not at all.
    wrapped = total.dtype != np.object_ and total.size > 0 and int(total.min()) < 0
    return left.astype(np.object_) + right if wrapped else total


def times(counts: Whole, factor: int) -> Whole:
    """Multiply element by element with a number that is not negative."""
    largest = max(counts.tolist(), default=0)
    if largest * factor <= INT64_LIMIT:
        return np.asarray(counts * factor)
    return np.asarray(counts.astype(np.object_) * factor)


def total(counts: Whole) -> int:
    """Return the sum of all elements of a one-dimensional array."""
    return int(sum(counts.tolist()))


def narrowed(counts: Whole) -> Whole:
    """Return the same numbers as int64 if all of them fit."""
    if counts.dtype == np.object_ and max(counts.tolist(), default=0) <= INT64_LIMIT:
        return counts.astype(np.int64)
    return counts
