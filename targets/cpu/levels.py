"""Levels of evenly spaced thresholds, from a line in floating point where that is exact.

Comparing with every threshold takes two passes over the values for each level. Where all
thresholds of a channel lie on a line, ``floor(x * slope + offset)`` takes four altogether. Every
operation in it is monotone in ``x``, rounding included, so that it is exact for all values in
range if it is right on both sides of each threshold: that is tried out, with the same operations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import Tensor, Threshold
from edgespike.graph.ops.neurons import reachable
from edgespike.graph.tensor import Integers
from edgespike.targets.cpu.exactness import FLOAT32_LIMIT, narrow_type
from edgespike.targets.tflite.requantise import fit


@dataclass(frozen=True)
class Line:
    """Where each channel's levels lie.

    Parameters
    ----------
    slope, offset
        Of each channel, float32.
    levels
        Highest level.
    """

    slope: NDArray[np.float32]
    offset: NDArray[np.float32]
    levels: int

    def __call__(self, x: NDArray[Any]) -> NDArray[Any]:
        """Give the levels of float32 values ``(..., channels)``, in the narrowest integer type."""
        on_line = x * self.slope
        on_line += self.offset
        # Not below 0, so that the conversion, which drops the fraction, rounds down.
        on_line.clip(0, self.levels, out=on_line)
        return on_line.astype(narrow_type(0, self.levels))


def exact_line(op: Threshold, source: Tensor) -> Line | None:
    """Give the line for float32 values of a range, if there is one that is exact."""
    low = np.where(op.flipped, -source.high, source.low)
    high = np.where(op.flipped, -source.low, source.high)
    if max(-low.min(), high.max()) >= FLOAT32_LIMIT:
        return None
    # Staying below theta, x < theta, is reaching 1 - theta with -x.
    theta = np.where(op.flipped[:, None], 1 - op.theta[:, ::-1], op.theta)
    theta = reachable(theta, low[:, None], high[:, None])
    step, start = fit(theta, low, high)
    sign = np.where(op.flipped, -1, 1)
    slope, offset = (sign / step).astype(np.float32), (-start / step).astype(np.float32)
    line = Line(slope, offset, op.levels)
    return line if _is_exact(line, theta, sign, low[:, None], high[:, None]) else None


def _is_exact(line: Line, theta: Integers, sign: Integers, low: Integers, high: Integers) -> bool:
    """Try the least value that reaches each threshold, and the largest one that does not."""
    level = np.arange(1, line.levels + 1)[:, None]

    def levels_of(values: Integers) -> NDArray[Any]:
        return line((values * sign[:, None]).T.astype(np.float32))

    reached = levels_of(np.minimum(theta, high)) >= level
    missed = levels_of(np.maximum(theta - 1, low)) < level
    return bool((reached | (theta > high).T).all() and (missed | (theta <= low).T).all())
