"""Read TOML files: those shipped with edgespike by name, any other by path."""

from __future__ import annotations

import sys
from importlib import resources
from pathlib import Path
from typing import Any

from edgespike.errors import FileFormatError, InputError
from edgespike.storage.files import opened

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SIZE_LIMIT = 2**16
"""Most bytes of a file; files written by people have a few thousand."""

LINE_LIMIT = 2**10
"""Most characters of a line: parsing nested keys, a.b.c, takes time quadratic in their number."""

DEPTH_LIMIT = 16
"""Deepest nesting of tables and arrays."""

_INTEGER_LIMIT = 2**127


def shipped_names(folder: str) -> list[str]:
    """Return the names of the TOML files in a folder of this package, without their suffix."""
    files = (resources.files("edgespike") / folder).iterdir()
    return sorted(Path(file.name).stem for file in files if file.name.endswith(".toml"))


def read_toml(what: str, name: str, folder: str) -> dict[str, Any]:
    """Read a TOML file into a table.

    Parameters
    ----------
    what
        What the file holds, for error messages ("recipe").
    name
        Name of a file in ``folder``, or the path of any other file.
    folder
        Folder of this package that holds the shipped files.

    Raises
    ------
    InputError
        The file is missing or cannot be read.
    FileFormatError
        It is too large, has too long a line, is nested too deeply, or is not TOML.
    """
    if name in shipped_names(folder):
        content = (resources.files("edgespike") / folder / f"{name}.toml").read_bytes()
    else:
        content = _read(what, name, folder)
    return _parsed(what, name, content)


def read_own_toml(what: str, path: Path) -> dict[str, Any]:
    """Read a TOML file of a kind that edgespike ships none of; errors as for :func:`read_toml`."""
    with opened(path) as file:
        return _parsed(what, str(path), file.read(SIZE_LIMIT + 1))


def _parsed(what: str, name: str, content: bytes) -> dict[str, Any]:
    if len(content) > SIZE_LIMIT:
        raise FileFormatError(
            f"{what} {name} has more than {SIZE_LIMIT} bytes, the limit; remove what it does not "
            "need"
        )
    try:
        text = content.decode("utf-8-sig")  # some editors write a byte order mark first
        _check_lines(text)
        table = tomllib.loads(text)
        _check_values(table)
        return table
    except RecursionError:
        reason = "its arrays or tables are nested too deeply"
    except ValueError as error:  # not UTF-8, not TOML, or a number of thousands of digits
        reason = str(error)
    raise FileFormatError(f"{what} {name} is not valid TOML: {reason}")


def _read(what: str, name: str, folder: str) -> bytes:
    try:
        with opened(Path(name)) as file:
            return file.read(SIZE_LIMIT + 1)
    except InputError as error:
        raise InputError(
            f"{what} {name}: {error}; name a TOML file or one of those that come with edgespike: "
            f"{', '.join(shipped_names(folder))}"
        ) from None


def _check_lines(text: str) -> None:
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > LINE_LIMIT:
            raise ValueError(f"line {number} has {len(line)} characters; the limit is {LINE_LIMIT}")


def _check_values(table: dict[str, Any]) -> None:
    left: list[tuple[Any, int]] = [(table, 1)]
    while left:
        value, depth = left.pop()
        if depth > DEPTH_LIMIT:
            raise ValueError(f"tables and arrays are nested more than {DEPTH_LIMIT} deep")
        if isinstance(value, int) and not -_INTEGER_LIMIT <= value < _INTEGER_LIMIT:
            raise ValueError("an integer has more than 128 bits")
        if isinstance(value, dict | list):
            parts = value.values() if isinstance(value, dict) else value
            left += [(part, depth + 1) for part in parts]
