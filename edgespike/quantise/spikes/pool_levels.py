"""Largest values of sums: a graph pools events, so the sums become levels first, and sums again.

A graph takes the largest of events alone. A threshold turns each sum into one of a few levels, the
pool takes the highest level, and a layer with one weight a channel makes sums of these again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgespike.graph import Conv2d, MaxPool2d, Node, Tensor, Threshold
from edgespike.graph.tensor import Integers

LEVELS = 63
"""Steps between the lowest and highest level: with at most 64 levels, TFLite stays in int8."""

MOST_LEVELS = 255
"""Most steps where each sum keeps its value."""


@dataclass(frozen=True, eq=False)
class Levels:
    """Levels of sums, for each channel: level ``n`` stands for ``low + step * n``.

    Parameters
    ----------
    low, step
        Whole numbers ``(channels,)``; ``step`` is at least 1.
    count
        The highest level.
    """

    low: Integers
    step: Integers
    count: int

    @property
    def exact(self) -> bool:
        """Whether every sum in the range has its own level."""
        return bool((self.step == 1).all())

    def nodes(self, name: str, source: str, pool: MaxPool2d) -> list[Node]:
        """Return the nodes of a pool; the last one has its name."""
        numbers = np.arange(1, self.count + 1)
        # Half a step below each level, so that the nearest one is taken.
        theta = self.low[:, None] + self.step[:, None] * numbers - self.step[:, None] // 2
        flipped = np.zeros(len(theta), np.bool_)
        again = Conv2d(self.step[:, None, None, None], self.low, groups=len(self.step))
        return [
            Node(f"{name}_levels", Threshold(theta, flipped), (source,)),
            Node(f"{name}_largest", pool, (f"{name}_levels",)),
            Node(name, again, (f"{name}_largest",)),
        ]


def levels_for(tensor: Tensor, rest: Integers, most: int) -> Levels:
    """Return levels over the range of sums.

    Parameters
    ----------
    tensor
        Range of each channel; sums outside become the lowest or highest level.
    rest
        The sum of each channel without events. It is a level, so that silence stays silence.
    most
        Most steps.
    """
    low, high = np.minimum(tensor.low, rest), np.maximum(tensor.high, rest)
    step = np.maximum(1, -(-(high - low) // most))
    while True:
        below = -(-(rest - low) // step)
        count = below + -(-(high - rest) // step)
        if (count <= most).all():
            break
        step = np.where(count > most, step + 1, step)
    return Levels(rest - below * step, step, max(1, int(count.max())))
