"""How runtimes turn the sum of stored numbers into the stored number of their mean.

Each is the ``finish`` of an :class:`edgespike.int8.net.Int8AveragePool`: it takes sums of stored
numbers, zero points included, and how many numbers they are of.

TFLite's MEANs were measured in LiteRT 2.3 on x86-64, on 1,200 random tensors (1,232,250 means);
nothing differed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgespike.graph.tensor import Integers
from edgespike.int8.net import Stored
from edgespike.int8.rounding import FixedPoint


@dataclass(frozen=True)
class RawAverage:
    """TFLite's AVERAGE_POOL_2D: the mean of the stored numbers, a half away from zero.

    It is not the mean of the real values, whose halves lie elsewhere.

    Parameters
    ----------
    low, high
        What the result is clipped to.
    """

    low: int
    high: int

    def __call__(self, sums: Integers, count: int) -> Integers:
        """Return the stored numbers of the means, int64."""
        means = np.sign(sums) * ((np.abs(sums) + count // 2) // count)
        return np.asarray(np.clip(means, self.low, self.high))


@dataclass(frozen=True)
class FixedPointMean:
    """TFLite Micro's MEAN: the sum times a 32-bit factor that is divided by the count.

    Parameters
    ----------
    source, mean
        How the numbers and their mean are stored.
    """

    source: Stored
    mean: Stored

    def __call__(self, sums: Integers, count: int) -> Integers:
        """Return the stored numbers of the means, int64."""
        whole = FixedPoint.of(self.source.scale / self.mean.scale)
        bits = count.bit_length() - 1
        bits = min(bits, 32, 31 + int(whole.exponent))
        factor = FixedPoint((whole.mantissa << bits) // count, whole.exponent - bits)
        rounded = factor.times(sums - count * self.source.zero_point) + self.mean.zero_point
        return self.mean.clipped(rounded)


@dataclass(frozen=True)
class Float32Mean:
    """ONNX Runtime's QLinearGlobalAveragePool: a float32 product, halves to even.

    Parameters
    ----------
    source, mean
        How the numbers and their mean are stored.
    """

    source: Stored
    mean: Stored

    def __call__(self, sums: Integers, count: int) -> Integers:
        """Return the stored numbers of the means, int64."""
        scale, total = np.float32(self.source.scale), np.float32(self.mean.scale)
        factor = scale / (total * np.float32(count))
        exact = (sums - count * self.source.zero_point).astype(np.float32)
        rounded = np.rint(exact * factor).astype(np.int64) + self.mean.zero_point
        return self.mean.clipped(rounded)


@dataclass(frozen=True)
class XnnpackMean:
    """XNNPACK's MEAN: a float32 product and a float32 sum, halves to even at last.

    Parameters
    ----------
    source, mean
        How the numbers and their mean are stored.
    """

    source: Stored
    mean: Stored

    def __call__(self, sums: Integers, count: int) -> Integers:
        """Return the stored numbers of the means, int64."""
        ratio = np.float32(self.source.scale) / np.float32(self.mean.scale)
        factor = ratio * (np.float32(1) / np.float32(count))
        zero = np.float32(self.source.zero_point * count) * factor
        offset = np.float32(self.mean.zero_point) - zero
        rounded = np.rint(sums.astype(np.float32) * factor + offset).astype(np.int64)
        return self.mean.clipped(rounded)


@dataclass(frozen=True)
class BuiltInMean:
    """LiteRT's built-in MEAN that keeps the axes: the zero point is rounded by itself.

    Parameters
    ----------
    source, mean
        How the numbers and their mean are stored.
    up
        Whether halves go up, as in whole blocks of channels, or away from zero.
    """

    source: Stored
    mean: Stored
    up: bool

    def __call__(self, sums: Integers, count: int) -> Integers:
        """Return the stored numbers of the means, int64."""
        scale, total = np.float32(self.source.scale), np.float32(self.mean.scale)
        zero = np.float32(self.source.zero_point) * scale / total
        offset = self.mean.zero_point - int(zero + np.float32(0.5 if zero > 0 else -0.5))
        factor = FixedPoint.of(float(scale / (np.float32(count) * total)))
        rounded = (factor.times_up(sums) if self.up else factor.times(sums)) + offset
        return self.mean.clipped(rounded)
