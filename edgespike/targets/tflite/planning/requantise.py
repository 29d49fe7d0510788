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

With 16-bit activations, sums have 64 bits, and kernels round once, most of them with only
:data:`SHORT_BITS` bits of the multiplier. So both are proven: a multiplier of no more bits, and
what float32 scales make of it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edgespike.graph.tensor import Integers
from edgespike.targets.shared.lines import Floats
from edgespike.targets.tflite.limits import MULTIPLIER_LIMIT, SUM_LIMIT

RELATIVE_ERROR = 2.0**-21
"""More than the error of float32 in computing the multiplier, converting ``x`` and multiplying."""

SHORT_BITS = 15
"""Bits of a multiplier that every kernel with 16-bit activations keeps."""


def multiplier_and_offset(step: Floats, start: Floats, factor: Integers) -> tuple[Floats, Integers]:
    """Return ``m`` and ``b`` with which ``m * (factor * acc + b)`` is ``l - 1/2`` on the line."""
    return 1 / (factor * step), np.rint(-factor * (start + step / 2)).astype(np.int64)


def short(multiplier: Floats) -> Floats:
    """Round multipliers to :data:`SHORT_BITS` bits."""
    mantissa, exponent = np.frexp(multiplier)
    rounded = np.rint(np.ldexp(mantissa, SHORT_BITS))
    return np.asarray(np.ldexp(rounded, exponent - SHORT_BITS), np.float64)


def best_offset(
    theta: Integers, low: Integers, high: Integers, factor: int, multiplier: Floats
) -> Integers:
    """Return the ``b`` of each channel with which ``m * x`` is furthest from each ``l - 1/2``."""
    middle = (np.arange(1, theta.shape[1] + 1) - 0.5) / multiplier[:, None]
    low, high = low[:, None], high[:, None]
    above = middle - factor * np.maximum(theta, low)
    below = middle - factor * np.minimum(theta - 1, high)
    least = np.where(theta > high, -np.inf, above).max(axis=1)
    most = np.where(theta <= low, np.inf, below).min(axis=1)
    # Without a threshold on one side, it is as far from those on the other as a level is wide.
    least = np.where(np.isinf(least), most - 1 / multiplier, least)
    most = np.where(np.isinf(most), least + 1 / multiplier, most)
    return np.asarray(np.rint((least + most) / 2), np.int64)


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
    return _proven(theta, low, high, factor, offset, multiplier, _error)


def proven_in_16_bits(
    theta: Integers,
    low: Integers,
    high: Integers,
    factor: int,
    offset: Integers,
    multiplier: Floats,
) -> NDArray[np.bool_]:
    """Return for each channel whether every kernel computes every level of 16-bit numbers.

    Parameters
    ----------
    theta, low, high, offset
        As for :func:`proven`.
    factor
        Of all channels.
    multiplier
        Of each channel: as it was rounded to :data:`SHORT_BITS` bits, or as scales give it.
    """
    factors = np.full(len(theta), factor)
    # Scales may give a little less than a power of two, of which kernels keep too few bits.
    kept = np.frexp(short(multiplier))[0] > 0.5
    return kept & _proven(theta, low, high, factors, offset, multiplier, _error_in_16_bits)


def _proven(
    theta: Integers,
    low: Integers,
    high: Integers,
    factor: Integers,
    offset: Integers,
    multiplier: Floats,
    error: Callable[[Integers, Floats], Floats],
) -> NDArray[np.bool_]:
    middle = np.arange(1, theta.shape[1] + 1) - 0.5
    low, high, offset = low[:, None], high[:, None], offset[:, None]
    factor, multiplier = factor[:, None], multiplier[:, None]
    # A threshold that is always reached, or never, has one side only.
    reached_at = factor * np.maximum(theta, low) + offset
    missed_at = factor * np.minimum(theta - 1, high) + offset
    reached = multiplier * reached_at - error(reached_at, multiplier) > middle
    missed = multiplier * missed_at + error(missed_at, multiplier) < middle
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


def _error_in_16_bits(x: Integers, multiplier: Floats) -> Floats:
    """Bound the error of kernels that keep 31 bits of a multiplier, and of this proof."""
    return np.asarray(2.0**-31 * (1 + np.abs(multiplier * x)))
