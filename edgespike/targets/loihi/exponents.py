"""Weights as 8-bit mantissas and an exponent of 2 that all weights of a connection share.

With an exponent ``k``, weights are multiples of ``2**k`` in ``-128 * 2**k .. 127 * 2**k``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgespike.graph.tensor import Integers
from edgespike.targets.loihi.edges import Edges
from edgespike.targets.loihi.limits import EXPONENT_HIGH, WEIGHT_HIGH, WEIGHT_LOW


def least_exponent(weights: Integers) -> int:
    """Return the least exponent whose range holds all weights; one above the limit if none does."""
    low, high = int(weights.min(initial=0)), int(weights.max(initial=0))
    exponents = range(EXPONENT_HIGH + 1)
    fits = (k for k in exponents if WEIGHT_LOW << k <= low and high <= WEIGHT_HIGH << k)
    return next(fits, EXPONENT_HIGH + 1)


def are_multiples(weights: Integers, exponent: int) -> bool:
    """Return whether all weights are multiples of ``2**exponent``."""
    return exponent == 0 or not np.any(weights & ((1 << exponent) - 1))


def by_exponent(edges: Edges) -> list[tuple[int, Edges]]:
    """Split edges into parts whose weights share an exponent; return each part's exponent with it.

    One exponent may not fit all weights where those of several layers end at the same neurons, or
    where a flipped channel negates the lowest weight. Each weight is then a multiple of the least
    power of 2 whose range holds it, because each layer passed the check.
    """
    exponent = least_exponent(edges.weights)
    if are_multiples(edges.weights, exponent):
        return [(exponent, edges)]
    least = _least_exponents(edges.weights)
    return [(int(k), edges.at(np.flatnonzero(least == k))) for k in np.unique(least)]


def _least_exponents(weights: Integers) -> NDArray[np.int64]:
    least = np.zeros(len(weights), np.int64)
    for k in range(EXPONENT_HIGH):
        least += (weights < WEIGHT_LOW << k) | (weights > WEIGHT_HIGH << k)
    return least
