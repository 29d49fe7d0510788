"""How tensors store whole numbers: data type, scale and zero point."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import Tensor
from edgespike.targets.tflite.limits import INT16_LIMIT

ACTIVATION_SCALE = 6.0
"""Scale of spikes and input: the largest that RELU6 lets through is then one unit."""

LARGEST_STORED = 255
"""Width of the widest range that int8 holds, with any zero point."""

LARGEST_IN_16_BITS = INT16_LIMIT + 1
"""Largest magnitude of a 16-bit number."""


class Form(Enum):
    """The data type in which a node's output is computed."""

    INT8 = "int8"
    INT16 = "int16"
    FLOAT = "float32"

    @property
    def dtype(self) -> np.dtype[Any]:
        """The data type for numpy."""
        return np.dtype(self.value)


@dataclass(frozen=True)
class Storage:
    """How a tensor is stored: the integer ``q`` is the value ``q - zero_point``.

    To the runtimes it is the real number ``(q - zero_point) * scale``. Float32 values are
    stored without scale and zero point.
    """

    form: Form = Form.FLOAT
    scale: float = 1.0
    zero_point: int = 0


FLOAT32 = Storage()
"""The scale of 1 says that float32 holds the values themselves."""

SUMS = Storage(Form.INT16, ACTIVATION_SCALE)
"""Sums whose levels are counted: compared, they are spikes with the scale that these have. Of this
scale, float32 holds any 16-bit number when it is widened."""

WHOLE = Storage(Form.INT16, 1.0)
"""16-bit numbers that are widened to float32 as they are."""


def shared_scale(scales: NDArray[np.float64]) -> float | None:
    """Return the scale of all classes, as float32, or None if they differ."""
    first, *others = set(scales.astype(np.float32).tolist())
    return None if others else float(first)


def zero_point(tensor: Tensor) -> int | None:
    """Return the stored int8 integer that stands for 0, or None if the range is too wide."""
    return zero_point_of(*tensor.bounds)


def zero_point_of(low: int, high: int) -> int | None:
    """Return the stored int8 integer that stands for 0, or None if the range is too wide."""
    least, most = max(-128, -128 - low), min(127, 127 - high)
    return min(max(0, least), most) if least <= most else None


@cache
def widens_exactly(scale: float, largest: int = LARGEST_IN_16_BITS) -> bool:
    """Return whether float32 gets back whole numbers that are stored with a scale.

    They are widened: multiplied by the scale, and then by its rounded inverse. If that does not
    give the numbers back, they are stored as :data:`WHOLE` first.

    Parameters
    ----------
    scale
        The scale, as float32.
    largest
        Largest magnitude of the numbers; if it is not known, that of 16 bits.
    """
    values = np.arange(largest + 1, dtype=np.float32)  # float32 rounds both signs alike
    return np.array_equal(values * np.float32(scale) * np.float32(1 / scale), values)


@cache
def activation_scale(levels: int) -> float:
    """Return a float32 scale at which RELU6 clamps to ``0..levels``, 1 to 255 of them.

    It is 6 / levels or a little more: every stored int8 number must widen exactly.

    Raises
    ------
    ValueError
        There are none, or more than :data:`LARGEST_STORED`: with so many, RELU6 may clamp to
        another number.
    """
    if not 1 <= levels <= LARGEST_STORED:
        raise ValueError(f"{levels} levels have no scale; 1 to {LARGEST_STORED} have one")
    for step in range(2**11):  # so fine and so few that it stays far from half a level
        scale = float(np.float32(ACTIVATION_SCALE / levels * (1 + step * 2.0**-22)))
        if widens_exactly(scale, LARGEST_STORED):
            return scale
    raise ValueError(f"no scale for {levels} levels")
