"""What a layer's rounding did to its sums in the mean, undone by slope and offset of each channel.

Both are free: they move into the thresholds, or into the scale of the answer. Nothing changes where
the sums equal those of the float net.
"""

from __future__ import annotations

import numpy as np

from edgespike.floats.net import Reals
from edgespike.quantise.lines import Line
from edgespike.quantise.rounding import WHOLE

SAME = 1e-9
"""Largest difference from the float net's values, as a fraction of these, that is no difference."""


def corrected(line: Line, sums: WHOLE, target: Reals) -> Line:
    """Return the line that fits the float net's values best, in the mean square.

    Parameters
    ----------
    line
        The real value of the sums as it follows from the weights.
    sums
        ``(samples, channels, ...)``.
    target
        What the float net has there.
    """
    n, wanted = (_by_channel(x) for x in (sums, target))
    found = n * line.scale[:, None] + line.offset[:, None]
    apart = np.abs(found - wanted).max(axis=1) > SAME * np.abs(wanted).max(axis=1)
    mean, aim = n.mean(axis=1), wanted.mean(axis=1)
    n, wanted = n - mean[:, None], wanted - aim[:, None]
    spread = np.einsum("cv,cv->c", n, n)
    common = np.einsum("cv,cv->c", n, wanted)
    # Without a spread, or with a slope against the weights, only the mean says something.
    slope = np.where(common * line.scale > 0, common / np.where(spread > 0, spread, 1), line.scale)
    scale = np.where(apart, slope, line.scale)
    return Line(scale, np.where(apart, aim - scale * mean, line.offset))


def _by_channel(values: WHOLE | Reals) -> Reals:
    moved = np.moveaxis(values.astype(np.float64), 1, 0)
    return moved.reshape(len(moved), -1)
