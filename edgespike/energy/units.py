"""Amounts with units: energies of constants and budgets, and sizes of memories.

Units are read by pint. The units of the shipped profiles are in a table, so that reading these
profiles does not wait for pint's import (0.3 s).
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from edgespike.errors import InputError, shown

if TYPE_CHECKING:
    from pint import UnitRegistry

JOULES = {"fJ": 1e-15, "pJ": 1e-12, "nJ": 1e-9, "pJ/cycle": 1e-12}
"""Joules of the usual units; pint agrees (``tests/energy/test_units.py``)."""

UNITS = "fJ, pJ, nJ, uJ, mJ, J, pJ/op, nJ/cycle, uJ/event"
"""Examples of units of an energy, for messages."""

_COUNTED = ("op", "MAC", "cycle", "event", "spike", "access", "inference", "sample")
"""What an energy may be stated for, as in pJ/op. It is a number and does not change the unit."""

_DEFINITIONS = (
    "femto- = 1e-15 = f-",
    "pico- = 1e-12 = p-",
    "nano- = 1e-9 = n-",
    "micro- = 1e-6 = u- = µ- = μ-",
    "milli- = 1e-3 = m-",
    "kilo- = 1e3 = k- = K-",
    "mega- = 1e6 = M-",
    "giga- = 1e9 = G-",
    "kibi- = 1024 = Ki-",
    "mebi- = 1048576 = Mi-",
    "gibi- = 1073741824 = Gi-",
    "joule = [energy] = J",
    "second = [time] = s",
    "watt = joule / second = W",
    "hour = 3600 * second = h",
    "byte = [information] = B",
    "bit = byte / 8",
    *(f"{name} = []" for name in _COUNTED),
)
"""All that pint is told: its own list of units takes 0.25 s to read and knows far more."""

_UNIT = re.compile(r"[A-Za-z\u00b5\u03bc]{1,20}( ?[*/] ?[A-Za-z]{1,20}){0,3}")
"""Products and quotients of names: a power or a number is not a unit of energy."""

LONGEST = 100
"""Most characters of an amount with its unit."""

_AMOUNT = re.compile(r"\s*([+-]?[0-9][0-9_,]*\.?[0-9]*(?:[eE][+-]?[0-9]+)?)\s*(\S.*?)?\s*")
_THOUSANDS = re.compile(r"[0-9]{1,3}(,[0-9]{3})+")
_PREFIXES = ("f", "p", "n", "u", "m", "")


def joules_in(unit: str) -> float:
    """Return how many joules a unit such as "pJ" or "pJ/op" is.

    Raises
    ------
    InputError
        The unit is unknown or not one of energy.
    """
    if isinstance(unit, str) and unit in JOULES:
        return JOULES[unit]
    factor = _factor(unit, "joule") if isinstance(unit, str) else None
    if factor is None:
        raise InputError(f"{shown(unit)} is not a unit of energy; use one such as {UNITS}")
    return factor


def parse_energy(text: str) -> float:
    """Return an energy such as "3 uJ" or "2.5nJ" in joules.

    Raises
    ------
    InputError
        It is not a number that is at least 0 and a unit of energy.
    """
    number, unit = _split(text, "an energy", "3 uJ")
    try:
        return float(number * _exactly(joules_in(unit)))
    except OverflowError:
        raise InputError(f"{shown(text)} is more than a float holds; give less") from None


def parse_bytes(text: str) -> int:
    """Return a size such as "100 KB" in bytes: KB are 1,000 bytes, KiB 1,024.

    Raises
    ------
    InputError
        It is not a number that is at least 0 and a unit of information, or no whole number of
        bytes.
    """
    number, unit = _split(text, "a size", "100 KB")
    factor = _factor(unit, "byte")
    if factor is None:
        raise InputError(
            f"{shown(unit)} is not a unit of size; use one such as B, KB, KiB, MB, MiB"
        )
    size = number * _exactly(factor)
    if size.denominator != 1:
        raise InputError(f"{shown(text)} is {float(size)} bytes; give a whole number of bytes")
    return int(size)


def format_energy(joules: float) -> str:
    """Return an energy with a prefix and three significant digits, such as "8.22 nJ".

    :func:`parse_energy` reads it.
    """
    if joules <= 0:
        return "0 J"
    place = min(max(math.floor(math.log10(joules) / 3), 1 - len(_PREFIXES)), 0)
    scaled = f"{joules / 1000.0**place:.3g}"
    if scaled == "1e+03" and place < 0:  # 999.6 nJ is 1 uJ
        place, scaled = place + 1, "1"
    return f"{scaled} {_PREFIXES[place + len(_PREFIXES) - 1]}J"


def _split(text: str, what: str, example: str) -> tuple[Fraction, str]:
    """Return the number that was written, exactly, and the unit."""
    match = _AMOUNT.fullmatch(text) if isinstance(text, str) and len(text) <= LONGEST else None
    if match is None:
        raise InputError(f"{shown(text)} is not {what}; give a number and a unit, as in {example}")
    digits = match[1]
    # 1,5 would be 1.5 in many languages, and 15 without its comma.
    if "," in digits and not _THOUSANDS.fullmatch(re.split("[.eE]", digits.lstrip("+-"))[0]):
        raise InputError(
            f"{shown(text)} has a comma that separates no thousands; write decimals with a point"
        )
    digits = digits.replace(",", "").replace("_", "")
    if not 0 <= float(digits) < math.inf:
        raise InputError(f"{shown(text)} is not {what}; give a finite number that is at least 0")
    if match[2] is None:
        raise InputError(f"{shown(text)} has no unit; give one, as in {example}")
    # Below the smallest float, an exponent would make a number of as many digits.
    return Fraction(digits) if float(digits) else Fraction(0), match[2]


def _exactly(factor: float) -> Fraction:
    """Return the decimal number that a factor such as 1e-06 stands for."""
    return Fraction(repr(factor))


@lru_cache(256)
def _factor(unit: str, base: str) -> float | None:
    """Return how many of a base unit a unit is; ``None`` if it is not one of these."""
    if not _UNIT.fullmatch(unit):
        return None
    import pint

    try:
        factor = float(_registry().Quantity(1.0, unit).to(base).magnitude)
    except (pint.PintError, SyntaxError, ValueError, TypeError, AttributeError):
        return None
    return factor if 0 < factor < math.inf else None


@cache
def _registry() -> UnitRegistry[Any]:
    import pint

    registry: UnitRegistry[Any] = pint.UnitRegistry(None)
    for definition in _DEFINITIONS:
        registry.define(definition)
    return registry
