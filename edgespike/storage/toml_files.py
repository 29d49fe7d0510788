"""Reading TOML: a file that comes with edgespike by its name, anybody's by its path."""

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

FILE_LIMIT = 2**16
"""Most bytes of a file; those that people write have some thousand."""

LINE_LIMIT = 2**10
"""Most characters of a line: reading tables in tables, a.b.c, takes the square of their number."""

DEPTH_LIMIT = 16
"""Most tables and arrays that stand in each other."""

_WHOLE_LIMIT = 2**127


def shipped_names(folder: str) -> list[str]:
    """Return the names of the TOML files of a folder of this package, without their ending."""
    files = (resources.files("edgespike") / folder).iterdir()
    return sorted(Path(file.name).stem for file in files if file.name.endswith(".toml"))


def read_toml(what: str, name: str, folder: str) -> dict[str, Any]:
    """Read a table.

    Parameters
    ----------
    what
        What the file holds, as messages call it ("recipe").
    name
        Of a file in ``folder``, or the path of any other.
    folder
        Where this package keeps its own.

    Raises
    ------
    InputError
        There is no such file, or it cannot be read.
    FileFormatError
        It is too large, has too long a line, or is no TOML.
    """
    if name in shipped_names(folder):
        content = (resources.files("edgespike") / folder / f"{name}.toml").read_bytes()
    else:
        content = _read(what, name, folder)
    if len(content) > FILE_LIMIT:
        raise FileFormatError(
            f"{what} {name} has more than {FILE_LIMIT} bytes, which is the limit; leave out what "
            "it does not need"
        )
    try:
        text = content.decode("utf-8-sig")  # some editors put a mark in front
        _check_lines(text)
        table = tomllib.loads(text)
        _check_values(table)
        return table
    except RecursionError:
        reason = "its arrays or tables are nested too deeply"
    except ValueError as error:  # of letters, of TOML, and of numbers of thousands of digits
        reason = str(error)
    raise FileFormatError(f"{what} {name} is not valid TOML: {reason}")


def _read(what: str, name: str, folder: str) -> bytes:
    try:
        with opened(Path(name)) as file:
            return file.read(FILE_LIMIT + 1)
    except InputError as error:
        raise InputError(
            f"{what} {name}: {error}; name a TOML file or one of those that come with edgespike: "
            f"{', '.join(shipped_names(folder))}"
        ) from None


def _check_lines(text: str) -> None:
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > LINE_LIMIT:
            raise ValueError(
                f"line {number} has {len(line)} characters, and at most {LINE_LIMIT} are read"
            )


def _check_values(table: dict[str, Any]) -> None:
    left: list[tuple[Any, int]] = [(table, 1)]
    while left:
        value, depth = left.pop()
        if depth > DEPTH_LIMIT:
            raise ValueError(f"tables and arrays stand in each other more than {DEPTH_LIMIT} deep")
        if isinstance(value, int) and not -_WHOLE_LIMIT <= value < _WHOLE_LIMIT:
            raise ValueError("a whole number has more than 128 bits")
        if isinstance(value, dict | list):
            parts = value.values() if isinstance(value, dict) else value
            left += [(part, depth + 1) for part in parts]
