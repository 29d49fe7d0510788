"""QONNX's quantisers: from real numbers to a few levels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from math import ceil, floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.converters.onnx.model import OnnxNode
from edgespike.converters.onnx.qonnx.bits import BITS, Bits
from edgespike.converters.onnx.qonnx.fields import at, attribute, number, positive
from edgespike.converters.onnx.qonnx.rounding import (
    Floats,
    Rounding,
    Start,
    function_of,
    start_of,
)
from edgespike.converters.onnx.qonnx.steps import Fractions
from edgespike.converters.sums import ConversionStoppedError


@dataclass(frozen=True, eq=False)
class Quantiser:
    """A function from real numbers to ``factor * (code - zero)``, where codes are whole numbers.

    Parameters
    ----------
    factor
        Of each channel, or one for all.
    zero
        The code that stands for 0; not always a whole number.
    low, high
        Smallest and largest code, ``None`` where it has no limit.
    start
        The real numbers whose code is at least a certain one, of a channel.
    codes
        The codes of float32 numbers, ``(channels, ...)`` or ``(1, ...)``, as QONNX computes them.
    rows
        1 where it is the same for all channels, else their number.
    """

    factor: Fractions
    zero: Fraction
    low: int | None
    high: int | None
    start: Callable[[int, int], Start]
    codes: Callable[[Floats], Floats]
    rows: int = 1


def quant(node: OnnxNode, bits: Bits, scale: NDArray[Any], zero: NDArray[Any]) -> Quantiser:
    """Return the quantiser of a Quant node on activations.

    Parameters
    ----------
    scale
        One for each channel, or one for all, float32.
    zero
        One number.
    """
    factors = positive(node, "scale", scale)
    shift = number(node, "zero point", zero)
    offset = np.asarray(zero).reshape(())

    def codes(numbers: Floats) -> Floats:
        return bits.codes(numbers / _columns(scale, numbers) + offset)

    if bits.bipolar:
        # (code ? 1 : -1) - zero point, times the scale
        return Quantiser(
            tuple(2 * factor for factor in factors),
            (1 + shift) / 2,
            0,
            1,
            lambda code, channel: Start(-shift * at(factors, channel), False),
            codes,
            len(factors),
        )

    def start(code: int, channel: int) -> Start:
        bound, above = start_of(bits.mode, code)
        return Start((bound - shift) * at(factors, channel), above)

    return Quantiser(factors, shift, bits.low, bits.high, start, codes, len(factors))


def bipolar(node: OnnxNode, scale: NDArray[Any]) -> Quantiser:
    """Return the quantiser of a BipolarQuant node; its scale does not move the bound."""
    factors = tuple(2 * factor for factor in positive(node, "scale", scale))
    return Quantiser(
        factors,
        Fraction(1, 2),
        0,
        1,
        lambda code, channel: Start(Fraction(0), False),
        lambda numbers: (numbers >= 0).astype(numbers.dtype),
        len(factors),
    )


def multi_threshold(node: OnnxNode, thresholds: NDArray[Any]) -> Quantiser:
    """Return the quantiser of a MultiThreshold node.

    Parameters
    ----------
    thresholds
        ``(channels, levels)`` or ``(1, levels)``.
    """
    if thresholds.ndim != 2 or not thresholds.size or not np.isfinite(thresholds).all():
        raise ConversionStoppedError(
            f"{node.title} has thresholds of shape {thresholds.shape}, or some that are not "
            "finite; give finite ones, (channels, levels)"
        )
    scale, bias = attribute(node, "out_scale", 1.0), attribute(node, "out_bias", 0.0)
    if scale <= 0:
        raise ConversionStoppedError(
            f"{node.title} has out_scale {float(scale)}; give a positive number"
        )
    ordered = np.sort(thresholds, axis=1)  # they are counted, whatever their order
    rows = [[Fraction(value.item()) for value in row] for row in ordered]
    return Quantiser(
        (scale,),
        -bias / scale,
        0,
        thresholds.shape[1],
        lambda code, channel: Start(at(rows, channel)[code - 1], False),
        partial(_counted, ordered),
        len(rows),
    )


def _counted(ordered: Floats, numbers: Floats) -> Floats:
    """Return how many thresholds of its row each number reaches."""
    rows = range(max(len(ordered), len(numbers)))
    found = [np.searchsorted(at(ordered, row), at(numbers, row), "right") for row in rows]
    return np.stack(found).astype(numbers.dtype)


def trunc(node: OnnxNode, constants: list[NDArray[Any]]) -> Quantiser:
    """Return the quantiser of a Trunc node: version 1 with five inputs, 2 with six.

    Parameters
    ----------
    constants
        The inputs after the first.
    """
    needed = 5 if node.version >= 2 else 4
    if len(constants) != needed:
        raise ConversionStoppedError(
            f"{node.title} has {len(constants) + 1} inputs; version {node.version} of Trunc takes "
            f"{needed + 1}"
        )
    if any(constant.size != 1 for constant in constants):
        raise ConversionStoppedError(f"{node.title} has scales a channel; give one for all")
    (scale,) = positive(node, "scale", constants[0])
    shift = number(node, "zero point", constants[1])
    if node.version >= 2:
        bits = Bits.of(node, constants[4], signed=1)
        (out,) = positive(node, "output scale", constants[3])
        exponent = int(np.round(np.log2(constants[3] / constants[0])).item())
        low, high, zero = bits.low, bits.high, shift / Fraction(2) ** exponent
    else:
        bits = Bits.of(node, constants[3], signed=1)
        exponent = int(number(node, "input bit width", constants[2])) - bits.bits
        low, high, zero, out = None, None, shift, scale
    if abs(exponent) > BITS[-1]:
        raise ConversionStoppedError(
            f"{node.title} divides by 2**{exponent}; the limit is 2**{BITS[-1]}"
        )
    size = Fraction(2) ** exponent

    def start(code: int, channel: int) -> Start:
        bound, above = start_of(bits.mode, code)
        whole = floor(bound * size) + 1 if above else ceil(bound * size)
        first, above = start_of(Rounding.HALF_EVEN, whole)
        return Start((first - shift) * scale, above)

    def codes(numbers: Floats) -> Floats:
        whole = np.round(numbers / constants[0].reshape(()) + constants[1].reshape(()))
        divided = whole / np.asarray(float(size), numbers.dtype)
        if low is not None:
            divided = np.clip(divided, low, high)
        return function_of(bits.mode)(divided)

    return Quantiser((out,), zero, low, high, start, codes)


def _columns(scale: NDArray[Any], numbers: Floats) -> NDArray[Any]:
    """Return scales so that they belong to the rows of numbers, ``(channels, ...)``."""
    return scale.reshape(-1, *(1,) * (numbers.ndim - 1)) if scale.size > 1 else scale.reshape(())
