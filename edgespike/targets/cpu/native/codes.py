"""Numbers that the engine's C knows too, under the same names: ``csrc/codes.h``.

A name of two words is ``TwoWords`` here and ``enum two_words`` there.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np

MAGIC = 0x31736567646504
"""First word of a program; it changes with the format."""

MOST_ELEMENTS = 2**27
"""Most elements of a value, and the largest stride and padding."""

MOST_NODES = 2**20
"""Most values, operations, inputs of one and steps."""

MOST_LEVELS = 2**20
"""Most levels of a threshold."""

MOST_DECAY_BITS = 24
"""Most bits of a decay, as of any graph."""

SPLIT_BITS = 15
"""Most bits of a decay whose product is computed in two parts of 32 bits."""

WIDE_LIMIT = 2**59
"""Largest magnitude of a potential in 64 bits: sums of a few still fit."""

MOST_SPIKES_OF_BYTES = 255
"""Largest sum that a byte holds."""

LARGEST_IN_BYTES = 7
"""Largest weight, or weight times a level, that is added in bytes.

At least 16 of them are added before their sums need 16 bits.
"""

ALIGNED, ERROR_BYTES = 64, 200


class Type(IntEnum):
    """Types of stored values and of samples."""

    U8 = 0
    I8 = 1
    I16 = 2
    I32 = 3
    I64 = 4
    U16 = 5
    U32 = 6

    @property
    def dtype(self) -> np.dtype[Any]:
        """The same as numpy's."""
        return np.dtype(f"{self.name[0].lower()}{int(self.name[1:]) // 8}")


class OpKind(IntEnum):
    """Operations."""

    LINEAR = 1
    CELL = 2
    MAX_POOL = 3
    SUM_POOL = 4
    ADD = 5
    MULTIPLY = 6
    CONCATENATE = 7
    RESHAPE = 8
    READOUT = 9


class When(IntEnum):
    """At which steps an operation runs: ``ONCE``, at the first of an input that never changes."""

    ALWAYS = 0
    ONCE = 1
    LAST = 2


class Product(IntEnum):
    """How a layer multiplies."""

    EVENTS = 0
    LEVELS = 1
    PAIRS8 = 2
    QUADS8 = 3
    PAIRS16 = 4
    SINGLES = 5
    CHANNELS = 6


class CellKind(IntEnum):
    """What follows a sum."""

    PLAIN = 0
    THRESHOLD = 1
    MEMBRANE = 2


class Method(IntEnum):
    """How levels are found."""

    COMPARE = 0
    LINE = 1
    SEARCH = 2
    NEAR = 3


class ResetCode(IntEnum):
    """A membrane's ``Reset``, by its name."""

    NONE = 0
    ZERO = 1
    SUBTRACT = 2


class ResetTimeCode(IntEnum):
    """A membrane's ``ResetTime``, by its name."""

    SAME_STEP = 0
    NEXT_STEP = 1
    SAME_STEP_RAISED = 2


class ModeCode(IntEnum):
    """A readout's ``ReadoutMode``, by its name."""

    SUM = 0
    LAST = 1
    MAX = 2
