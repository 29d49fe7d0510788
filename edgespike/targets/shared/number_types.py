"""The number types that compute an operation exactly, from proven ranges.

Sums of whole numbers in floating point are exact, in any order, as long as every partial sum is
within the integers that the type represents without gaps: 2^24 for float32, 2^53 for float64. Where
that is not proven, int64 is exact: it may wrap around on the way, but the final sum fits.
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
"""Floating-point types, fastest first, with the magnitude that all sums must stay below."""


def sum_type(bound: float) -> np.dtype[Any]:
    """Return the fastest exact type for sums of whole numbers.

    Parameters
    ----------
    bound
        Sum of the magnitudes of all terms. It may be computed in float64, which is exact below
        2^53; above, it exceeds every limit anyway.
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
    """Return a bound of every partial sum of every output, in any order."""
    return float(partial_sum_bounds(op.weight, op.bias, tensor).max())
