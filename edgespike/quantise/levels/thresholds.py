"""From levels in real numbers to thresholds in whole numbers, exactly.

A level is reached if ``scale * n + offset >= bound``, where all three are float64 numbers, read as
the fractions that they are. Solved for the whole number ``n``, this is one whole threshold; nothing
is rounded, so no tie is left to chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import isinf

import numpy as np

from edgespike.floats.net import Reals
from edgespike.graph import Tensor, Threshold
from edgespike.quantise.lines import Line


def thresholds(line: Line, bounds: Reals, sums: Tensor, offset: int = 0) -> Threshold:
    """Return the thresholds that count how many bounds a sum's real value reaches.

    Parameters
    ----------
    line
        The real value of a sum.
    bounds
        ``(channels, levels)``, ascending in each channel; infinity is never reached, and minus
        infinity always.
    sums
        The proven range of the sums. Thresholds out of reach are moved to its edge, which changes
        nothing.
    offset
        The level below the first bound.

    Returns
    -------
    threshold
        A channel whose line falls is flipped; one whose line is level fires always or never.
    """
    rows = [
        _row(Fraction(scale), Fraction(shift), row, int(low), int(high) + 1)
        for scale, shift, row, low, high in zip(
            line.scale.tolist(), line.offset.tolist(), bounds.tolist(), sums.low, sums.high,
            strict=True,
        )
    ]  # fmt: skip
    theta = np.sort(np.array(rows, np.int64).reshape(bounds.shape), axis=1)
    flipped = line.scale < 0
    return Threshold(theta, flipped, offset) if offset else Threshold(theta, flipped)


def _row(
    scale: Fraction, shift: Fraction, bounds: Sequence[float], low: int, above: int
) -> list[int]:
    """Return one channel's thresholds."""
    found = []
    for bound in bounds:
        if isinf(bound):
            least = low if (bound > 0) == (scale < 0) else above
        elif scale == 0:
            least = low if shift >= Fraction(bound) else above
        else:
            exact = (Fraction(bound) - shift) / scale
            # A falling line reaches its bound at n <= exact, which is n < the next whole number.
            least = exact.__floor__() + 1 if scale < 0 else exact.__ceil__()
        found.append(min(max(least, low), above))
    return found
