"""Thresholds as formulas: where they are even enough, levels follow from a product.

A formula that never falls gives every level if it does on both sides of every threshold, see
:func:`edgespike.targets.shared.thresholds.counts_thresholds`: that is what proves each one here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgespike.graph import Tensor, Threshold
from edgespike.graph.tensor import Integers
from edgespike.targets.c.values import RANGES
from edgespike.targets.shared.lines import Floats, fit
from edgespike.targets.shared.thresholds import counts_thresholds, upright

INT32 = RANGES["int32_t"][1]

MOST_BITS = 30
"""Most fractional bits of a line that is tried."""

LARGEST_FITTED = 2**24
"""Sums below this are fitted: the fit is made in floating point."""


@dataclass(frozen=True)
class Line:
    """A channel's levels are ``(x * slope + shift) >> bits``, cut to 0 and how many there are."""

    slope: Integers
    shift: Integers
    bits: int


@dataclass(frozen=True)
class Scaled:
    """A channel's levels are ``zero`` plus a product that is rounded twice, cut like a line's.

    The product of ``x`` and ``mantissa * 2**-31`` is rounded, half up, and its quotient by
    ``2**shift`` once more, a half away from zero. That is gemmlowp's fixed point, with which 8-bit
    nets are computed; its thresholds lie off every line by a unit or two.
    """

    mantissa: Integers
    shift: Integers
    zero: Integers

    def level(self, x: Integers) -> Integers:
        """Return the levels of numbers ``(channels, any)``, before they are cut."""
        high = (x * self.mantissa[:, None] + 2**30) >> 31
        shift = self.shift[:, None]
        half = (np.int64(1) << shift) >> 1
        quotient = np.sign(high) * ((np.abs(high) + half) >> shift)
        return np.asarray(self.zero[:, None] + quotient)


def formula_of(op: Threshold, source: Tensor) -> Line | Scaled | None:
    """Return a formula that gives the levels of all channels; ``None`` if none is found."""
    ends = max(-int(source.low.min()), int(source.high.max()))
    if op.flipped.any() or ends >= LARGEST_FITTED:
        return None
    _, theta, low, high = upright(op.theta, op.flipped, source.low, source.high)
    step, start = fit(theta, low, high)
    line = _line(theta, low, high, step, start)
    return _scaled(theta, low, high, step, start) if line is None else line


def _line(
    theta: Integers, low: Integers, high: Integers, step: Floats, start: Floats
) -> Line | None:
    ends = np.maximum(-low, high)
    for bits in range(MOST_BITS, 3, -1):
        slope = np.round((1 << bits) / step).astype(np.int64)
        shift = np.round(-start / step * (1 << bits)).astype(np.int64)
        if (np.abs(slope) * ends + np.abs(shift)).max() > INT32:
            continue

        def counted(
            x: Integers, slope: Integers = slope, shift: Integers = shift, bits: int = bits
        ) -> Integers:
            return np.asarray((x * slope[:, None] + shift[:, None]) >> bits)

        right = bool(counts_thresholds(counted, theta, low, high).all())
        return Line(slope, shift, bits) if right else None
    return None


def _scaled(
    theta: Integers, low: Integers, high: Integers, step: Floats, start: Floats
) -> Scaled | None:
    zero = np.rint(-start / step - 0.5).astype(np.int64)
    _, exponent = np.frexp(1 / step)
    shift = np.asarray(-exponent, np.int64)
    if (shift < 0).any() or (shift > MOST_BITS).any():
        return None
    # Level l, l - zero = q, begins where the product is (q - 1/2) 2**shift, less the half that the
    # first rounding adds; a half away from zero begins one later below 0.
    quotient = np.arange(1, theta.shape[1] + 1) - zero[:, None]
    begins = (quotient - 0.5) * 2.0 ** shift[:, None] + np.where(quotient > 0, -0.5, 0.5)
    factor = _between(theta, low, high, begins, np.ldexp(1 / step, shift))
    mantissa = np.rint(factor * 2.0**31).astype(np.int64)
    if mantissa.min() < 0 or mantissa.max() > INT32:
        return None
    found = Scaled(mantissa, shift, zero)
    return found if bool(counts_thresholds(found.level, theta, low, high).all()) else None


def _between(
    theta: Integers, low: Integers, high: Integers, begins: Floats, middle: Floats
) -> Floats:
    """Return for each channel a factor whose product reaches ``begins`` first at ``theta``."""
    inside = (theta > low[:, None]) & (theta <= high[:, None])

    def ends(x: Integers) -> Floats:
        ratio = begins / np.where(x == 0, 1, x)
        return np.where(inside & (x != 0) & (ratio > 0), ratio, np.nan)

    reached, missed = ends(theta), ends(theta - 1)
    below = np.where(theta > 0, reached, missed)
    above = np.where(theta > 0, missed, reached)
    least = np.where(np.isnan(below), -np.inf, below).max(axis=1)
    most = np.where(np.isnan(above), np.inf, above).min(axis=1)
    least = np.where(np.isfinite(least), least, middle)
    most = np.where(np.isfinite(most), most, middle)
    return np.asarray((least + most) / 2)
