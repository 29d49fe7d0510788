"""Format numbers for people."""

from __future__ import annotations

import math

from edgespike.energy import Interval

_PREFIXES = {0: "", -1: "m", -2: "µ", -3: "n", -4: "p", -5: "f"}


def joules(value: float) -> str:
    """Return an energy with an SI prefix and three significant digits, ``8.22 nJ``."""
    exponent = _exponent(value)
    return f"{_scaled(value, exponent)} {_PREFIXES[exponent]}J"


def joules_range(energy: Interval) -> str:
    """Return the range of an energy with one unit, ``0.783 to 8.22 nJ``."""
    exponent = _exponent(energy.high)
    low, high = _scaled(energy.low, exponent), _scaled(energy.high, exponent)
    figures = low if low == high else f"{low} to {high}"
    return f"{figures} {_PREFIXES[exponent]}J"


def share(value: float | None) -> str:
    """Return a share, 0 to 1, in percent; a dash for ``None``."""
    return "–" if value is None else f"{value:.1%}"


def whole(value: int) -> str:
    """Return a count with thousands separators, ``23,084``."""
    return f"{value:,}"


def _exponent(value: float) -> int:
    """Return the power of 1000 whose prefix leaves a number of 1 to 999 before it."""
    if value == 0:
        return 0
    # Round first: 999.9 nJ is 1.00 µJ.
    rounded = float(f"{value:.2e}")
    return min(max(math.floor(math.log10(rounded) / 3), min(_PREFIXES)), 0)


def _scaled(value: float, exponent: int) -> str:
    if value == 0:
        return "0"
    scaled = value / 1000.0**exponent
    decimals = max(0, 2 - math.floor(math.log10(float(f"{scaled:.2e}"))))
    return f"{scaled:,.{decimals}f}"
