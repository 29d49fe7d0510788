"""What each runtime's kernels compute, number by number, where they round differently.

The rules were measured, kernel by kernel, on tflite-micro 0.dev20261023 and ai-edge-litert 2.3 on
x86-64; the tests of this converter compare every one of them with its runtime. Scales are float32
in a file, and it matters whether a kernel multiplies and divides them in float32 or in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgespike.converters.base import CHOICES
from edgespike.converters.tflite.schema import Activation
from edgespike.graph.tensor import Integers
from edgespike.int8.net import OfMean, OfTwo, Stored
from edgespike.int8.rounding import FixedPoint, Requantise, Rounding, nearest_away

_ADD_SHIFT = 20
_XNNPACK_SHIFT = 8


@dataclass(frozen=True)
class Kernels:
    """The kernels of a runtime.

    Parameters
    ----------
    name
        What the option ``rounding`` calls them.
    title
        What they are: "TFLite Micro's reference kernels".
    weighted
        How convolutions and dense layers round.
    """

    name: str
    title: str
    weighted: Rounding

    def finish(
        self,
        source: Stored,
        scales: NDArray[np.float32],
        result: Stored,
        activation: Activation,
        *,
        dense: bool,
    ) -> Requantise:
        """Return how the sums of a weighted layer become stored numbers.

        Parameters
        ----------
        source, result
            Its input and its output.
        scales
            Of the weights, one, or one for each output.
        dense
            Whether it is FULLY_CONNECTED, whose kernels multiply a single scale in float32.
        """
        from_scale, to_scale = np.float32(source.scale), np.float32(result.scale)
        if self.weighted is Rounding.FLOAT_EVEN:
            factor = (from_scale * scales / to_scale).astype(np.float64)
        elif dense and len(scales) == 1:
            factor = (from_scale * scales).astype(np.float64) / np.float64(to_scale)
        else:
            factor = np.float64(from_scale) * scales.astype(np.float64) / np.float64(to_scale)
        low, high = limits(result, activation)
        return Requantise(factor, self.weighted, result.zero_point, low, high)

    def add(self, first: Stored, second: Stored, result: Stored, activation: Activation) -> OfTwo:
        """Return how two tensors are added."""
        if self.weighted is Rounding.FLOAT_EVEN:
            return _xnnpack_add(first, second, result, activation)
        return _reference_add(first, second, result, activation)

    def has_mean(self, keeps_axes: bool) -> bool:
        """Return whether it is known how MEAN rounds; else it differs from the reference."""
        match self.weighted:
            case Rounding.DOUBLE_AWAY:
                return True
            case Rounding.DOUBLE_UP:
                return not keeps_axes
            case _:
                return False

    def requantised(self, source: Stored, result: Stored) -> Callable[[Integers], Integers]:
        """Return QUANTIZE from one scale and zero point to others."""
        if self.weighted is Rounding.FLOAT_EVEN:
            return _xnnpack_requantised(source, result)
        factor = FixedPoint.of(
            np.float64(np.float32(source.scale)) / np.float64(np.float32(result.scale))
        )
        return _rescaled(source, result, factor, Activation.NONE)


KERNELS = {
    each.name: each
    for each in (
        Kernels("tflm", "TFLite Micro's reference kernels", Rounding.DOUBLE_AWAY),
        Kernels("xnnpack", "LiteRT's XNNPACK", Rounding.FLOAT_EVEN),
        Kernels("builtin-x86", "LiteRT's built-in kernels on x86", Rounding.DOUBLE_UP),
    )
}
"""The kernels that the option ``rounding`` chooses from, the default first."""

assert tuple(KERNELS) == CHOICES["rounding"]


def limits(stored: Stored, activation: Activation) -> tuple[int, int]:
    """Return the smallest and largest number that a fused activation leaves."""

    def number(real: float) -> int:
        quotient = np.float32(real) / np.float32(stored.scale)
        # A scale may be so small that the quotient is no 64-bit number.
        return stored.zero_point + int(nearest_away(np.clip(quotient, -1e9, 1e9)))

    low, high = stored.low, stored.high
    if activation in (Activation.RELU, Activation.RELU6):
        low = max(low, number(0))
    if activation is Activation.RELU6:
        high = min(high, number(6))
    if activation is Activation.RELU_N1_TO_1:
        low, high = max(low, number(-1)), min(high, number(1))
    return low, high


def _reference_add(first: Stored, second: Stored, result: Stored, activation: Activation) -> OfTwo:
    """Return the sum of gemmlowp's reference kernels: both to one scale, 20 bits finer."""
    scales = [np.float64(np.float32(each.scale)) for each in (first, second, result)]
    twice = 2 * max(scales[:2])
    to_common = [FixedPoint.of(scale / twice) for scale in scales[:2]]
    to_result = FixedPoint.of(twice / (2.0**_ADD_SHIFT * scales[2]))
    low, high = limits(result, activation)

    def combine(a: Integers, b: Integers) -> Integers:
        both = [
            scaled.times((np.asarray(q, np.int64) - each.zero_point) << _ADD_SHIFT)
            for q, each, scaled in zip((a, b), (first, second), to_common, strict=True)
        ]
        total = to_result.times(both[0] + both[1]) + result.zero_point
        return np.clip(total, low, high)

    return combine


def _xnnpack_add(first: Stored, second: Stored, result: Stored, activation: Activation) -> OfTwo:
    """Return XNNPACK's sum: two whole factors and one shift, a half goes up."""
    ratios = [np.float32(each.scale) / np.float32(result.scale) for each in (first, second)]
    _, exponent = np.frexp(max(ratios))
    shift = int(_ADD_SHIFT - (exponent - 1))
    factors = [int(np.rint(np.float64(ratio) * 2.0**shift)) for ratio in ratios]
    low, high = limits(result, activation)

    def combine(a: Integers, b: Integers) -> Integers:
        total = factors[0] * (np.asarray(a, np.int64) - first.zero_point)
        total = total + factors[1] * (np.asarray(b, np.int64) - second.zero_point)
        return np.clip(((total + (1 << shift >> 1)) >> shift) + result.zero_point, low, high)

    return combine


def average(result: Stored, activation: Activation) -> OfMean:
    """Return the mean of stored numbers, a half away from zero; all kernels agree on it."""
    low, high = limits(result, activation)

    def finish(total: Integers, count: int) -> Integers:
        total = np.asarray(total, np.int64)
        mean = np.sign(total) * ((np.abs(total) + count // 2) // count)
        return np.clip(mean, low, high)

    return finish


def mean(source: Stored, result: Stored) -> OfMean:
    """Return the reference kernels' MEAN: the count is divided into the factor."""
    factor = FixedPoint.of(
        np.float64(np.float32(source.scale)) / np.float64(np.float32(result.scale))
    )

    def finish(total: Integers, count: int) -> Integers:
        shift = min(count.bit_length() - 1, 32, 31 + int(factor.exponent))
        divided = FixedPoint((factor.mantissa << shift) // count, factor.exponent - shift)
        rounded = divided.times(np.asarray(total, np.int64) - count * source.zero_point)
        return np.clip(rounded + result.zero_point, result.low, result.high)

    return finish


def _xnnpack_requantised(source: Stored, result: Stored) -> Callable[[Integers], Integers]:
    """Return XNNPACK's QUANTIZE: a factor in 1/256, a half goes up."""
    ratio = np.float32(source.scale) / np.float32(result.scale)
    factor = int(np.rint(ratio * np.float32(1 << _XNNPACK_SHIFT)))

    def function(q: Integers) -> Integers:
        product = (np.asarray(q, np.int64) - source.zero_point) * factor
        rounded = (product + (1 << _XNNPACK_SHIFT >> 1)) >> _XNNPACK_SHIFT
        return np.clip(rounded + result.zero_point, result.low, result.high)

    return function


def activated(
    source: Stored, result: Stored, activation: Activation
) -> Callable[[Integers], Integers]:
    """Return the reference kernels' RELU, RELU6 and RELU_N1_TO_1, which divide in float32."""
    factor = FixedPoint.of(np.float64(np.float32(source.scale) / np.float32(result.scale)))
    return _rescaled(source, result, factor, activation)


def _rescaled(
    source: Stored, result: Stored, factor: FixedPoint, activation: Activation
) -> Callable[[Integers], Integers]:
    low, high = limits(result, activation)

    def function(q: Integers) -> Integers:
        rounded = factor.times(np.asarray(q, np.int64) - source.zero_point)
        return np.clip(rounded + result.zero_point, low, high)

    return function
