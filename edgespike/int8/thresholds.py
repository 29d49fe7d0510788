"""Monotone functions of whole numbers as thresholds, found by bisection over their range."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import Threshold
from edgespike.graph.tensor import Integers


@dataclass(frozen=True, eq=False)
class Levels:
    """A monotone function of each row: ``least`` plus the number of thresholds that are reached.

    Parameters
    ----------
    theta, flipped
        As in :class:`edgespike.graph.Threshold`, one row for each row of the function.
    least
        Value of no threshold reached.
    """

    theta: Integers
    flipped: NDArray[np.bool_]
    least: int

    def threshold(self, zero: int) -> Threshold:
        """Return the operation whose values are those of the function minus ``zero``."""
        return Threshold(self.theta, self.flipped, self.least - zero)


@dataclass(frozen=True, eq=False)
class Rows:
    """Which function each channel has, where several have one.

    Parameters
    ----------
    low, high
        The range of each function's argument.
    of_channel
        Index of each channel's function.
    """

    low: Integers
    high: Integers
    of_channel: Integers

    def levels(self, levels: Levels, low: Integers, high: Integers) -> Levels:
        """Return the thresholds of each channel, given those of each function.

        Parameters
        ----------
        low, high
            What is proven of each channel, which may be more than its function's range. What is
            always or never reached is so within it, too.
        """
        theta = levels.theta[self.of_channel]
        first, last = self.low[self.of_channel], self.high[self.of_channel]
        always, never = theta <= first[:, None], theta > last[:, None]
        theta = np.where(always, np.minimum(theta, low[:, None]), theta)
        theta = np.where(never, np.maximum(theta, high[:, None] + 1), theta)
        return Levels(theta, levels.flipped[self.of_channel], levels.least)


def values_at_ends(
    function: Callable[[Integers], Integers], low: Integers, high: Integers
) -> Integers:
    """Return the values of each row's function at both ends of its range, ``(rows, 2)``."""
    return np.asarray(function(np.stack([low, high], axis=1)), np.int64)


def levels_of(
    function: Callable[[Integers], Integers], low: Integers, high: Integers, zero: int
) -> Levels:
    """Return the thresholds of a function that ascends or descends in each row.

    Parameters
    ----------
    function
        From ``(rows, any)`` to numbers of the same shape. It is called within the range only.
    low, high
        The range of each row's argument, ``(rows,)``. Thresholds that are always reached are
        ``low``, those that are never reached ``high + 1``.
    zero
        Is among the levels, or below them, so that values minus ``zero`` begin at 0 or below.
    """
    ends = values_at_ends(function, low, high)
    flipped = ends[:, 1] < ends[:, 0]
    least = min(int(ends.min()), zero)
    wanted = np.arange(least + 1, max(int(ends.max()), least + 1) + 1)
    # A descending function ascends in the argument's negative.
    sign = np.where(flipped, -1, 1)[:, None]
    first, last = np.sort(np.stack([low, high], axis=1) * sign, axis=1).T[:, :, None]
    below = np.broadcast_to(first, (len(low), len(wanted)))
    reached = np.broadcast_to(last + 1, below.shape)
    while (below < reached).any():
        middle = np.minimum((below + reached) // 2, last)
        enough = function(sign * middle) >= wanted
        below, reached = np.where(enough, below, middle + 1), np.where(enough, middle, reached)
    theta = np.where(flipped[:, None], 1 - reached[:, ::-1], reached)
    return Levels(theta, flipped, least)
