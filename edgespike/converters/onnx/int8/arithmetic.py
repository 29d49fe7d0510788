"""How ONNX Runtime's kernels for 8-bit numbers round, all in float32, halves to even.

Measured with onnxruntime 1.32 on x86-64, where no number of the tests differs. Products of 8-bit
numbers and their sums are exact here; ONNX Runtime's are too on processors with VNNI, and
elsewhere unless a pair of products exceeds 16 bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.converters.onnx.int8.values import Float32, Sums
from edgespike.graph.tensor import Integers
from edgespike.int8.net import OfMean, OfTwo, PerChannel, Stored
from edgespike.int8.rounding import Requantise, Rounding


def quantised(values: NDArray[np.float32], stored: Stored) -> Integers:
    """Return what QuantizeLinear stores: rounded, then moved by the zero point, then clipped."""
    with np.errstate(over="ignore"):
        units = np.rint(np.asarray(values, np.float32) / np.float32(stored.scale))
    return _clipped(units.astype(np.float64) + stored.zero_point, stored)


def _clipped(numbers: NDArray[Any], stored: Stored) -> Integers:
    return np.asarray(np.clip(numbers, stored.low, stored.high)).astype(np.int64)


def dequantised(numbers: Integers, stored: Stored) -> Float32:
    """Return the real numbers that DequantizeLinear makes."""
    return (numbers - stored.zero_point).astype(np.float32) * np.float32(stored.scale)


def narrowed(stored: Stored, least: float, most: float) -> Stored:
    """Return a storage whose range ends where a clip of the real numbers does."""
    low, high = (int(quantised(np.array(end, np.float32), stored)) for end in (least, most))
    return Stored(stored.scale, stored.zero_point, low, high)


def of_sums(sums: Sums, stored: Stored) -> PerChannel:
    """Return QLinearConv's and QLinearMatMul's rule, or with a real bias that of real numbers."""
    if sums.offset is None:
        factor = sums.factor / np.float32(stored.scale)
        return Requantise(
            factor.astype(np.float64),
            Rounding.FLOAT_EVEN,
            stored.zero_point,
            stored.low,
            stored.high,
        )
    factor, offset = sums.factor.astype(np.float64), sums.offset

    def finish(numbers: Integers) -> Integers:
        axes = (-1, *(1,) * (numbers.ndim - 1))
        real = numbers * factor.reshape(axes) + offset.reshape(axes)
        return _clipped(np.rint(real / stored.scale) + stored.zero_point, stored)

    return finish


def of_two(first: Stored, second: Stored, out: Stored) -> OfTwo:
    """Return QLinearAdd's rule: one fused multiply-add after the other, the zero point in it."""
    ratios = [np.float32(each.scale) / np.float32(out.scale) for each in (first, second)]
    zeros = [np.float32(each.zero_point) for each in (first, second)]
    fixed = np.float32(out.zero_point) - (ratios[0] * zeros[0] + ratios[1] * zeros[1])

    def combine(a: Integers, b: Integers) -> Integers:
        # float64 holds these products and sums exactly, as a fused multiply-add does
        part = (b * np.float64(ratios[1]) + np.float64(fixed)).astype(np.float32)
        whole = (a * np.float64(ratios[0]) + part.astype(np.float64)).astype(np.float32)
        return _clipped(np.rint(whole), out)

    return combine


def of_global_mean(given: Stored, out: Stored) -> OfMean:
    """Return QLinearGlobalAveragePool's rule."""

    def finish(numbers: Integers, count: int) -> Integers:
        factor = np.float32(given.scale) / (np.float32(out.scale) * np.float32(count))
        sums = (numbers - count * given.zero_point).astype(np.float32)
        return _clipped(np.rint(sums * factor).astype(np.float64) + out.zero_point, out)

    return finish


def of_mean(given: Stored, out: Stored) -> OfMean:
    """Return QLinearAveragePool's rule on the exact mean: the zero point is added, then rounded.

    ONNX Runtime adds real numbers in float32; where the mean is near a half, its result depends
    on their order.
    """

    def finish(numbers: Integers, count: int) -> Integers:
        sums = (numbers - count * given.zero_point).astype(np.float64)
        return _clipped(np.rint(sums * given.scale / (count * out.scale) + out.zero_point), out)

    return finish


def of_one(given: Stored, out: Stored) -> Callable[[Integers], Integers]:
    """Return the rule of another storage, a clip, or a ReLU: dequantise, then quantise."""

    def function(numbers: Integers) -> Integers:
        return quantised(dequantised(numbers, given), out)

    return function
