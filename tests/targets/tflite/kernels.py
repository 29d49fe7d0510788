"""What the runtimes' kernels do to an accumulator, written down from their sources, for tests."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Whole = NDArray[np.int64]
Kernel = Callable[[Whole, np.float32], Whole]


def xnnpack(x: Whole, multiplier: np.float32) -> Whole:
    """Multiply in float32 and round half to even."""
    product: NDArray[np.float32] = x.astype(np.float32) * multiplier
    return np.rint(product).astype(np.int64)


def built_in(x: Whole, multiplier: np.float32) -> Whole:
    """Round the high half of a doubled product, then round its shift, both half away from 0.

    TFLite's MultiplyByQuantizedMultiplier as tflite-runtime and TFLite Micro are built.
    """
    mantissa, exponent = _mantissa_and_exponent(multiplier)
    left, right = max(exponent, 0), max(-exponent, 0)
    product = (x << left) * mantissa
    nudge = np.where(product >= 0, 1 << 30, 1 - (1 << 30))
    high = np.trunc((product + nudge) / 2.0**31).astype(np.int64)
    mask = (1 << right) - 1
    up = (high & mask) > (mask >> 1) + (high < 0)
    return np.asarray((high >> right) + up, np.int64)


def rounding_once(x: Whole, multiplier: np.float32 | np.float64) -> Whole:
    """Round the shifted product once, half up: built-in kernels with TFLITE_SINGLE_ROUNDING."""
    mantissa, exponent = _mantissa_and_exponent(multiplier)
    shift = 31 - exponent
    return np.asarray((x * mantissa + (1 << (shift - 1))) >> shift, np.int64)


def cmsis_nn(x: Whole, multiplier: np.float32) -> Whole:
    """Round the high half of a doubled product half up, then its shift half away from 0."""
    mantissa, exponent = _mantissa_and_exponent(multiplier)
    left, right = max(exponent, 0), max(-exponent, 0)
    high = ((x << left) * mantissa + (1 << 30)) >> 31
    mask = (1 << right) - 1
    up = (high & mask) > (mask >> 1) + (high < 0)
    return np.asarray((high >> right) + up, np.int64)


def truncating(x: Whole, multiplier: np.float32) -> Whole:
    """Truncate the high half, then round its shift half up: XNNPACK's rndnu, on ARM.

    It is used where one multiplier serves all channels. A left shift is truncated as well, by at
    least one bit that is then shifted back.
    """
    mantissa, exponent = _mantissa_and_exponent(multiplier)
    right = max(-exponent, 1)
    high = ((x << (right + exponent)) * mantissa) >> 31
    return np.asarray((high + (1 << (right - 1))) >> right, np.int64)


def with_15_bits(x: Whole, multiplier: np.float64) -> Whole:
    """Round once, half up, with 15 bits of the multiplier: 16-bit activations and 64-bit sums.

    MultiplyByQuantizedMultiplier in TFLite and TFLite Micro, arm_nn_requantize_s64 in CMSIS-NN.
    """
    mantissa, exponent = _mantissa_and_exponent(multiplier)
    reduced = (mantissa + (1 << 15)) >> 16 if mantissa < 0x7FFF0000 else 0x7FFF
    shift = 15 - exponent
    return np.asarray((x * reduced + (1 << (shift - 1))) >> shift, np.int64)


SIXTEEN_BITS: dict[str, Callable[[Whole, np.float64], Whole]] = {
    "15 bits of a multiplier": with_15_bits,
    "31 bits of a multiplier": rounding_once,
}

PER_CHANNEL: dict[str, Kernel] = {
    "XNNPACK": xnnpack,
    "built-in": built_in,
    "built-in, rounding once": rounding_once,
    "CMSIS-NN": cmsis_nn,
}
ONE_CHANNEL = {**PER_CHANNEL, "XNNPACK on ARM": truncating}


def _mantissa_and_exponent(multiplier: np.float32 | np.float64) -> tuple[int, int]:
    """Return QuantizeMultiplier's 31 bits and shift."""
    mantissa, exponent = math.frexp(float(multiplier))
    whole = round(mantissa * 2**31)
    return (whole // 2, exponent + 1) if whole == 2**31 else (whole, exponent)
