"""Multipliers that turn accumulators into levels, and the proof that every kernel rounds right.

A kernel stores ``clip(round(m * x), 0, L)`` of its 32-bit accumulator ``x``, with a multiplier
``m`` for each channel. With ``x = k * acc + b``, where ``k`` is a whole factor, this is the number
of thresholds that ``acc`` reaches if, for each level ``l``, ``m * x`` is below ``l - 1/2`` at
``acc = theta_l - 1`` and above it at ``theta_l``, since every step of a kernel is monotone.

Kernels round differently, so both values must keep a distance from ``l - 1/2``:

- XNNPACK multiplies in float32: :data:`RELATIVE_ERROR`.
- TFLite's built-in kernels, TFLite Micro and CMSIS-NN write ``m = mantissa * 2**-shift``, round
  the product with the mantissa to an integer, and that, shifted, once more: half a unit of
  ``2**-shift``, which is half to one unit of ``x``.
- If all channels have one multiplier, XNNPACK on ARM truncates in the first of these steps: a
  whole unit of ``2**-shift``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgespike.graph.tensor import Integers
from edgespike.targets.shared.lines import Floats
from edgespike.targets.tflite.limits import MULTIPLIER_LIMIT, SUM_LIMIT

RELATIVE_ERROR = 2.0**-21
"""More than the error of float32 in computing the multiplier, converting ``x`` and multiplying."""


def multiplier_and_offset(step: Floats, start: Floats, factor: Integers) -> tuple[Floats, Integers]:
    """Return ``m`` and ``b`` with which ``m * (factor * acc + b)`` is ``l - 1/2`` on the line."""
    return 1 / (factor * step), np.rint(-factor * (start + step / 2)).astype(np.int64)


def unit_ratio(source: float, output: float) -> NDArray[np.float32]:
    """Return the weights' scale, shape ``(1,)``, with which 16-bit sums keep their values.

    The multiplier ``source * ratio / output`` is 1 or at most 2**-22 more, never less. Some kernels
    with 16-bit activations use only 15 bits of it, which are then exactly 1. With all bits, results
    are off by less than 2**-6, which rounding removes.
    """
    ratio = np.float32(output / source)
    if float(ratio) * source < output:
        ratio = np.nextafter(ratio, np.float32(np.inf))
    return np.array([ratio])


def proven(
    theta: Integers,
    low: Integers,
    high: Integers,
    factor: Integers,
    offset: Integers,
    multiplier: Floats,
) -> NDArray[np.bool_]:
    """Return for each channel whether every kernel computes every level correctly.

    Parameters
    ----------
    theta, low, high
        As for :func:`edgespike.targets.shared.lines.fit`.
    factor, offset, multiplier
        Of each channel; the multiplier is that of the stored float32 scales.
    """
    middle = np.arange(1, theta.shape[1] + 1) - 0.5
    low, high, offset = low[:, None], high[:, None], offset[:, None]
    factor, multiplier = factor[:, None], multiplier[:, None]
    # A threshold that is always reached, or never, has one side only.
    reached_at = factor * np.maximum(theta, low) + offset
    missed_at = factor * np.minimum(theta - 1, high) + offset
    reached = multiplier * reached_at - _error(reached_at, multiplier) > middle
    missed = multiplier * missed_at + _error(missed_at, multiplier) < middle
    largest = np.maximum(np.abs(factor * low + offset), np.abs(factor * high + offset))
    fits = largest * np.maximum(2 * multiplier, 1) < SUM_LIMIT
    right = (reached | (theta > high)) & (missed | (theta <= low)) & fits
    return np.asarray(right.all(axis=1) & (multiplier[:, 0] < MULTIPLIER_LIMIT))


def _error(x: Integers, multiplier: Floats) -> Floats:
    """Bound the error of ``multiplier * x`` before it is rounded for the last time."""
    _, exponent = np.frexp(multiplier)
    truncated = 1.0 if len(multiplier) == 1 else 0.5
    first_step = np.where(exponent < 0, truncated * 2.0**exponent, 0.0)
    return np.asarray(first_step + RELATIVE_ERROR * np.abs(multiplier * x))
