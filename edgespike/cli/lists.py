"""Options that hold several values: numbers, height and width, names of classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_NAMES_LIMIT = 2**20
"""Largest file of names of classes, in bytes."""


def numbers_in(option: str, text: str | None, kind: type[int] | type[float]) -> Any:
    """Read numbers separated by commas; how many there must be is checked later."""
    from edgespike.errors import InputError, shown

    if text is None:
        return None
    try:
        return tuple(kind(part) for part in text.split(","))
    except ValueError:
        what = "integers" if kind is int else "numbers"
        raise InputError(f"{option} is {shown(text)}; give {what} separated by commas") from None


def size_in(text: str | None) -> tuple[int, ...] | None:
    """Read ``HxW`` or ``H,W``, or one number for both; the range is checked later."""
    from edgespike.errors import InputError, shown

    if not text:
        return None
    try:
        sides = tuple(map(int, text.lower().replace("x", ",").split(",")))
    except ValueError:
        raise InputError(f"--size is {shown(text)}; give height and width, such as 28x28") from None
    return sides * 2 if len(sides) == 1 else sides


def names_in(text: str | None) -> tuple[str, ...] | None:
    """Read names of classes: a text file's lines, or what commas separate."""
    if text is None:
        return None
    if "," in text or not (Path(text).exists() or text.lower().endswith(".txt")):
        return tuple(part.strip() for part in text.split(","))
    return _lines(Path(text))


def _lines(path: Path) -> tuple[str, ...]:
    """Read a text file's lines, without empty ones at its end."""
    from edgespike.errors import InputError
    from edgespike.storage.files import opened

    with opened(path) as file:
        content = file.read(_NAMES_LIMIT + 1)
    if len(content) > _NAMES_LIMIT:
        raise InputError(
            f"{path} has more than {_NAMES_LIMIT:,} bytes; give a text file with the name of one "
            "class in each line"
        )
    try:
        lines = content.decode("utf-8-sig").rstrip().splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"cannot read {path}: {error}; save it as UTF-8") from None
    return tuple(line.strip() for line in lines)
