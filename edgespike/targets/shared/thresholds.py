"""Thresholds turned around so that all of them are reached from below."""

from __future__ import annotations

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
