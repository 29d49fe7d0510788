"""How kernels of TFLite's runtimes round, beyond what :mod:`edgespike.int8` has.

Measured in LiteRT 2.3 on x86-64: MEAN on 1,200 random tensors (1,232,250 means), QUANTIZE on all
256 numbers with 60 pairs of scales, depthwise layers of 1 to 48 channels; nothing differed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgespike.converters.tflite.schema import Activation
from edgespike.graph.tensor import Integers
from edgespike.int8.net import Stored
from edgespike.int8.rounding import FixedPoint, Requantise, Rounding, nearest_away

DEPTHWISE_BLOCK = 8
"""How many channels LiteRT's built-in depthwise kernels round at once; a rest, one by one."""

BLOCK = 16
"""How many numbers its QUANTIZE, and channels its MEAN, round at once; a rest, one by one."""


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


class RequantiseInBlocks(Requantise):
    """LiteRT's built-in depthwise kernels: the channels that fill no block round as in C."""

    def __call__(self, sums: Integers) -> Integers:
        """Return the stored numbers of 32-bit sums ``(channels, ...)``, int64."""
        whole = len(sums) // DEPTHWISE_BLOCK * DEPTHWISE_BLOCK
        blocks = Requantise(
            self.factor[:whole], Rounding.DOUBLE_UP, self.zero_point, self.low, self.high
        )
        rest = Requantise(
            self.factor[whole:], Rounding.DOUBLE_AWAY, self.zero_point, self.low, self.high
        )
        return np.concatenate([blocks(sums[:whole]), rest(sums[whole:])])


@dataclass(frozen=True)
class XnnpackMean:
    """XNNPACK's MEAN: a float32 product and a float32 sum, halves to even at last.

    Parameters
    ----------
    source, result
        How the numbers and their mean are stored.
    """

    source: Stored
    result: Stored

    def __call__(self, sums: Integers, count: int) -> Integers:
        """Return the stored numbers of the means, int64."""
        ratio = np.float32(self.source.scale) / np.float32(self.result.scale)
        factor = ratio * (np.float32(1) / np.float32(count))
        zero = np.float32(self.source.zero_point * count) * factor
        offset = np.float32(self.result.zero_point) - zero
        rounded = np.rint(sums.astype(np.float32) * factor + offset).astype(np.int64)
        return np.asarray(np.clip(rounded, self.result.low, self.result.high))


@dataclass(frozen=True)
class BuiltInMean:
    """LiteRT's built-in MEAN that keeps the axes: the zero point is rounded by itself.

    Parameters
    ----------
    source, result
        How the numbers and their mean are stored.
    up
        Whether halves go up, as in whole blocks of channels, or away from zero.
    """

    source: Stored
    result: Stored
    up: bool

    def __call__(self, sums: Integers, count: int) -> Integers:
        """Return the stored numbers of the means, int64."""
        scale, total = np.float32(self.source.scale), np.float32(self.result.scale)
        zero = np.float32(self.source.zero_point) * scale / total
        offset = self.result.zero_point - int(zero + np.float32(0.5 if zero > 0 else -0.5))
        factor = FixedPoint.of(float(scale / (np.float32(count) * total)))
        rounded = (factor.times_up(sums) if self.up else factor.times(sums)) + offset
        return np.asarray(np.clip(rounded, self.result.low, self.result.high))
