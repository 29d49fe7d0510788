"""Profiles: energy constants with unit, range, source, year and grade, read from TOML files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgespike.energy.board import Board, check_board, read_board
from edgespike.energy.constant import (
    Constant,
    Grade,
    check_constant,
    check_keys,
    check_texts,
    read_constant,
)
from edgespike.energy.model import EnergyModel
from edgespike.energy.models import ENERGY_MODELS
from edgespike.energy.own_models import check_model, read_model
from edgespike.errors import EdgespikeError, FileFormatError, ViolationsError, named, shown
from edgespike.storage.toml_files import read_toml, shipped_names

__all__ = [
    "ALL",
    "Constant",
    "Grade",
    "Profile",
    "ProfileError",
    "default_profiles",
    "load_profile",
    "load_profiles",
    "shipped_profiles",
]

FORMAT = 1
"""The version of profile files that this code reads."""

ALL = "all"
"""Stands for all shipped profiles wherever names of profiles are taken."""

_DEFAULT = ("45nm", "loihi", "loihi2")
_FOLDER = "energy/profiles"
_NAME = re.compile(r"[A-Za-z0-9_.-]+")


class ProfileError(ViolationsError):
    """Entries of a profile are unknown, missing, of the wrong type or out of range."""


@dataclass(frozen=True)
class Profile:
    """The constants of one technology or chip, and the models to use with them.

    A profile without models states that no constants are published: only counts can be reported.

    Parameters
    ----------
    name, title, note
        What it is called, whose constants it holds, and what is worth knowing of all of them.
    models
        The models to use with it.
    constants
        By name; those that follow from a board are among them.
    board
        The microcontroller that the constants are of; ``None`` if they are of none.
    """

    name: str
    title: str
    note: str
    models: tuple[EnergyModel, ...]
    constants: Mapping[str, Constant]
    board: Board | None = None


def shipped_profiles() -> list[str]:
    """Return the names of the profiles shipped with edgespike."""
    return shipped_names(_FOLDER)


def default_profiles() -> list[str]:
    """Return the names of the shipped profiles that a report has unless others are asked for.

    The others know one figure of a chip, or one task that was measured on it.
    """
    return list(_DEFAULT)


def load_profiles(
    names: Sequence[str | Path | Profile] | None = None,
) -> tuple[Profile, ...]:
    """Load several profiles.

    Parameters
    ----------
    names
        Names of shipped profiles, "all" for all of them, paths of profile files, or loaded
        profiles; ``None`` for :func:`default_profiles`. One that is named twice is loaded once.

    Raises
    ------
    InputError, FileFormatError, ProfileError
        As for :func:`load_profile`, if one profile is at fault. If several are, or different
        profiles have the same name, a ``ProfileError`` lists everything.
    """
    asked: list[str | Path | Profile] = []
    for name in default_profiles() if names is None else names:
        asked += shipped_profiles() if name == ALL else [name]
    loaded: list[Profile] = []
    errors: list[EdgespikeError] = []
    for name in asked:
        try:
            loaded.append(name if isinstance(name, Profile) else load_profile(name))
        except EdgespikeError as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    faults = [line for error in errors for line in _lines(error)]
    faults += _same_names(loaded)
    if faults:
        raise ProfileError("energy profiles cannot be used", faults)
    return tuple({profile.name: profile for profile in loaded}.values())


def _lines(error: EdgespikeError) -> list[str]:
    if isinstance(error, ViolationsError):
        return [f"{error.what}: {line}" for line in error.violations]
    return [str(error)]


def _same_names(loaded: Sequence[Profile]) -> Iterator[str]:
    first: dict[str, Profile] = {}
    for profile in loaded:
        if first.setdefault(profile.name, profile) != profile:
            yield (
                f"two different profiles are named {profile.name}; give one of them another name"
            )


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
    constants = {name: read_constant(name, row) for name, row in table.get("constants", {}).items()}
    board = read_board(table["board"]) if "board" in table else None
    if board is not None:
        constants["instruction"] = board.instruction
    models = tuple(_models(table).values())
    return Profile(table["name"], table["title"], table["note"], models, constants, board)


def _models(table: Mapping[str, Any]) -> dict[str, EnergyModel]:
    """Return the shipped models that a profile lists, then those that it defines."""
    models = table.get("models", [])
    listed = table.get("shipped_models", []) if isinstance(models, dict) else models
    own = models if isinstance(models, dict) else {}
    found = {name: ENERGY_MODELS[name] for name in listed if name in ENERGY_MODELS}
    return {**found, **{name: read_model(name, row) for name, row in own.items()}}


def _check_profile(table: Mapping[str, Any]) -> Iterator[str]:
    texts = ("name", "title", "note")
    yield from check_keys(
        "profile", table, (*texts, "models"), ("constants", "shipped_models", "board")
    )
    yield from check_texts("profile", table, texts)
    if not _NAME.fullmatch(str(table.get("name", "-"))):
        yield f"name is {shown(table['name'])}; it may contain letters, digits, '_', '-', '.' only"
    constants = table.get("constants", {})
    faults = list(_check_models(table))
    yield from faults
    if not isinstance(constants, dict):
        yield "constants must be a table of tables"
        return
    given = set(constants)
    if "board" in table:
        yield from check_board(table["board"])
        if "instruction" in given:
            yield "constant instruction follows from the board; remove one of them"
        given.add("instruction")
    if not faults:
        yield from _check_needs(_models(table), given)
    for name, row in constants.items():
        yield from check_constant(f"constant {named(name)}", row)


def _check_models(table: Mapping[str, Any]) -> Iterator[str]:
    models, listed = table.get("models", []), table.get("shipped_models", [])
    if isinstance(models, list):
        if "shipped_models" in table:
            yield "shipped_models is for profiles with models of their own; list them in models"
        listed = models
    elif isinstance(models, dict):
        for name, row in models.items():
            yield from _check_own(name, row)
    else:
        yield "models must be a list of names of shipped models, or a table of models"
        return
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        yield "models must be a list of names"
        return
    for name in sorted({name for name in listed if listed.count(name) > 1}):
        yield f"model {shown(name)} is listed {listed.count(name)} times; list it once"
    for name in listed:
        if name not in ENERGY_MODELS:
            yield f"model {shown(name)} is unknown; choose from {', '.join(ENERGY_MODELS)}"


def _check_own(name: str, row: Any) -> Iterator[str]:
    if name in ENERGY_MODELS:
        yield f"model {name} is a shipped model; give yours another name"
    elif not _NAME.fullmatch(name):
        yield f"model {shown(name)}: a name may contain letters, digits, '_', '-', '.' only"
    yield from check_model(name, row)


def _check_needs(models: Mapping[str, EnergyModel], given: set[str]) -> Iterator[str]:
    needed: set[str] = set()
    for name, model in models.items():
        needs = model.constant_names()
        needed |= needs
        for missing in sorted(needs - given):
            yield f"constant {missing} is missing; model {name} needs it"
    for unused in sorted(given - needed):
        yield (
            f"constant {named(unused)} is not used by any of the profile's models; remove it or "
            "add a model that uses it"
        )
