"""Multipliers that turn accumulators into levels, and the proof that every kernel rounds right.

A kernel stores ``clip(round(m * x), 0, L)`` of its 32-bit accumulator ``x``, with a multiplier
``m`` for each channel. With ``x = k * acc + b``, where ``k`` is a whole factor, this is the number
of thresholds that ``acc`` reaches if, for each level ``l``, ``m * x`` lies below ``l - 1/2`` at
``acc = theta_l - 1`` and above it at ``theta_l``: all that kernels do is monotone.

Kernels differ in how they round, so that both must keep a distance from ``l - 1/2``:

- XNNPACK multiplies in float32: :data:`RELATIVE_ERROR`.
- TFLite's built-in kernels, TFLite Micro and CMSIS-NN write ``m = mantissa * 2**-shift``, round
  the product with the mantissa to an integer, and that, shifted, once more: half a unit of
  ``2**-shift``, which is half to one unit of ``x``.
- Where one multiplier serves all channels, XNNPACK on ARM truncates in the first of these steps:
  a whole unit of ``2**-shift``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgespike.graph.tensor import Integers

Floats = NDArray[np.float64]

RELATIVE_ERROR = 2.0**-21
"""More than float32 loses in computing the multiplier, converting ``x`` and multiplying."""

ACCUMULATOR_LIMIT = 2**30
"""Built-in kernels shift accumulators left where a multiplier exceeds one half."""

MULTIPLIER_LIMIT = 256.0
"""XNNPACK refuses multipliers from here on."""

_NARROWEST_STEP = 2.0**-6
"""Least distance of two levels, in units of the accumulator, that a fit tries."""

_ITERATIONS = 100


def fit(theta: Integers, low: Integers, high: Integers) -> tuple[Floats, Floats]:
    """Lay a line through the thresholds of each channel, as far from integers as can be.

    Level ``l`` begins between ``theta_l - 1`` and ``theta_l``. The line ``step * l + start`` that
    passes through all these gaps with the most room on both sides is found by ternary search: for
    a given step the best start is known, and its room is a concave function of the step.

    Parameters
    ----------
    theta
        ``(channels, levels)``, ascending.
    low, high
        Range of each channel's accumulator, ``(channels,)``. A threshold outside of it may be
        laid anywhere outside.

    Returns
    -------
    step, start
        Of each channel. Whether they are good enough is for :func:`proven` to say.
    """
    below, above = _gaps(theta, low[:, None], high[:, None])
    level = np.arange(1, theta.shape[1] + 1)

    def room(step: Floats) -> tuple[Floats, Floats]:
        most = (above - step[:, None] * level).min(axis=1)
        least = (below - step[:, None] * level).max(axis=1)
        return most - least, (most + least) / 2

    narrow = np.full(len(theta), _NARROWEST_STEP)
    wide = np.asarray(above.max(axis=1) - below.min(axis=1), np.float64)
    for _ in range(_ITERATIONS):
        left, right = (2 * narrow + wide) / 3, (narrow + 2 * wide) / 3
        better_right = room(left)[0] < room(right)[0]
        narrow, wide = np.where(better_right, left, narrow), np.where(better_right, wide, right)
    step = (narrow + wide) / 2
    return step, room(step)[1]


def multiplier_and_offset(step: Floats, start: Floats, factor: Integers) -> tuple[Floats, Integers]:
    """Give ``m`` and ``b`` with which ``m * (factor * acc + b)`` is ``l - 1/2`` on the line."""
    return 1 / (factor * step), np.rint(-factor * (start + step / 2)).astype(np.int64)


def proven(
    theta: Integers,
    low: Integers,
    high: Integers,
    factor: Integers,
    offset: Integers,
    multiplier: Floats,
) -> NDArray[np.bool_]:
    """Say for each channel whether every kernel gives every level right.

    Parameters
    ----------
    theta, low, high
        As for :func:`fit`.
    factor, offset, multiplier
        Of each channel; the multiplier is what the stored float32 scales amount to.
    """
    middle = np.arange(1, theta.shape[1] + 1) - 0.5
    low, high, offset = low[:, None], high[:, None], offset[:, None]
    factor, multiplier = factor[:, None], multiplier[:, None]
    # A threshold that is always, or never, reached has one side only.
    reached_at = factor * np.maximum(theta, low) + offset
    missed_at = factor * np.minimum(theta - 1, high) + offset
    reached = multiplier * reached_at - _error(reached_at, multiplier) > middle
    missed = multiplier * missed_at + _error(missed_at, multiplier) < middle
    largest = np.maximum(np.abs(factor * low + offset), np.abs(factor * high + offset))
    fits = largest * np.maximum(2 * multiplier, 1) < ACCUMULATOR_LIMIT
    right = (reached | (theta > high)) & (missed | (theta <= low)) & fits
    return np.asarray(right.all(axis=1) & (multiplier[:, 0] < MULTIPLIER_LIMIT))


def _gaps(theta: Integers, low: Integers, high: Integers) -> tuple[Floats, Floats]:
    """Give the two values between which each level begins; outside of the range they are wide.

    Steps as wide as the range, as many as there are levels, must find room there.
    """
    width = (high - low + 2) * theta.shape[1]
    always, never = theta <= low, theta > high
    below = np.where(always, low - width, np.where(never, high, theta - 1))
    above = np.where(always, low, np.where(never, high + width, theta))
    return below.astype(np.float64), above.astype(np.float64)


def _error(x: Integers, multiplier: Floats) -> Floats:
    """Bound how far off ``multiplier * x`` is before it is rounded for the last time."""
    _, exponent = np.frexp(multiplier)
    truncated = 1.0 if len(multiplier) == 1 else 0.5
    first_step = np.where(exponent < 0, truncated * 2.0**exponent, 0.0)
    return np.asarray(first_step + RELATIVE_ERROR * np.abs(multiplier * x))
