"""Counting evenly spaced thresholds in float32 by one product, where that is exact."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import Tensor, Threshold
from edgespike.graph.tensor import Integers
from edgespike.targets.tflite.affine import upright
from edgespike.targets.tflite.limits import FLOAT_LIMIT
from edgespike.targets.tflite.requantise import fit

Singles = NDArray[np.float32]


def fit_line(op: Threshold, source: Tensor) -> tuple[Singles, Singles] | None:
    """Lay a line through the thresholds of each channel, if float32 then counts them right.

    Parameters
    ----------
    op
        The thresholds.
    source
        Range of what is compared with them.

    Returns
    -------
    slope, offset
        ``floor(clip(x * slope + offset, 0, levels))``, computed in float32 one operation after the
        other, is what the thresholds give for ``x``, ``(channels,)``; ``None`` if it is not so in
        every channel. Each of these operations is monotone in IEEE arithmetic, rounding included,
        so that it is enough to try both sides of every threshold.
    """
    sign, theta, low, high = upright(op, source)
    if max(-low.min(), high.max()) >= FLOAT_LIMIT:
        return None
    step, start = fit(theta, low, high)
    slope, offset = (sign / step).astype(np.float32), (-start / step).astype(np.float32)
    low, high, sign = low[:, None], high[:, None], sign[:, None]

    def counted(x: Integers) -> Singles:
        product = (sign * np.clip(x, low, high)).astype(np.float32) * slope[:, None]
        return np.asarray(np.floor((product + offset[:, None]).clip(0, op.levels)), np.float32)

    level = np.arange(1, op.levels + 1)
    reached = (counted(theta) >= level) | (theta > high)
    missed = (counted(theta - 1) < level) | (theta <= low)
    return (slope, offset) if bool((reached & missed).all()) else None
