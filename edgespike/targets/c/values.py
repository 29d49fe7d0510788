"""How a node's values are kept in C."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

C_TYPES = ("uint8_t", "int8_t", "int16_t", "uint16_t", "int32_t", "int64_t")
"""Types of numbers in the order in which they are preferred."""

RANGES = {
    "uint8_t": (0, 2**8 - 1),
    "int8_t": (-(2**7), 2**7 - 1),
    "int16_t": (-(2**15), 2**15 - 1),
    "uint16_t": (0, 2**16 - 1),
    "int32_t": (-(2**31), 2**31 - 1),
    "int64_t": (-(2**63), 2**63 - 1),
}

BYTES = {"uint8_t": 1, "int8_t": 1, "int16_t": 2, "uint16_t": 2, "int32_t": 4, "int64_t": 8}

WORD_BITS = 32


def fits(low: int, high: int, c_type: str) -> bool:
    """Return whether a type holds a range."""
    least, most = RANGES[c_type]
    return least <= low and high <= most


def c_type(low: int, high: int) -> str:
    """Return the narrowest type that holds a range."""
    return next(each for each in C_TYPES if fits(low, high, each))


def signed_type(low: int, high: int, *, least_bits: int = 8) -> str:
    """Return the narrowest signed type of at least so many bits that holds a range."""
    signed = [each for each in C_TYPES if each.startswith("int") and BYTES[each] * 8 >= least_bits]
    return next(each for each in signed if fits(low, high, each))


@dataclass(frozen=True)
class Value:
    """A node's values, channels last.

    Parameters
    ----------
    name
        A C identifier.
    shape
        Height, width, channels.
    c_type
        Type of an element; ``uint32_t`` for bits.
    levels
        0 for numbers. Else the values 0..levels are kept as bits: at each position there is a word
        for each 32 channels and each level, in this order, with a bit for each channel whose value
        is at least the level.
    """

    name: str
    shape: tuple[int, int, int]
    c_type: str
    levels: int = 0

    @property
    def positions(self) -> int:
        """How many positions there are."""
        return self.shape[0] * self.shape[1]

    @property
    def channels(self) -> int:
        """How many channels there are."""
        return self.shape[2]

    @property
    def size(self) -> int:
        """How many elements there are, bits aside."""
        return prod(self.shape)

    @property
    def words(self) -> int:
        """How many words a position has."""
        return -(-self.channels // WORD_BITS) * self.levels

    @property
    def each(self) -> int:
        """How many elements of the array a position has."""
        return self.words if self.levels else self.channels

    @property
    def length(self) -> int:
        """Length of the array."""
        return self.positions * self.each

    @property
    def bytes(self) -> int:
        """Size of the array."""
        return self.length * (4 if self.levels else BYTES[self.c_type])


def identifiers(names: Iterable[str]) -> dict[str, str]:
    """Return the end of a C identifier for each name, different ones, as close to it as can be."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        base = re.sub("[^0-9A-Za-z]+", "_", name).strip("_") or "node"
        choices = (base if number == 1 else f"{base}_{number}" for number in range(1, 10**9))
        found[name] = next(each for each in choices if each not in taken)
        taken.add(found[name])
    return found
