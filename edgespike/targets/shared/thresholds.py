"""Thresholds that are all reached from below, whichever way their channels are compared."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgespike.graph.ops.neurons import reachable
from edgespike.graph.tensor import Integers


def upright(
    theta: Integers, flipped: NDArray[np.bool_], low: Integers, high: Integers
) -> tuple[Integers, Integers, Integers, Integers]:
    """Turn flipped rows around, so that all count the thresholds that are reached.

    Parameters
    ----------
    theta, flipped
        As of :class:`edgespike.graph.Threshold`, in rows of channels or of neurons:
        ``(rows, levels)``, ascending, and ``(rows,)``.
    low, high
        Range of what is compared with each row, ``(rows,)``.

    Returns
    -------
    sign
        What accumulators must be multiplied by, 1 or -1, ``(rows,)``.
    theta
        Thresholds of the products, ascending, ``(rows, levels)``, within their range or just above.
    low, high
        Range of the products, ``(rows,)``.
    """
    theta = reachable(theta, low[:, None], high[:, None])
    return (
        np.where(flipped, -1, 1),
        # Staying below theta, acc < theta, is reaching 1 - theta with everything negated.
        np.where(flipped[:, None], 1 - theta[:, ::-1], theta),
        np.where(flipped, -high, low),
        np.where(flipped, -low, high),
    )
