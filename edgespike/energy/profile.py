"""Profiles: energy constants with unit, range, source, year and grade, read from TOML files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from enum import Enum
from pathlib import Path
from typing import Any

from edgespike.energy.interval import Interval
from edgespike.energy.models import ENERGY_MODELS, EnergyModel
from edgespike.errors import FileFormatError, ViolationsError, named, shown
from edgespike.storage.toml_files import read_toml, shipped_names

JOULES = {"fJ": 1e-15, "pJ": 1e-12, "nJ": 1e-9}
"""The units that a constant may have, in joules."""

FORMAT = 1
"""The version of profile files that this code reads."""

_FOLDER = "energy/profiles"
_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_YEARS = (1900, 2200)
_NUMBERS = ("value", "low", "high")
_LARGEST = 1e9
_TEXTS = ("source", "note")


class ProfileError(ViolationsError):
    """Entries of a profile are unknown, missing, of the wrong type or out of range."""


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
        One of :data:`JOULES`.
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
        return Interval(self.low, self.value, self.high) * JOULES[self.unit]


@dataclass(frozen=True)
class Profile:
    """The constants of one technology or chip, and the models to use with them.

    A profile without models states that no constants are published: only counts can be reported.
    """

    name: str
    title: str
    note: str
    models: tuple[EnergyModel, ...]
    constants: Mapping[str, Constant]


def shipped_profiles() -> list[str]:
    """Return the names of the profiles shipped with edgespike."""
    return shipped_names(_FOLDER)


def load_profile(name_or_path: str | Path) -> Profile:
    """Load a shipped profile by name, or any profile by the path of its TOML file.

    Raises
    ------
    InputError
        There is no such profile, or its file cannot be read.
    FileFormatError
        The file is not TOML or has another version.
    ProfileError
        Entries are unknown, missing, of the wrong type or out of range; all are listed.
    """
    where = f"energy profile {name_or_path}"
    table = read_toml("energy profile", str(name_or_path), _FOLDER)
    if "format" not in table:
        raise FileFormatError(f"{where} must begin with 'format = {FORMAT}'")
    version = table.pop("format")
    if type(version) is not int or version != FORMAT:
        raise FileFormatError(
            f"{where} has format {shown(version)}; only format {FORMAT} is supported: rewrite the "
            "file in that format"
        )
    violations = list(_check_profile(table))
    if violations:
        raise ProfileError(f"{where} is not valid", violations)
    return Profile(
        table["name"],
        table["title"],
        table["note"],
        tuple(ENERGY_MODELS[name] for name in table["models"]),
        {name: _constant(name, row) for name, row in table.get("constants", {}).items()},
    )


def _constant(name: str, row: Mapping[str, Any]) -> Constant:
    return Constant(name, **{**row, "grade": Grade(row["grade"])})


def _check_profile(table: Mapping[str, Any]) -> Iterator[str]:
    texts = ("name", "title", "note")
    yield from _check_keys("profile", table, (*texts, "models"), ("constants",))
    yield from _check_texts("profile", table, texts)
    if not _NAME.fullmatch(str(table.get("name", "-"))):
        yield f"name is {shown(table['name'])}; it may contain letters, digits, '_', '-', '.' only"
    models, constants = table.get("models", []), table.get("constants", {})
    if not isinstance(models, list) or not all(isinstance(name, str) for name in models):
        yield "models must be a list of names"
        return
    if not isinstance(constants, dict):
        yield "constants must be a table of tables"
        return
    for name in sorted({name for name in models if models.count(name) > 1}):
        yield f"model {shown(name)} is listed {models.count(name)} times; list it once"
    for name in models:
        if name not in ENERGY_MODELS:
            yield f"model {shown(name)} is unknown; choose from {', '.join(ENERGY_MODELS)}"
    yield from _check_needs([name for name in models if name in ENERGY_MODELS], set(constants))
    for name, row in constants.items():
        yield from _check_constant(f"constant {named(name)}", row)


def _check_needs(models: list[str], given: set[str]) -> Iterator[str]:
    needed: set[str] = set()
    for name in models:
        needs = ENERGY_MODELS[name].constant_names()
        needed |= needs
        for missing in sorted(needs - given):
            yield f"constant {missing} is missing; model {name} needs it"
    for unused in sorted(given - needed):
        yield (
            f"constant {named(unused)} is not used by any of the profile's models; remove it or "
            "add a model that uses it"
        )


def _check_constant(where: str, row: Any) -> Iterator[str]:
    if not isinstance(row, dict):
        yield f"{where} must be a table"
        return
    names = tuple(field.name for field in fields(Constant) if field.name not in ("name", "link"))
    yield from _check_keys(where, row, names, ("link",))
    link = row.get("link", "https://")
    if not (isinstance(link, str) and link.isprintable() and link.startswith("https://")):
        yield f"{where}: link is {shown(link)}; give an address that begins with https://"
    yield from _check_texts(where, row, _TEXTS)
    yield from _check_numbers(where, row)
    if "unit" in row and row["unit"] not in list(JOULES):
        yield f"{where}: unit is {shown(row['unit'])}; choose from {', '.join(JOULES)}"
    if "grade" in row and row["grade"] not in [grade.value for grade in Grade]:
        known = ", ".join(grade.value for grade in Grade)
        yield f"{where}: grade is {shown(row['grade'])}; choose from {known}"
    year = row.get("year", _YEARS[0])
    if type(year) is not int or not _YEARS[0] <= year <= _YEARS[1]:
        yield f"{where}: year is {shown(year)}; give an integer in {_YEARS[0]}..{_YEARS[1]}"


def _check_numbers(where: str, row: Mapping[str, Any]) -> Iterator[str]:
    bad = [name for name in _NUMBERS if name in row and not _is_energy(row[name])]
    for name in bad:
        yield f"{where}: {name} is {shown(row[name])}; give a number in 0..{_LARGEST:g}"
    if not bad and all(name in row for name in _NUMBERS):
        low, value, high = row["low"], row["value"], row["high"]
        if not low <= value <= high:
            yield f"{where}: low {low}, value {value}, high {high} must be in ascending order"


def _is_energy(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= _LARGEST


def _check_keys(
    where: str, table: Mapping[str, Any], needed: tuple[str, ...], optional: tuple[str, ...]
) -> Iterator[str]:
    for name in needed:
        if name not in table:
            yield f"{where}: entry {name} is missing"
    for name in table:
        if name not in needed + optional:
            yield (
                f"{where}: entry {shown(name)} is unknown; the entries are "
                f"{', '.join(needed + optional)}"
            )


def _check_texts(where: str, table: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        value = table.get(name, "-")
        # Control characters could change what a terminal shows.
        if not (isinstance(value, str) and value.strip() and value.isprintable()):
            yield f"{where}: {name} is {shown(value)}; give one line of text"
