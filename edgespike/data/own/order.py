"""Orders that are the same on every machine and with every version of numpy."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

_DIGITS = re.compile(r"([0-9]+)")


def natural(name: str) -> tuple[list[str | tuple[int, str]], str]:
    """Return a key that sorts ``2`` before ``10``, and all other text by its characters."""
    parts: list[str | tuple[int, str]] = list(_DIGITS.split(name))
    for place in range(1, len(parts), 2):
        digits = str(parts[place]).lstrip("0")
        parts[place] = (len(digits), digits)  # int() refuses thousands of digits
    return parts, name


def shuffled(count: int, *seeds: int) -> NDArray[np.int64]:
    """Return ``0..count - 1`` in an order drawn by seeds, int64, ``(count,)``.

    Only the raw numbers of PCG64 are used: numpy promises them for all versions, but not what its
    ``permutation`` makes of them.
    """
    drawn = np.random.PCG64(seeds).random_raw(count)
    return np.argsort(drawn, kind="stable").astype(np.int64, copy=False)
