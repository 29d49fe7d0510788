"""How runtimes turn the sums of a layer into the numbers that are stored.

All take a 32-bit sum and a real factor, ``input scale * weight scale / output scale``, and differ
in where they round. The same file therefore gives different numbers on different runtimes.

The rules are those of TFLite's and TFLite Micro's reference kernels (gemmlowp's fixed point), of
ruy's x86 kernels, and of XNNPACK; the tests compare them with the runtimes, number by number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from edgespike.graph.tensor import Integers, per_channel

INT32_MAX = 2**31 - 1

FACTOR_LIMIT = 2.0**31
"""Factors are below this; any sum but 0 times a larger one does not fit into 32 bits."""


BLOCK = 8
"""How many channels LiteRT's built-in depthwise kernels round at once; a rest, one by one."""


class Rounding(str, Enum):
    """Where a factor's product with a sum is rounded."""

    DOUBLE_AWAY = "double-away"
    """Twice, halves away from zero the second time: gemmlowp's reference kernels."""

    DOUBLE_UP = "double-up"
    """Twice, halves up: ruy's kernels on x86."""

    DOUBLE_IN_BLOCKS = "double-in-blocks"
    """Twice, halves up in whole blocks of `BLOCK` channels, away from zero in those that are left:
    LiteRT's built-in depthwise kernels."""

    FLOAT_EVEN = "float-even"
    """Once, a float32 product, halves to even: XNNPACK and ONNX Runtime."""

    ONCE_AWAY = "once-away"
    """Once, a float64 product, halves away from zero: the reference dense layer since LiteRT."""


@dataclass(frozen=True, eq=False)
class FixedPoint:
    """Factors as ``mantissa * 2**(exponent - 31)``, as 32-bit kernels multiply by them.

    Parameters
    ----------
    mantissa
        int64, 0 or in ``2**30..2**31 - 1``.
    exponent
        int64, of the same shape.
    """

    mantissa: Integers
    exponent: Integers

    @staticmethod
    def of(factor: NDArray[np.float64] | float) -> FixedPoint:
        """Return the fixed point numbers of real factors, 0 or positive.

        A factor below ``2**-32`` becomes 0, since no 32-bit number times it rounds to another.
        """
        fraction, exponent = np.frexp(np.asarray(factor, np.float64))
        mantissa = np.floor(fraction * 2.0**31 + 0.5).astype(np.int64)
        carried = mantissa == 2**31
        mantissa = np.where(carried, 2**30, mantissa)
        exponent = exponent.astype(np.int64) + carried
        lost = (exponent < -31) | (mantissa == 0)
        return FixedPoint(np.where(lost, 0, mantissa), np.where(lost, 0, exponent))

    def along(self, ndim: int) -> FixedPoint:
        """Return it with one factor a channel in a shape that broadcasts over ``ndim`` axes."""
        return FixedPoint(per_channel(self.mantissa, ndim), per_channel(self.exponent, ndim))

    def times(self, x: Integers) -> Integers:
        """Return the product with 32-bit numbers, rounded twice, halves away from zero at last."""
        high = doubling_high_product(x << np.maximum(self.exponent, 0), self.mantissa)
        return divided_away(high, np.maximum(-self.exponent, 0))

    def times_up(self, x: Integers) -> Integers:
        """Return the product with 32-bit numbers, rounded twice, halves up."""
        high = doubling_high_product(x << np.maximum(self.exponent, 0), self.mantissa)
        right = np.maximum(-self.exponent, 0)
        return np.asarray((high + ((np.int64(1) << right) >> 1)) >> right)


def doubling_high_product(a: Integers, b: Integers) -> Integers:
    """Return ``2 * a * b / 2**32`` of 32-bit numbers, the nearest whole number.

    A half goes up; gemmlowp's SaturatingRoundingDoublingHighMul. The one product that does not fit
    into 32 bits, of twice the smallest number, saturates.
    """
    return np.asarray(np.minimum((a * b + 2**30) >> 31, INT32_MAX))


def divided_away(x: Integers, bits: Integers) -> Integers:
    """Return ``x / 2**bits``, the nearest whole number, a half away from zero."""
    half = (np.int64(1) << bits) >> 1
    return np.asarray(np.sign(x) * ((np.abs(x) + half) >> bits))


def nearest_away(x: NDArray[Any]) -> Integers:
    """Return the nearest whole numbers of floating-point ones, a half away from zero."""
    whole = np.trunc(x)
    return np.asarray(whole + np.where(np.abs(x - whole) >= 0.5, np.sign(x), 0)).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Requantise:
    """From sums to stored numbers: a product, a rounding, the zero point, a clip.

    Parameters
    ----------
    factor
        Of each channel, ``(channels,)``, not negative; float64, as the runtime computes it before
        it is turned into a mantissa and a shift, or into float32.
    rounding
        Where the product is rounded.
    zero_point
        Of the output.
    low, high
        What the result is clipped to: the type's range, or a narrower one for a fused activation.
    """

    factor: NDArray[np.float64]
    rounding: Rounding
    zero_point: int
    low: int
    high: int

    def __call__(self, sums: Integers) -> Integers:
        """Return the stored numbers of 32-bit sums ``(channels, ...)``, int64."""
        rounded = self._rounded(np.asarray(sums, np.int64))
        return np.asarray(np.clip(rounded + self.zero_point, self.low, self.high))

    @cached_property
    def fixed_point(self) -> FixedPoint:
        """The factors as 32-bit kernels hold them."""
        return FixedPoint.of(self.factor)

    def check(self, reach: Integers) -> Iterator[str]:
        """Yield why a runtime's 32 bits do not hold what it computes.

        Parameters
        ----------
        reach
            Largest magnitude of each channel's sums.
        """
        factor = np.broadcast_to(self.factor, reach.shape)
        wrong = ~((factor >= 0) & (factor < FACTOR_LIMIT))
        if wrong.any():
            channel = int(np.argmax(wrong))
            yield (
                f"channel {channel} has a factor of {factor[channel]:g}; it must be at least 0 and "
                f"below {FACTOR_LIMIT:g}, check the scales"
            )
            return
        above = reach > self._largest_sums
        if above.any():
            channel = int(np.argmax(above))
            limit = np.broadcast_to(self._largest_sums, reach.shape)[channel]
            yield (
                f"channel {channel} has sums up to {reach[channel]}; the limit is {limit}, beyond "
                f"which a runtime's 32 bits wrap around with its factor of {factor[channel]:g}: "
                "use smaller weights, fewer inputs or a larger output scale"
            )

    @property
    def _largest_sums(self) -> Integers:
        """The largest magnitude of each channel's sums that no runtime wraps around.

        A factor of 1 or more is a shift to the left before the product, in 32 bits.
        """
        whole = np.full(self.factor.shape, INT32_MAX, np.int64)
        match self.rounding:
            case Rounding.DOUBLE_AWAY | Rounding.DOUBLE_UP | Rounding.DOUBLE_IN_BLOCKS:
                return whole >> np.maximum(self.fixed_point.exponent, 0)
            case Rounding.FLOAT_EVEN | Rounding.ONCE_AWAY:
                return whole
            case _:
                assert_never(self.rounding)

    def _rounded(self, sums: Integers) -> Integers:
        match self.rounding:
            case Rounding.DOUBLE_AWAY:
                return self.fixed_point.along(sums.ndim).times(sums)
            case Rounding.DOUBLE_UP:
                return self.fixed_point.along(sums.ndim).times_up(sums)
            case Rounding.DOUBLE_IN_BLOCKS:
                fixed, channel = self.fixed_point.along(sums.ndim), np.arange(len(sums))
                in_block = per_channel(channel < len(sums) // BLOCK * BLOCK, sums.ndim)
                return np.asarray(np.where(in_block, fixed.times_up(sums), fixed.times(sums)))
            case Rounding.FLOAT_EVEN:
                factor = per_channel(self.factor.astype(np.float32), sums.ndim)
                near = self._near(sums.astype(np.float32) * factor)
                return np.asarray(np.rint(near).astype(np.int64))
            case Rounding.ONCE_AWAY:
                return nearest_away(self._near(sums * per_channel(self.factor, sums.ndim)))
            case _:
                assert_never(self.rounding)

    def _near(self, products: NDArray[Any]) -> NDArray[Any]:
        """Clip products where the result is clipped anyway, so that they fit into 64 bits."""
        low, high = self.low - self.zero_point, self.high - self.zero_point
        return np.asarray(np.clip(products, low, high))
