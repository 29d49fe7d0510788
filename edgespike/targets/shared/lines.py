"""A channel's thresholds as a line: levels from one product instead of from comparisons."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import Tensor, Threshold
from edgespike.graph.tensor import FLOAT32_LIMIT, Integers
from edgespike.targets.shared.thresholds import counts_thresholds, upright

Singles = NDArray[np.float32]
Floats = NDArray[np.float64]

_NARROWEST_STEP = 2.0**-6
"""Smallest distance between two levels that a fit tries, in units of the accumulator."""

_ITERATIONS = 100

HALF_A_LEVEL = np.float32(0.5)
"""How far a line is lowered that is followed by a comparison: the middle of what may be wrong."""


@dataclass(frozen=True, eq=False)
class LevelLine:
    """The line that each channel's levels follow, exactly or to within one level.

    With ``n = floor(clip(x * slope + offset, 0, levels))``, computed in float32 one operation after
    the other, the level of ``x`` is ``n``, or, with ``following``, ``n + 1`` where
    ``x * sign >= following[channel, n]`` and ``n`` elsewhere.

    Parameters
    ----------
    sign
        -1 in flipped channels, else 1, ``(channels,)``.
    slope, offset
        ``(channels,)``.
    following
        The threshold after each level, ``(channels, levels + 1)``; above all values after the last
        one. ``None`` where the line alone is exact.
    """

    sign: Integers
    slope: Singles
    offset: Singles
    following: Singles | None


def fit_line(op: Threshold, source: Tensor) -> LevelLine | None:
    """Fit a line to the thresholds of each channel.

    Each operation of a line is monotone in IEEE arithmetic, rounding included, so it can be proven
    that a line gives every level, or that a lowered one gives a level or the one before. 8-bit nets
    have thresholds of the second kind: a runtime's rounding, twice or away from zero, moves them
    off every line by a unit or two.

    Parameters
    ----------
    op
        The thresholds.
    source
        Range of the values that are compared with them.

    Returns
    -------
    line
        ``None`` if float32 does not hold the values, or if a channel's thresholds are further than
        half a level from every line.
    """
    sign, theta, low, high = upright(op.theta, op.flipped, source.low, source.high)
    if max(-low.min(), high.max()) >= FLOAT32_LIMIT:
        return None
    step, start = fit(theta, low, high)
    slope, offset = (1 / step).astype(np.float32), (-start / step).astype(np.float32)

    def holds(offset: Singles, missing: int) -> bool:
        """Return whether the levels of the line are right, or at most ``missing`` too low."""

        def counted(x: Integers) -> Singles:
            product = x.astype(np.float32) * slope[:, None]
            return np.asarray(np.floor((product + offset[:, None]).clip(0, op.levels)), np.float32)

        return bool(counts_thresholds(counted, theta, low, high, missing=missing).all())

    signed = (sign * slope).astype(np.float32)
    if holds(offset, missing=0):
        return LevelLine(sign, signed, offset, None)
    lowered = offset - HALF_A_LEVEL
    if holds(lowered, missing=1):
        return LevelLine(sign, signed, lowered, _following(op, source))
    return None


def _following(op: Threshold, source: Tensor) -> Singles:
    """Return the threshold after each level, equal in channels that have equal thresholds."""
    least, most = (np.full_like(source.low, end) for end in source.bounds)
    _, theta, _, high = upright(op.theta, op.flipped, least, most)
    return np.concatenate((theta, high[:, None] + 1), axis=1).astype(np.float32)


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
    return _fit(
        theta.shape[1], *(np.asarray(each, np.int64).tobytes() for each in (theta, low, high))
    )


@lru_cache(maxsize=64)
def _fit(levels: int, *arrays: bytes) -> tuple[Floats, Floats]:
    """Fit lines; a graph's thresholds are asked for again by each plan and each model of it."""
    theta, low, high = (np.frombuffer(each, np.int64) for each in arrays)
    theta = theta.reshape(-1, levels)
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
    step, start = tried[0].copy(), (over[0] - under[0]) / 2
    step.flags.writeable = start.flags.writeable = False
    return step, start


def _gaps(theta: Integers, low: Integers, high: Integers) -> tuple[Floats, Floats]:
    """Return the two values between which each level begins, wide apart outside of the range.

    There must be room for as many steps as there are levels, each as wide as the range.
    """
    width = (high - low + 2) * theta.shape[1]
    always, never = theta <= low, theta > high
    below = np.where(always, low - width, np.where(never, high, theta - 1))
    above = np.where(always, low, np.where(never, high + width, theta))
    return below.astype(np.float64), above.astype(np.float64)
