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
from edgespike.converters.sums import ConversionStoppedError
from edgespike.converters.tflite.schema import Activation
from edgespike.graph.tensor import Integers
from edgespike.int8.additions import FixedPointAddition, OneShiftAddition
from edgespike.int8.averages import FixedPointMean, RawAverage
from edgespike.int8.net import OfMean, OfTwo, Stored
from edgespike.int8.rounding import FixedPoint, Requantise, Rounding, nearest_away

_LARGEST = 2.0**8
"""XNNPACK takes no factors from here on, which shift most sums out of 32 bits elsewhere."""

_SMALLEST_XNNPACK_SUM = 2.0**-10
"""Ratios of scales below are none that XNNPACK adds with."""

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
        outputs: int,
        result: Stored,
        activation: Activation,
        *,
        dense: bool,
    ) -> Requantise:
        """Return how the sums of a weighted layer become stored numbers.

        Parameters
        ----------
        source, result
            How its input and its output are stored.
        scales
            Of the weights, one, or one for each of the ``outputs``.
        dense
            Whether it is FULLY_CONNECTED, whose kernels multiply a single scale in float32.
        """
        from_scale, to_scale = np.float32(source.scale), np.float32(result.scale)
        with np.errstate(over="ignore", under="ignore"):
            if self.is_xnnpack:
                factor = (from_scale * scales / to_scale).astype(np.float64)
            elif dense and len(scales) == 1:
                factor = (from_scale * scales).astype(np.float64) / np.float64(to_scale)
            else:
                factor = np.float64(from_scale) * scales.astype(np.float64) / np.float64(to_scale)
        _check("input scale * weight scale / output scale", float(factor.max()))
        low, high = limits(result, activation)
        each = np.broadcast_to(factor, outputs).copy()
        return Requantise(each, self.weighted, result.zero_point, low, high)

    def add(self, first: Stored, second: Stored, result: Stored, activation: Activation) -> OfTwo:
        """Return how two tensors are added."""
        low, high = limits(result, activation)
        ratios = [each.scale / result.scale for each in (first, second)]
        least = _SMALLEST_XNNPACK_SUM if self.is_xnnpack else 0
        for ratio in ratios:
            _check("input scale / output scale", ratio, least)
        kind = OneShiftAddition if self.is_xnnpack else FixedPointAddition
        return kind(first, second, result, low, high)

    def requantised(self, source: Stored, result: Stored) -> Callable[[Integers], Integers]:
        """Return QUANTIZE from one scale and zero point to others."""
        _check("input scale / output scale", source.scale / result.scale)
        if self.is_xnnpack:
            return _xnnpack_requantised(source, result)
        return _rescaled(source, result, source.scale / result.scale, Activation.NONE)

    def has_mean(self, keeps_axes: bool) -> bool:
        """Return whether MEAN rounds as the reference does; how else it does is not known."""
        return self.weighted is Rounding.DOUBLE_AWAY or not (keeps_axes or self.is_xnnpack)

    @property
    def is_xnnpack(self) -> bool:
        """Whether sums are rounded in float32."""
        return self.weighted is Rounding.FLOAT_EVEN


KERNELS = {
    each.name: each
    for each in (
        Kernels("tflm", "TFLite Micro's reference kernels", Rounding.DOUBLE_AWAY),
        Kernels("xnnpack", "LiteRT's XNNPACK kernels", Rounding.FLOAT_EVEN),
        Kernels("builtin-x86", "LiteRT's built-in kernels for x86", Rounding.DOUBLE_UP),
    )
}
"""The kernels that the option ``rounding`` chooses from, the default first."""

assert tuple(KERNELS) == CHOICES["rounding"]


def _check(what: str, factor: float, least: float = 0) -> None:
    """Refuse scales that lie so far apart that kernels take another way."""
    if not least <= factor < _LARGEST:
        limit = f"at least {least:g} and " if least else ""
        raise ConversionStoppedError(
            f"{what} is {factor:g}; it must be {limit}below {_LARGEST:g}, so quantise it again"
        )


def limits(stored: Stored, activation: Activation) -> tuple[int, int]:
    """Return the smallest and largest number that a fused activation leaves."""

    def number(real: float) -> int:
        # A scale may be so small that the quotient is no 64-bit number.
        quotient = np.float64(np.float32(real) / np.float32(max(stored.scale, 1e-30)))
        return stored.zero_point + int(nearest_away(np.clip([quotient], -1e9, 1e9))[0])

    low, high = stored.low, stored.high
    if activation in (Activation.RELU, Activation.RELU6):
        low = max(low, stored.zero_point)
    if activation is Activation.RELU6:
        high = min(high, number(6))
    if activation is Activation.RELU_N1_TO_1:
        low, high = max(low, number(-1)), min(high, number(1))
    return low, high


def average(result: Stored, activation: Activation) -> OfMean:
    """Return the mean of stored numbers of AVERAGE_POOL_2D; all kernels agree on it."""
    return RawAverage(*limits(result, activation))


def mean(source: Stored, result: Stored) -> OfMean:
    """Return the reference kernels' MEAN."""
    _check("input scale / output scale", source.scale / result.scale)
    return FixedPointMean(source, result)


def activated(
    source: Stored, result: Stored, activation: Activation
) -> Callable[[Integers], Integers]:
    """Return RELU, RELU6 and RELU_N1_TO_1, whose kernels divide the scales in float32."""
    _check("input scale / output scale", source.scale / result.scale)
    ratio = np.float32(source.scale) / np.float32(result.scale)
    return _rescaled(source, result, float(ratio), activation)


def _rescaled(
    source: Stored, result: Stored, ratio: float, activation: Activation
) -> Callable[[Integers], Integers]:
    low, high = limits(result, activation)
    factor = FixedPoint.of(ratio)

    def function(q: Integers) -> Integers:
        rounded = factor.times(q - source.zero_point)
        return np.asarray(np.clip(rounded + result.zero_point, low, high))

    return function


def _xnnpack_requantised(source: Stored, result: Stored) -> Callable[[Integers], Integers]:
    """Return XNNPACK's QUANTIZE: a factor in 1/256, a half goes up."""
    ratio = np.float32(source.scale) / np.float32(result.scale)
    factor = int(np.rint(np.ldexp(ratio, _XNNPACK_SHIFT)))

    def function(q: Integers) -> Integers:
        product = (q - source.zero_point) * factor
        rounded = (product + (1 << _XNNPACK_SHIFT >> 1)) >> _XNNPACK_SHIFT
        return np.asarray(np.clip(rounded + result.zero_point, result.low, result.high))

    return function
