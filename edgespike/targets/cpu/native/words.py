"""Programs of the native engine, as 64-bit words that its C code reads in the same order."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgespike.targets.cpu.native.codes import Type

INT16, INT32 = 2**15 - 1, 2**31 - 1


def stored(low: int, high: int) -> Type:
    """Return the narrowest type that holds a range, which must fit 32 bits."""
    if low >= 0 and high <= 255:
        return Type.U8
    return Type.I16 if low >= -INT16 - 1 and high <= INT16 else Type.I32


class Words:
    """Words in the order in which they were added."""

    def __init__(self) -> None:
        self._parts: list[NDArray[np.int64]] = []

    def add(self, *numbers: int) -> None:
        """Add numbers."""
        self._parts.append(np.array(numbers, np.int64))

    def array(self, values: ArrayLike) -> None:
        """Add an array, and before it how many elements it has."""
        flat = np.asarray(values).ravel().astype(np.int64, casting="same_kind")
        self.add(flat.size)
        self._parts.append(flat)

    def reals(self, values: ArrayLike) -> None:
        """Add real numbers as an array of their bits."""
        self.array(np.asarray(values, np.float64).ravel().view(np.int64))

    def bytes(self) -> bytes:
        """Return all words."""
        return np.concatenate([np.zeros(0, np.int64), *self._parts]).tobytes()
