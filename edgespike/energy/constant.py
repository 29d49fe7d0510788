"""A constant of a profile: an energy with its range, its source and how it was obtained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any

from edgespike.energy.interval import Interval
from edgespike.energy.units import UNITS, joules_in
from edgespike.errors import InputError, shown

YEARS = (1900, 2200)
LARGEST = 1e9
_NUMBERS = ("value", "low", "high")
_TEXTS = ("source", "note")


class Grade(str, Enum):
    """How a constant was obtained, best first."""

    MEASURED = "measured"
    """On silicon."""

    SIMULATED = "simulated"
    """By circuit simulation."""

    FITTED = "fitted"
    """Chosen so that a model agrees with a measurement of something larger."""

    INHERITED = "inherited"
    """Taken or derived from a publication that does not say how the figure was obtained."""

    SECONDARY = "secondary"
    """Taken from another publication's table; the original was not read."""

    @property
    def rank(self) -> int:
        """Position in the order from best, 0, to worst."""
        return list(Grade).index(self)


@dataclass(frozen=True)
class Constant:
    """The energy of one operation or access.

    Parameters
    ----------
    name
        The name that models use.
    value, low, high
        Typical value and range, in ``unit``.
    unit
        A unit of energy such as pJ, or of energy for each of something, such as nJ/cycle; see
        :func:`edgespike.energy.units.joules_in`.
    source
        Author, title, place of publication, table or figure.
    year
        Year of publication.
    grade
        How the figure was obtained.
    note
        How the range was set, and anything else worth knowing.
    link
        Address of the source, https://; empty if it has none.
    """

    name: str
    value: float
    low: float
    high: float
    unit: str
    source: str
    year: int
    grade: Grade
    note: str
    link: str = ""

    @property
    def energy(self) -> Interval:
        """The constant in joules."""
        return Interval(self.low, self.value, self.high) * joules_in(self.unit)


def read_constant(name: str, row: Mapping[str, Any]) -> Constant:
    """Return the constant of a table without faults."""
    return Constant(name, **{**row, "grade": Grade(row["grade"])})


def check_constant(where: str, row: Any) -> Iterator[str]:
    """Yield one sentence for each fault of a constant's table."""
    if not isinstance(row, dict):
        yield f"{where} must be a table"
        return
    names = tuple(field.name for field in fields(Constant) if field.name not in ("name", "link"))
    yield from check_keys(where, row, names, ("link",))
    yield from check_link(where, row)
    yield from check_texts(where, row, _TEXTS)
    yield from _check_numbers(where, row)
    if "unit" in row:
        try:
            joules_in(row["unit"])
        except InputError:
            yield f"{where}: unit is {shown(row['unit'])}; give one of energy, such as {UNITS}"
    if "grade" in row and row["grade"] not in [grade.value for grade in Grade]:
        known = ", ".join(grade.value for grade in Grade)
        yield f"{where}: grade is {shown(row['grade'])}; choose from {known}"
    year = row.get("year", YEARS[0])
    if type(year) is not int or not YEARS[0] <= year <= YEARS[1]:
        yield f"{where}: year is {shown(year)}; give an integer in {YEARS[0]}..{YEARS[1]}"


def _check_numbers(where: str, row: Mapping[str, Any]) -> Iterator[str]:
    bad = [name for name in _NUMBERS if name in row and not _is_energy(row[name])]
    for name in bad:
        yield f"{where}: {name} is {shown(row[name])}; give a number in 0..{LARGEST:g}"
    if not bad and all(name in row for name in _NUMBERS):
        low, value, high = row["low"], row["value"], row["high"]
        if not low <= value <= high:
            yield f"{where}: low {low}, value {value}, high {high} must be in ascending order"


def _is_energy(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= LARGEST


def check_keys(
    where: str, table: Mapping[str, Any], needed: tuple[str, ...], optional: tuple[str, ...]
) -> Iterator[str]:
    """Yield which entries of a table are missing or unknown."""
    for name in needed:
        if name not in table:
            yield f"{where}: entry {name} is missing"
    for name in table:
        if name not in needed + optional:
            yield (
                f"{where}: entry {shown(name)} is unknown; the entries are "
                f"{', '.join(needed + optional)}"
            )


def check_texts(where: str, table: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[str]:
    """Yield which entries of a table are not one line of text; a missing one is not a fault."""
    for name in names:
        value = table.get(name, "-")
        # Control characters could change what a terminal shows.
        if not (isinstance(value, str) and value.strip() and value.isprintable()):
            yield f"{where}: {name} is {shown(value)}; give one line of text"


def check_link(where: str, table: Mapping[str, Any]) -> Iterator[str]:
    """Yield why a table's link is not an address; a missing one is not a fault."""
    link = table.get("link", "https://")
    if not (isinstance(link, str) and link.isprintable() and link.startswith("https://")):
        yield f"{where}: link is {shown(link)}; give an address that begins with https://"
