"""Whole numbers as digits of 8 bits, which is what ONNX's integer products take.

``ConvInteger``, ``MatMulInteger`` and ``QLinearConv`` multiply uint8 by int8 or uint8. Wider
numbers are written as ``sum(digit[i] * 256**i)``, and each digit is multiplied on its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgespike.graph.tensor import Integers
from edgespike.targets.onnx.limits import PAIR_LIMIT

BASE = 256
SHIFT = 128
"""Zero point of weights that are stored as uint8."""

WRONG_COLUMNS = range(17, 32)
"""Columns of int8 weights with which ONNX Runtime 1.23 multiplies wrongly on processors with AMX:
``MatMulInteger`` and ``QLinearConv`` return a wrong last row of each 32."""


@dataclass(frozen=True)
class StoredWeights:
    """Weights of 8 bits as a file holds them: int8, or uint8 with a zero point of 128."""

    values: NDArray[np.int8] | NDArray[np.uint8]

    @property
    def zero_point(self) -> int:
        """What stands for 0."""
        return SHIFT if self.values.dtype == np.uint8 else 0


def stored_weights(digit: Integers, largest_activation: int) -> StoredWeights:
    """Return weights in the type that every x86 processor multiplies exactly.

    Parameters
    ----------
    digit
        Weights within -128..127.
    largest_activation
        Largest stored number of the other operand, with its zero point, 0 to 255.
    """
    if 2 * largest_activation * int(np.abs(digit).max()) <= PAIR_LIMIT:
        return StoredWeights(digit.astype(np.int8))
    return shifted_weights(digit)


def shifted_weights(digit: Integers) -> StoredWeights:
    """Return weights within -128..127 as uint8."""
    return StoredWeights((digit + SHIFT).astype(np.uint8))


def columns_to_add(weights: StoredWeights, columns: int) -> int:
    """Return how many columns of zeros keep a product right on every processor."""
    wrong = weights.values.dtype == np.int8 and columns in WRONG_COLUMNS
    return WRONG_COLUMNS.stop - columns if wrong else 0


def signed_digits(weight: Integers) -> list[Integers]:
    """Return digits of -128..127 with ``weight = sum(digit[i] * 256**i)``, the least first."""
    digits = []
    while True:
        digit = (weight + SHIFT) % BASE - SHIFT
        digits.append(digit)
        weight = (weight - digit) // BASE
        if not weight.any():
            return digits


def digits_of(number: int, count: int) -> list[int]:
    """Return ``count`` digits of 0..255 of a number that is not negative, the least first."""
    return [number // BASE**place % BASE for place in range(count)]


def digit_count(largest: int) -> int:
    """Return how many digits of 0..255 numbers up to ``largest`` have, at least 1."""
    return max(1, -(-largest.bit_length() // 8))
