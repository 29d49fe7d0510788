"""Sums that are wider than 16 bits, as several of 16 bits, which float32 adds.

Only dense layers' sums that a readout or a membrane reads: what else reads them compares them in
float32, and a convolution would be computed again at each of its places.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgespike.graph import Tensor
from edgespike.graph.tensor import FLOAT32_LIMIT, Integers
from edgespike.targets.tflite.limits import INT16_LIMIT, MOST_WINDOWS

_APART = 2 * INT16_LIMIT + 1
"""How far apart two constants are so that one range of 16 bits begins where the other ends."""


@dataclass(frozen=True)
class Tiles:
    """A layer's sums, computed as often as there are centres, ``x - centre`` in 16 bits each.

    Beyond its range each saturates: at any sum, at most one is in the middle. So all of them and a
    constant add up to the sum.

    Parameters
    ----------
    centres
        What is taken off, ``(channels,)`` each.
    constant
        What is added to all, ``(channels,)``.
    """

    centres: tuple[Integers, ...]
    constant: Integers


def tile(sums: Tensor) -> Tiles | None:
    """Cover a range of sums; ``None`` if that takes too many tiles, or more than float32 holds."""
    count = int(-(-(sums.high - sums.low).max() // _APART))
    if count > MOST_WINDOWS:
        return None
    first = sums.low + INT16_LIMIT + 1
    centres = tuple(first + index * _APART for index in range(max(count, 1)))
    # A tile that is passed adds INT16_LIMIT, one that is not reached -INT16_LIMIT - 1.
    constant = first + (len(centres) - 1) * (INT16_LIMIT + 1)
    largest = int(np.abs(constant).max()) + len(centres) * (INT16_LIMIT + 1)
    return Tiles(centres, constant) if largest <= FLOAT32_LIMIT else None
