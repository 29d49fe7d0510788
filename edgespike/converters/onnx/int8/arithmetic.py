"""How ONNX Runtime's kernels for 8-bit numbers round: in float32, halves to even.

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
from edgespike.int8.additions import Float32Addition
from edgespike.int8.net import OfMean, OfTwo, PerChannel, Stored
from edgespike.int8.pairs import weighted_pair
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


def of_two(first: Stored, second: Stored, stored: Stored) -> Float32Addition:
    """Return QLinearAdd's rule."""
    return Float32Addition(first, second, stored, stored.low, stored.high)


def of_one_ratio(rule: Float32Addition) -> OfTwo:
    """Return a rule of sums that a graph can have: that of real sums where float32's is none.

    Where scales have a simple ratio, many sums are halves, and float32 may round equal ones to
    different sides.
    """
    first, second = (np.arange(stored.low, stored.high + 1) for stored in (rule.first, rule.second))
    if weighted_pair(rule(first[:, None], second), first, second):
        return rule

    def combine(a: Integers, b: Integers) -> Integers:
        left = (a - rule.first.zero_point) * rule.first.scale
        real = left + (b - rule.second.zero_point) * rule.second.scale
        return _clipped(np.rint(real / rule.total.scale + rule.total.zero_point), rule.total)

    return combine


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
