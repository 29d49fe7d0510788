"""Checks that descriptions of nets make of their fields, one sentence for each fault."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from edgespike.errors import shown
from edgespike.nn.layers.quantise import is_whole


def refuse(faults: Iterable[str]) -> None:
    """Raise ValueError that lists all faults, if there are any."""
    if found := list(faults):
        raise ValueError("; ".join(found))


def outside(spec: object, low: int, high: int, *names: str) -> Iterator[str]:
    """Yield a fault for each field that is not a whole number in a range."""
    for name in names:
        value = getattr(spec, name)
        if not is_whole(value, low, high):
            yield f"{name} is {shown(value)}; it must be a whole number from {low} to {high}"


_UNLESS_GIVEN = {"signed": False, "bump": "asymmetric"}
"""Entries of a net that older files lack, and their defaults."""


def without_absent(table: dict[str, Any]) -> dict[str, Any]:
    """Return a net's table without entries that have their defaults and that older files lack."""
    return {
        name: value
        for name, value in table.items()
        if name not in _UNLESS_GIVEN or value != _UNLESS_GIVEN[name]
    }


def unknown(spec: object, words: tuple[str, ...], name: str) -> Iterator[str]:
    """Yield a fault if a field is not one of the given words."""
    value = getattr(spec, name)
    if value not in words:
        yield f"{name} is {shown(value)}; it must be one of {', '.join(words)}"
