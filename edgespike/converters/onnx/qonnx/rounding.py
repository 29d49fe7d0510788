"""How QONNX rounds: as its executor does in float32, and as sets of real numbers.

Read in qonnx 1.0.0, ``custom_op/general/intquant.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from fractions import Fraction
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

Floats: TypeAlias = NDArray[np.floating[Any]]


class Rounding(Enum):
    """What becomes of a number between two whole ones."""

    HALF_EVEN = "HALF_EVEN"
    HALF_UP = "HALF_UP"
    """Halves away from zero."""
    HALF_DOWN = "HALF_DOWN"
    """Halves towards zero."""
    CEIL = "CEIL"
    FLOOR = "FLOOR"
    UP = "UP"
    """Away from zero."""
    DOWN = "DOWN"
    """Towards zero."""


MODES = {"ROUND": Rounding.HALF_EVEN, **{mode.value: mode for mode in Rounding}}
"""The values of ``rounding_mode``, in capitals."""


class Start(NamedTuple):
    """The real numbers from a bound on, or those above it.

    Parameters
    ----------
    bound
        The bound.
    above
        Whether the bound itself does not belong to them.
    """

    bound: Fraction
    above: bool


def start_of(mode: Rounding, number: int) -> Start:
    """Return the real numbers that are rounded to a whole number or to a larger one."""
    half = number - Fraction(1, 2)
    match mode:
        case Rounding.HALF_EVEN:
            return Start(half, number % 2 == 1)
        case Rounding.HALF_UP:
            return Start(half, number <= 0)
        case Rounding.HALF_DOWN:
            return Start(half, number >= 1)
        case Rounding.CEIL:
            return Start(Fraction(number - 1), True)
        case Rounding.FLOOR:
            return Start(Fraction(number), False)
        case Rounding.UP:
            return (
                Start(Fraction(number - 1), True) if number >= 1 else Start(Fraction(number), False)
            )
        case Rounding.DOWN:
            return (
                Start(Fraction(number), False) if number >= 1 else Start(Fraction(number - 1), True)
            )
        case _:
            assert_never(mode)


def function_of(mode: Rounding) -> Callable[[Floats], Floats]:
    """Return the rounding of arrays, in their own precision."""
    match mode:
        case Rounding.HALF_EVEN:
            return np.round
        case Rounding.HALF_UP:
            return lambda x: np.asarray(np.sign(x) * np.floor(np.abs(x) + 0.5))
        case Rounding.HALF_DOWN:
            return lambda x: np.asarray(np.sign(x) * np.ceil(np.abs(x) - 0.5))
        case Rounding.CEIL:
            return np.ceil
        case Rounding.FLOOR:
            return np.floor
        case Rounding.UP:
            return lambda x: np.asarray(np.sign(x) * np.ceil(np.abs(x)))
        case Rounding.DOWN:
            return np.fix
        case _:
            assert_never(mode)
