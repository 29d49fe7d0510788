"""What rounding loses, by the book."""

from __future__ import annotations

import math

from edgespike.floats.net import Reals


def squared(values: Reals, step: float, lowest: int, highest: int) -> float:
    levels = [min(max(math.floor(v / step + 0.5), lowest), highest) for v in values]
    losses = [float((level * step - v) ** 2) for level, v in zip(levels, values, strict=True)]
    return sum(losses)
