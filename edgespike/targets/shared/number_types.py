"""Which number type computes an operation exactly, from proven ranges.

Sums of whole numbers in floating point are exact, in any order, as long as no partial sum can
leave the integers that the type holds without gaps: 2^24 for float32, 2^53 for float64. Where even
that is not proven, int64 is exact: it wraps around, and the final sum fits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgespike.graph import Tensor
from edgespike.graph.ops import Weighted
from edgespike.graph.tensor import FLOAT32_LIMIT, FLOAT64_LIMIT
from edgespike.targets.shared.partial_sums import partial_sum_bounds

FLOAT_LIMITS: tuple[tuple[type[np.floating[Any]], int], ...] = (
    (np.float32, FLOAT32_LIMIT),
    (np.float64, FLOAT64_LIMIT),
)
"""Floating-point types, fastest first, each with the magnitude that sums must stay below."""


def sum_type(bound: float) -> np.dtype[Any]:
    """Return the fastest exact type for sums of whole numbers.

    Parameters
    ----------
    bound
        What the magnitudes of all terms add up to. It may be computed in float64: it is exact
        below 2^53, and once it is not, it is above every limit.
    """
    exact = (dtype for dtype, limit in FLOAT_LIMITS if bound < limit)
    return np.dtype(next(exact, np.int64))


def narrow_type(low: float, high: float) -> np.dtype[Any]:
    """Return the narrowest signed integer type that holds a range."""
    for dtype in (np.int8, np.int16, np.int32):
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            return np.dtype(dtype)
    return np.dtype(np.int64)


def weighted_bound(op: Weighted, tensor: Tensor) -> float:
    """Bound every partial sum of every output, whatever the order."""
    return float(partial_sum_bounds(op.weight, op.bias, tensor).max())
