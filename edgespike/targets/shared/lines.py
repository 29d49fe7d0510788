"""A channel's thresholds as a line: levels from one product instead of from comparisons."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import Tensor, Threshold
from edgespike.graph.tensor import FLOAT32_LIMIT, Integers
from edgespike.targets.shared.thresholds import upright

Singles = NDArray[np.float32]
Floats = NDArray[np.float64]

_NARROWEST_STEP = 2.0**-6
"""Smallest distance between two levels that a fit tries, in units of the accumulator."""

_ITERATIONS = 100


def fit_line(op: Threshold, source: Tensor) -> tuple[Singles, Singles] | None:
    """Fit a line to the thresholds of each channel, if it is exact in float32.

    Parameters
    ----------
    op
        The thresholds.
    source
        Range of the values that are compared with them.

    Returns
    -------
    slope, offset
        ``floor(clip(x * slope + offset, 0, levels))``, computed in float32 one operation after the
        other, equals the level of every ``x``, ``(channels,)``; ``None`` if this does not hold in
        every channel. Each of these operations is monotone in IEEE arithmetic, rounding included,
        so trying both sides of every threshold is a proof.
    """
    sign, theta, low, high = upright(op.theta, op.flipped, source.low, source.high)
    if max(-low.min(), high.max()) >= FLOAT32_LIMIT:
        return None
    step, start = fit(theta, low, high)
    slope, offset = (sign / step).astype(np.float32), (-start / step).astype(np.float32)
    low, high, sign = low[:, None], high[:, None], sign[:, None]

    def counted(x: Integers) -> Singles:
        product = (sign * np.clip(x, low, high)).astype(np.float32) * slope[:, None]
        return np.asarray(np.floor((product + offset[:, None]).clip(0, op.levels)), np.float32)

    level = np.arange(1, op.levels + 1)
    reached = (counted(theta) >= level) | (theta > high)
    missed = (counted(theta - 1) < level) | (theta <= low)
    return (slope, offset) if bool((reached & missed).all()) else None


def fit(theta: Integers, low: Integers, high: Integers) -> tuple[Floats, Floats]:
    """Fit a line to the thresholds of each channel, as far from integers as possible.

    Level ``l`` begins between ``theta_l - 1`` and ``theta_l``. The line ``step * l + start`` that
    passes through all these gaps with the most room on both sides is found by ternary search: for
    a given step the best start is known, and its room is a concave function of the step.

    Parameters
    ----------
    theta
        ``(channels, levels)``, ascending.
    low, high
        Range of each channel's accumulator, ``(channels,)``. The line may pass a threshold outside
        of the range anywhere outside.

    Returns
    -------
    step, start
        For each channel. The caller must prove that they are exact.
    """
    below, above = _gaps(theta, low[:, None], high[:, None])
    level = np.arange(1, theta.shape[1] + 1)

    # Both sides of the line at once: the room below the gaps' upper ends is above - step * level,
    # that over their lower ends is step * level - below. The levels are the first axis, over which
    # numpy finds minima fastest.
    ends = np.stack((above.T, -below.T), axis=1)[:, :, None]
    slopes = np.stack((level, -level), axis=1)[:, :, None, None]
    left_over = np.empty((len(level), 2, 2, len(theta)))

    def rooms(steps: Floats) -> Floats:
        """Return the room on each side of two lines a channel, ``(2 sides, 2 lines, channels)``."""
        np.multiply(slopes, steps, out=left_over)
        np.subtract(ends, left_over, out=left_over)
        return np.asarray(np.minimum.reduce(left_over), np.float64)

    narrow = np.full(len(theta), _NARROWEST_STEP)
    wide = np.asarray(above.max(axis=1) - below.min(axis=1), np.float64)
    tried = np.empty((2, len(theta)))
    for _ in range(_ITERATIONS):
        tried[0] = (2 * narrow + wide) / 3
        tried[1] = (narrow + 2 * wide) / 3
        over, under = rooms(tried)
        left, right = over + under
        better_right = left < right
        narrow = np.where(better_right, tried[0], narrow)
        wide = np.where(better_right, wide, tried[1])
    tried[:] = (narrow + wide) / 2
    over, under = rooms(tried)
    return tried[0], (over[0] - under[0]) / 2


def _gaps(theta: Integers, low: Integers, high: Integers) -> tuple[Floats, Floats]:
    """Return the two values between which each level begins, wide apart outside of the range.

    There must be room for as many steps as there are levels, each as wide as the range.
    """
    width = (high - low + 2) * theta.shape[1]
    always, never = theta <= low, theta > high
    below = np.where(always, low - width, np.where(never, high, theta - 1))
    above = np.where(always, low, np.where(never, high + width, theta))
    return below.astype(np.float64), above.astype(np.float64)
