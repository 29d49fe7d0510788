"""Numbers as people read them."""

from __future__ import annotations

import math

from edgespike.energy import Interval

_PREFIXES = {0: "", -1: "m", -2: "µ", -3: "n", -4: "p", -5: "f"}


def joules(value: float) -> str:
    """Write an energy with an SI prefix and three significant digits, ``8.22 nJ``."""
    if value == 0:
        return "0 J"
    exponent = min(0, max(-5, math.floor(math.log10(float(f"{value:.3g}")) / 3)))
    scaled = value / 1000.0**exponent
    digits = max(0, 2 - math.floor(math.log10(float(f"{scaled:.3g}"))))
    return f"{scaled:,.{digits}f} {_PREFIXES[exponent]}J"


def joules_range(energy: Interval) -> str:
    """Write the range of an energy, ``0.78 .. 0.87 nJ``, or one figure if it has none."""
    low, high = joules(energy.low), joules(energy.high)
    return low if low == high else f"{low} to {high}"


def share(value: float | None) -> str:
    """Write a part of 1 in percent; a dash for none."""
    return "–" if value is None else f"{value:.1%}"


def whole(value: int) -> str:
    """Write a count with thousands apart, ``23,084``."""
    return f"{value:,}"
