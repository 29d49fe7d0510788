"""How measured numbers become the whole numbers that enter a graph."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.errors import GraphError, InputError, shown

_WORDS = ("offset", "step")


@dataclass(frozen=True)
class Scaling:
    """An affine map with rounding, ``clip(floor((x - offset) / step + 1/2), low, high)``.

    It is computed in float64, in this order of operations, so that every device that follows IEEE
    754 gets the same whole numbers. ``low`` and ``high`` are those of the graph's input.

    Parameters
    ----------
    offset
        What becomes 0, in the unit of the measured numbers: one number for all, or one for each
        entry of the first axis of the input's shape (features of a sequence, channels of an image).
    step
        What becomes 1 more, in the same unit, above 0; as many numbers as ``offset``.

    Raises
    ------
    GraphError
        Numbers are missing, not finite, or not above 0; all violations are listed.
    """

    offset: tuple[float, ...]
    step: tuple[float, ...]

    def __post_init__(self) -> None:
        for name in _WORDS:
            object.__setattr__(self, name, _as_floats(getattr(self, name)))
        faults = list(self._faults())
        if faults:
            raise GraphError("a scaling of the input is not valid", faults)

    def _faults(self) -> Iterator[str]:
        for name in _WORDS:
            values = getattr(self, name)
            if not isinstance(values, tuple) or not values:
                yield f"{name} is {shown(values)}; give a tuple of at least one number"
                return
            bad = [value for value in values if not _is_finite(value)]
            if bad:
                yield f"{name} holds {shown(bad[0])}; give finite numbers"
                return
        if len(self.offset) != len(self.step):
            yield f"there are {len(self.offset)} offsets and {len(self.step)} steps; give as many"
        small = [value for value in self.step if value < np.finfo(np.float64).tiny]
        if small:
            yield f"step holds {small[0]:g}; a step must be above 0"

    def fits(self, shape: tuple[int, ...]) -> Iterator[str]:
        """Yield why the scaling is not one for an input of a shape."""
        if len(self.offset) not in (1, shape[0]):
            yield (
                f"the scaling has {len(self.offset)} offsets and steps; the input of shape {shape} "
                f"needs 1 or {shape[0]}"
            )

    def apply(
        self, values: NDArray[Any], shape: tuple[int, ...], low: int, high: int
    ) -> NDArray[np.int64]:
        """Return the whole numbers that enter a graph, int64, of the shape of ``values``.

        Parameters
        ----------
        values
            Numbers in the unit of measurement, ``(..., *shape)``.
        shape, low, high
            Of the graph's input.

        Raises
        ------
        InputError
            Some values are NaN or infinite.
        """
        bad = np.count_nonzero(~np.isfinite(values))
        if bad:
            raise InputError(
                f"{bad:,} of {values.size:,} measured numbers are not finite; fill or remove them"
            )
        axes = (-1, *[1] * (len(shape) - 1))
        offset, step = np.reshape(self.offset, axes), np.reshape(self.step, axes)
        with np.errstate(over="ignore"):  # what overflows is clipped
            whole = np.floor((values.astype(np.float64) - offset) / step + 0.5)
        return np.asarray(np.clip(whole, low, high).astype(np.int64))


def _as_floats(values: Any) -> Any:
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if not isinstance(values, tuple | list):
        return values
    return tuple(map(_as_float, values))


def _as_float(value: Any) -> Any:
    if not isinstance(value, int) or isinstance(value, bool):
        return value
    try:
        return float(value)
    except OverflowError:  # it stays a whole number, which is refused
        return value


def _is_finite(value: object) -> bool:
    return isinstance(value, float) and math.isfinite(value)
