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
from edgespike.int8.averages import BuiltInMean, FixedPointMean, RawAverage, XnnpackMean
from edgespike.int8.net import OfMean, OfTwo, Stored
from edgespike.int8.rescaling import Rescaled, ShiftRescaled
from edgespike.int8.rounding import Requantise, Rounding, nearest_away

_LARGEST = 2.0**8
"""XNNPACK takes no factors from here on, which shift most sums out of 32 bits elsewhere."""

_SMALLEST_XNNPACK_RATIO = 2.0**-8
"""XNNPACK leaves QUANTIZE of smaller ratios to the runtime's own kernels."""

BLOCK = 16
"""How many numbers LiteRT's built-in QUANTIZE, and channels its MEAN, round at once; a rest, one by
one. Of QUANTIZE, all 256 numbers were compared with 60 pairs of scales, and nothing differed."""

Numbers = Callable[[Integers], Integers]
"""From stored numbers to stored numbers."""


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
        kind: str,
        source: Stored,
        scales: NDArray[np.float32],
        outputs: int,
        result: Stored,
        activation: Activation,
        *,
        groups: int = 1,
    ) -> Requantise:
        """Return how the sums of a weighted layer become stored numbers.

        Parameters
        ----------
        kind
            The operator. LiteRT's FULLY_CONNECTED multiplies with a single scale in float32, TFLite
            Micro's in float64 as all others do.
        source, result
            How its input and its output are stored.
        scales
            Of the weights, one, or one for each of the ``outputs``.
        groups
            Of a CONV_2D. LiteRT's built-in kernels leave those of several to the reference ones.
        """
        from_scale, to_scale = np.float32(source.scale), np.float32(result.scale)
        with np.errstate(over="ignore", under="ignore"):
            if self.is_xnnpack:
                factor = (from_scale * scales / to_scale).astype(np.float64)
            elif self.rounds_in_blocks and kind == "FULLY_CONNECTED" and len(scales) == 1:
                factor = (from_scale * scales).astype(np.float64) / np.float64(to_scale)
            else:
                factor = np.float64(from_scale) * scales.astype(np.float64) / np.float64(to_scale)
        _check("input scale * weight scale / output scale", float(factor.max()))
        low, high = self.limits(result, activation)
        each = np.broadcast_to(factor, outputs).copy()
        rounding = self.weighted
        if self.rounds_in_blocks and kind == "DEPTHWISE_CONV_2D":
            rounding = Rounding.DOUBLE_IN_BLOCKS
        elif self.rounds_in_blocks and groups > 1:
            rounding = Rounding.DOUBLE_AWAY
        return Requantise(each, rounding, result.zero_point, low, high)

    def add(self, first: Stored, second: Stored, result: Stored, activation: Activation) -> OfTwo:
        """Return how two tensors are added."""
        kind = OneShiftAddition if self.is_xnnpack else FixedPointAddition
        return kind(first, second, result, *self.limits(result, activation))

    def limits(self, result: Stored, activation: Activation) -> tuple[int, int]:
        """Return the smallest and largest number that a fused activation leaves."""
        return limits(result, activation, even=self.is_xnnpack)

    def quantise(self, source: Stored, result: Stored, size: int) -> Numbers:
        """Return QUANTIZE of ``size`` numbers from one scale and zero point to others."""
        # XNNPACK leaves uint8 to int8 to the runtime's own kernels, which round in blocks.
        own = self.is_xnnpack and source.low == result.low
        least = _SMALLEST_XNNPACK_RATIO if own else 0
        _check("input scale / output scale", source.scale / result.scale, least)
        if own:
            return ShiftRescaled(source, result)
        up = self._rounds_up("the tensor", "numbers", size)
        rounding = Rounding.DOUBLE_UP if up else Rounding.DOUBLE_AWAY
        ratio = source.scale / result.scale
        return _rescaled(source, result, ratio, rounding, (result.low, result.high))

    def mean(self, source: Stored, result: Stored, channels: int, *, keeps_axes: bool) -> OfMean:
        """Return MEAN over height and width."""
        _check("input scale / output scale", source.scale / result.scale)
        if self.is_xnnpack:
            return XnnpackMean(source, result)
        if self.rounds_in_blocks and keeps_axes:
            return BuiltInMean(source, result, self._rounds_up("it", "channels", channels))
        return FixedPointMean(source, result)

    def activated(self, source: Stored, result: Stored, activation: Activation) -> Numbers:
        """Return RELU and RELU6 as operators of their own; LiteRT divides the scales in float32."""
        ratio = source.scale / result.scale
        _check("input scale / output scale", ratio)
        if self.name == "tflm" and activation is Activation.RELU6 and source != result:
            raise ConversionStoppedError(
                "its output has another scale or zero point than its input, which TFLite Micro "
                "ignores; fuse it into the layer before"
            )
        if self.name != "tflm":
            ratio = float(np.float32(source.scale) / np.float32(result.scale))
        ends = limits(result, activation)
        return _rescaled(source, result, ratio, Rounding.DOUBLE_AWAY, ends)

    def _rounds_up(self, what: str, unit: str, count: int) -> bool:
        """Return whether halves go up, as they do in whole blocks, and not in a rest."""
        if self.name == "tflm" or count < BLOCK:
            return False
        if count % BLOCK:
            raise ConversionStoppedError(
                f"{what} has {count} {unit}, of which these kernels round the last "
                f"{count % BLOCK} in another way than the others; use a multiple of {BLOCK}, or "
                "another rounding"
            )
        return True

    @property
    def rounds_in_blocks(self) -> bool:
        """Whether some kernels round blocks of numbers in one way, and what is left in another."""
        return self.weighted is Rounding.DOUBLE_UP

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


def limits(stored: Stored, activation: Activation, *, even: bool = False) -> tuple[int, int]:
    """Return the smallest and largest number that a fused activation leaves.

    Parameters
    ----------
    even
        Whether halves of a limit go to the even number, as XNNPACK's do, or away from zero.
    """

    def number(real: float) -> int:
        # A scale may be so small that the quotient is no 64-bit number.
        units = np.clip(np.float32(real) / np.float32(stored.scale), -1e9, 1e9)
        if even:
            return int(np.rint(units + np.float32(stored.zero_point)))
        return stored.zero_point + int(nearest_away(np.atleast_1d(units))[0])

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


def _rescaled(
    source: Stored, result: Stored, ratio: float, rounding: Rounding, ends: tuple[int, int]
) -> Rescaled:
    factor = np.array([ratio], np.float64)
    return Rescaled(source.zero_point, Requantise(factor, rounding, result.zero_point, *ends))
