"""Format numbers for people."""

from __future__ import annotations

import math
from collections.abc import Mapping

from edgespike.energy import Interval

_PREFIXES = {0: "", -1: "m", -2: "µ", -3: "n", -4: "p", -5: "f"}
_LARGE = {0: "", 1: "k", 2: "M", 3: "G", 4: "T"}


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


def operations(value: float) -> str:
    """Return a mean number of operations with three significant digits, ``8.22 k``, ``417``."""
    exponent = _exponent(value, _LARGE)
    return f"{_scaled(value, exponent)} {_LARGE[exponent]}".rstrip()


def operations_range(low: float, high: float) -> str:
    """Return the range of a number of operations with one prefix, ``275 to 400 k``."""
    exponent = _exponent(high, _LARGE)
    ends = _scaled(low, exponent), _scaled(high, exponent)
    figures = ends[0] if ends[0] == ends[1] else " to ".join(ends)
    return f"{figures} {_LARGE[exponent]}".rstrip()


def share(value: float | None) -> str:
    """Return a share, 0 to 1, in percent; a dash for ``None``."""
    return "–" if value is None else f"{value:.1%}"


def whole(value: int) -> str:
    """Return a count with thousands separators, ``23,084``."""
    return f"{value:,}"


def mean(total: int, samples: int) -> str:
    """Return the mean of a count, with three digits where it is small: ``23,084``, ``0.417``."""
    value = total / samples
    return whole(total // samples) if total % samples == 0 else f"{value:,.{_decimals(value)}f}"


def file_size(number: int) -> str:
    """Return a number of bytes with a decimal prefix, ``547 KB``."""
    for unit, size in (("MB", 10**6), ("KB", 10**3)):
        if number >= size:
            value = number / size
            return f"{value:,.{_decimals(value)}f} {unit}"
    return f"{whole(number)} bytes"


def times(value: float) -> str:
    """Return a ratio with three significant digits, ``3.62``."""
    return f"{value:,.{_decimals(value)}f}"


def _decimals(value: float) -> int:
    """Return how many decimals show three significant digits of a number that is not negative."""
    return 0 if value == 0 else max(0, 2 - math.floor(math.log10(float(f"{value:.2e}"))))


def _exponent(value: float, prefixes: Mapping[int, str] = _PREFIXES) -> int:
    """Return the power of 1000 whose prefix leaves a number of 1 to 999 before it."""
    if value == 0:
        return 0
    # Round first: 999.9 nJ is 1.00 µJ.
    rounded = float(f"{value:.2e}")
    return min(max(math.floor(math.log10(rounded) / 3), min(prefixes)), max(prefixes))


def _scaled(value: float, exponent: int) -> str:
    if value == 0:
        return "0"
    scaled = value / 1000.0**exponent
    return f"{scaled:,.{_decimals(scaled)}f}"
