"""Thresholds turned around so that all are reached from below, and proofs that they are counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.graph.ops.threshold import reachable
from edgespike.graph.tensor import Integers


def upright(
    theta: Integers, flipped: NDArray[np.bool_], low: Integers, high: Integers
) -> tuple[Integers, Integers, Integers, Integers]:
    """Turn flipped rows around, so that every row counts the thresholds that are reached.

    Parameters
    ----------
    theta, flipped
        As in :class:`edgespike.graph.Threshold`, one row per channel or per neuron:
        ``(rows, levels)``, ascending, and ``(rows,)``.
    low, high
        Range of the values that are compared with each row, ``(rows,)``.

    Returns
    -------
    sign
        Factor of the accumulators, 1 or -1, ``(rows,)``.
    theta
        Thresholds of the products, ascending, ``(rows, levels)``, within their range or just above.
    low, high
        Range of the products, ``(rows,)``.
    """
    theta = reachable(theta, low[:, None], high[:, None])
    return (
        np.where(flipped, -1, 1),
        # acc < theta is the same as -acc >= 1 - theta.
        np.where(flipped[:, None], 1 - theta[:, ::-1], theta),
        np.where(flipped, -high, low),
        np.where(flipped, -low, high),
    )


def counts_thresholds(
    count: Callable[[Integers], NDArray[Any]],
    theta: Integers,
    low: Integers,
    high: Integers,
    *,
    missing: int = 0,
) -> NDArray[np.bool_]:
    """Return for which rows a function gives the number of thresholds that are reached.

    It must not fall as values rise, rounding included. Then trying both sides of each threshold is
    a proof for all values.

    Parameters
    ----------
    count
        The function, from values ``(rows, levels)`` within the range to numbers of this shape;
        those below 0 or above the number of levels must be cut off behind it.
    theta, low, high
        As :func:`upright` returns them.
    missing
        How much too low it may be.

    Returns
    -------
    proven
        ``(rows,)``.
    """
    level = np.arange(1, theta.shape[1] + 1)
    low, high = low[:, None], high[:, None]
    # A threshold that is always reached, or never, has one side only.
    reached = (count(np.clip(theta, low, high)) >= level - missing) | (theta > high)
    missed = (count(np.clip(theta - 1, low, high)) < level) | (theta <= low)
    return np.asarray((reached & missed).all(axis=1), np.bool_)
