"""Whether accuracies differ: an exact test on the same samples, and intervals without them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import comb, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.05
"""Largest p-value at which a difference counts as shown, and one minus the level of intervals."""


@dataclass(frozen=True)
class McNemar:
    """The exact test of McNemar (1947) of whether two models are right equally often.

    Parameters
    ----------
    only_first, only_second
        Samples that only one of the models answers right.
    p_value
        Two-sided: the probability of a split at least as uneven if each such sample were a fair
        coin.
    """

    only_first: int
    only_second: int
    p_value: float

    @property
    def shown(self) -> bool:
        """Whether a difference is shown at the level :data:`LEVEL`."""
        return self.p_value <= LEVEL

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "only_first_right": self.only_first,
            "only_second_right": self.only_second,
            "p_value": self.p_value,
            "level": LEVEL,
            "difference_shown": self.shown,
        }


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> McNemar:
    """Compare which samples two models answer right.

    Parameters
    ----------
    first, second
        For each sample, whether the model is right; both ``(samples,)``, of the same samples.
    """
    only_first = int((first & ~second).sum())
    only_second = int((second & ~first).sum())
    return McNemar(only_first, only_second, sign_test(only_first, only_second))


def sign_test(wins: int, losses: int) -> float:
    """Return the exact two-sided p-value of a fair coin: 1 without any throw."""
    throws, fewer = wins + losses, min(wins, losses)
    ways = sum(comb(throws, k) for k in range(fewer + 1))
    # Both may have thousands of digits, which no float has room for.
    return min(1.0, float(Fraction(2 * ways, 2**throws)))


def wilson(right: int, samples: int) -> tuple[float, float]:
    """Return Wilson's interval (1927) of a share, at the level ``1 - LEVEL``."""
    z = NormalDist().inv_cdf(1 - LEVEL / 2)
    share, weight = right / samples, z * z / samples
    middle = share + weight / 2
    spread = z * sqrt(share * (1 - share) / samples + weight / (4 * samples))
    low, high = (middle - spread) / (1 + weight), (middle + spread) / (1 + weight)
    return max(0.0, min(low, share)), min(1.0, max(high, share))  # whatever rounding did
