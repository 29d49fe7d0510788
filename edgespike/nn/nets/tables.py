"""Read frozen dataclasses from plain tables (JSON, TOML), and list all faults at once."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from types import UnionType
from typing import Any, TypeVar, get_origin, get_type_hints

from edgespike.errors import named, shown

T = TypeVar("T")


def read_table(kind: type[T], table: object, where: str, faults: list[str]) -> T | None:
    """Build a dataclass whose fields are integers, numbers, switches or text from a table.

    Parameters
    ----------
    kind
        A dataclass. Its ``__post_init__`` may raise ValueError. A field such as ``lambda_``, whose
        name would be a keyword, has the entry ``lambda``.
    table
        What was read; anything but a mapping is a fault.
    where
        Name of the table in faults.
    faults
        One line is appended for each unknown, missing or wrongly typed entry.

    Returns
    -------
    T or None
        None if there was a fault.
    """
    if not isinstance(table, Mapping):
        faults.append(f"{where} is {shown(table)}, expected a table")
        return None
    known = {entry_name(field.name): field for field in fields(kind)}  # type: ignore[arg-type]
    hints = {entry_name(name): hint for name, hint in get_type_hints(kind).items()}
    found = [
        f"{where}.{named(name)} is not known; known are {', '.join(known)}"
        for name in table
        if name not in known
    ]
    found += [f"{where}.{name} is missing" for name in known if _needed(known[name], table)]
    for name in known.keys() & table.keys():
        if not _fits(table[name], hints[name]):
            kind_name = getattr(hints[name], "__name__", str(hints[name]))
            found.append(f"{where}.{name} is {shown(table[name])}, expected {kind_name}")
    faults.extend(found)
    if found:
        return None
    try:
        return kind(**{known[name].name: value for name, value in table.items()})
    except ValueError as error:
        faults.append(f"{where}: {error}")
        return None


def entry_name(field: str) -> str:
    """Return the name of a field's entry in a table."""
    return field.removesuffix("_")


def _needed(field: Field[Any], table: Mapping[str, object]) -> bool:
    optional = field.default is not MISSING or field.default_factory is not MISSING
    return not optional and entry_name(field.name) not in table


def _fits(value: object, hint: Any) -> bool:
    if hint is float:
        if isinstance(value, int) and not isinstance(value, bool):
            return abs(value) <= sys.float_info.max
        return isinstance(value, float)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    # The elements of a tuple, and which words are allowed, are for __post_init__ to check.
    expected = hint if isinstance(hint, UnionType) else get_origin(hint) or hint
    return not isinstance(expected, type | UnionType) or isinstance(value, expected)
