"""Levels of many thresholds: from a line where that is exact, else by comparing with each.

Comparing takes two passes over the values for each level. Where the thresholds of a channel are
evenly spaced, ``floor(x * slope + offset)`` in float32 takes four passes for all levels; where they
are nearly so, a comparison with the one threshold that the line leaves open takes five more. See
:mod:`edgespike.targets.shared.lines`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import Tensor, Threshold
from edgespike.targets.shared.lines import LevelLine, fit_line
from edgespike.targets.shared.number_types import narrow_type

MARK_BYTES = 2**20
"""Approximate number of comparisons, of a byte each, made before they are added up, to fit a core's
cache."""

FEWEST_NEAR_LEVELS = 12
"""Fewest levels for which a line with a comparison is faster than comparing with each."""


@dataclass(frozen=True)
class Line:
    """The line that each channel's levels follow.

    Parameters
    ----------
    line
        The line.
    levels
        Highest level.
    dtype
        Integer type of the levels.
    """

    line: LevelLine
    levels: int
    dtype: np.dtype[Any]

    def __call__(self, x: NDArray[Any]) -> NDArray[Any]:
        """Return the levels of float32 values, ``(..., channels)``."""
        on_line = x * self.line.slope
        on_line += self.line.offset
        # Clipped at 0, so that the conversion, which drops the fraction, rounds down.
        on_line.clip(0, self.levels, out=on_line)
        levels: NDArray[Any] = on_line.astype(self.dtype)
        if self.line.following is not None:
            first = np.arange(len(self.line.sign)) * (self.levels + 1)
            turned = x * self.line.sign.astype(np.float32) if (self.line.sign < 0).any() else x
            levels += turned >= self.line.following.take(levels + first)
        return levels


def exact_line(op: Threshold, source: Tensor) -> Line | None:
    """Return a line that is exact for float32 values of the source's range, if one is faster."""
    line = fit_line(op, source)
    if line is None or (line.following is not None and op.levels < FEWEST_NEAR_LEVELS):
        return None
    return Line(line, op.levels, narrow_type(0, op.levels))


def count_reached(x: NDArray[Any], theta: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Compare values with every threshold.

    Parameters
    ----------
    x
        ``(..., channels)``.
    theta
        ``(levels, channels)``, contiguous and of a type that compares exactly with that of ``x``.
    dtype
        Of the result, which has the shape of ``x``.
    """
    rows, limits = x.reshape(-1, theta.shape[1]), theta[:, None]
    reached = np.empty(rows.shape, dtype)
    at_once = max(1, MARK_BYTES // theta.size)
    for start in range(0, len(rows), at_once):
        some = slice(start, start + at_once)
        marks = (rows[some] >= limits).view(np.int8)
        np.add.reduce(marks, axis=0, dtype=dtype, out=reached[some])
    return reached.reshape(x.shape)
