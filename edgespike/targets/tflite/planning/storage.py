"""How tensors store whole numbers: data type, scale and zero point."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import Tensor

ACTIVATION_SCALE = 6.0
"""Scale of spikes and input: the largest that RELU6 lets through is then one unit."""

LARGEST_STORED = 255
"""Width of the widest range that int8 holds, with any zero point."""


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
def activation_scale(levels: int) -> float:
    """Return a float32 scale at which RELU6 clamps to ``0..levels``, 1 to 255 of them.

    It is 6 / levels or a little more: a stored int8 number must come back as a whole number when it
    is widened to float32, that is, multiplied by the scale and then by its rounded inverse.
    """
    values = np.arange(LARGEST_STORED + 1, dtype=np.float32)
    for step in range(2**11):  # so fine and so few that it stays far from half a level
        scale = np.float32(ACTIVATION_SCALE / levels * (1 + step * 2.0**-22))
        if np.array_equal(values * scale * np.float32(1 / float(scale)), values):
            return float(scale)
    raise ValueError(f"no scale for {levels} levels")
