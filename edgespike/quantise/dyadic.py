"""Whole numbers times powers of two among float64 numbers: what a graph holds exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgespike.floats.net import Reals
from edgespike.graph.tensor import Integers

MANTISSA_BITS = 53
"""Of float64, the leading one included."""

NO_BITS = -4096
"""The fraction bits of zero, which needs none: fewer than any other number has."""


_FRACTION, _EXPONENT, _BIAS = 52, 0x7FF, 1023
"""Of float64: bits of the stored fraction, mask and bias of the exponent (IEEE 754)."""


def fraction_bits(values: Reals) -> Integers:
    """Return for each value the least ``k`` for which ``value * 2**k`` is whole.

    It is negative for multiples of 2, and :data:`NO_BITS` for zero. Every finite float64 has one.
    """
    whole, exponent = _split(values)
    return np.where(whole == 0, NO_BITS, -exponent - _zeros(whole))


def significant_bits(values: Reals) -> int:
    """Return the bits of the longest mantissa, from its first to its last one; 0 if all are 0."""
    whole, _ = _split(values)
    lengths = np.where(whole == 0, 0, _length(whole) - _zeros(whole))
    return int(lengths.max(initial=0))


def _split(values: Reals) -> tuple[Integers, Integers]:
    """Return whole numbers and exponents: a magnitude is ``whole * 2**exponent``."""
    stored = np.ascontiguousarray(values, np.float64).view(np.int64).reshape(np.shape(values))
    field = (stored >> _FRACTION) & _EXPONENT
    whole = stored & ((1 << _FRACTION) - 1)
    whole |= np.where(field > 0, 1 << _FRACTION, 0)
    return whole, np.maximum(field, 1) - (_BIAS + _FRACTION)


def _length(whole: Integers) -> Integers:
    """Return the number of bits of numbers above 0, up to 2**53; float64 has their exponent."""
    return np.asarray((whole.astype(np.float64).view(np.int64) >> _FRACTION) - (_BIAS - 1))


def _zeros(whole: Integers) -> Integers:
    """Count the zeros at the end of numbers; of 0 it gives no meaningful number."""
    return _length(whole & -whole) - 1


def odd_part(values: Reals) -> Integers:
    """Return the odd whole number of which each value is a multiple by a power of two; 0 for 0."""
    return shifted(values, fraction_bits(values)).astype(np.int64)


def shifted(values: Reals, bits: NDArray[np.int64] | int) -> Reals:
    """Return ``values * 2**bits``, exactly."""
    # In two parts: 2**bits alone may be out of range where the product is not.
    half = np.asarray(bits) // 2
    return np.asarray(np.ldexp(np.ldexp(values, half), bits - half), np.float64)


def some(values: Reals) -> Reals:
    """Return some of many values: what is false of these is false of all."""
    return values.reshape(-1)[: 2**12]


def exact_product(left: Reals, right: Reals) -> bool:
    """Return whether every product of a value of one with one of the other needs no rounding."""
    few, many = sorted((left, right), key=np.size)
    fewer = significant_bits(few)
    if fewer <= 1:
        return True
    if (sample := significant_bits(some(many))) > 1 and fewer + sample > MANTISSA_BITS:
        return False
    more = significant_bits(many)
    return more <= 1 or fewer + more <= MANTISSA_BITS


def exact_sum(values: Reals) -> bool:
    """Return whether all partial sums of these values, in any order, need no rounding."""
    bits = int(fraction_bits(values).max(initial=NO_BITS))
    if bits == NO_BITS:
        return True
    with np.errstate(over="ignore"):
        total = float(np.abs(shifted(values, bits)).sum())
    return total <= 2.0**MANTISSA_BITS
