"""The table of results: a line of JSON for each finished point, on disk before the next is begun.

``pandas.read_json(path, lines=True)`` reads it. A kill or a full disk loses no line, and leaves no
half of one: a line that was being written is removed by whoever adds the next.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgespike.errors import FileFormatError, InputError, named, shown
from edgespike.storage.lines import append_line, whole_lines

NAME = "results.jsonl"

Row = Mapping[str, Any]

_AGAIN = "and run the sweep again with --resume"


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a table, one for each point; none if there is no file.

    Raises
    ------
    InputError
        The file cannot be read.
    FileFormatError
        A line is not a row of results, or a point is there twice.
    """
    rows: dict[str, Row] = {}
    for number, line in enumerate(whole_lines(path), 1):
        row = _row(path, number, line)
        if row["point"] in rows:
            raise FileFormatError(
                f"{path}, line {number}: point {shown(row['point'])} is there twice; remove one of "
                "the two lines"
            )
        rows[row["point"]] = row
    return list(rows.values())


def _row(path: Path, number: int, line: bytes) -> Row:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(
            f"{path}, line {number} is not JSON: {error}; remove the line, {_AGAIN}"
        ) from None
    if not isinstance(row, dict) or not isinstance(row.get("point"), str):
        raise FileFormatError(
            f"{path}, line {number} is no row of results: it names no point; remove the line, "
            f"{_AGAIN}"
        )
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise FileFormatError(
            f"{path}, line {number} holds half a character, {shown(error.object[error.start])}; "
            f"remove the line, {_AGAIN}"
        ) from None
    for name, value in row.items():
        if isinstance(value, dict | list):
            raise FileFormatError(
                f"{path}, line {number} is no row of results: {named(name)} is {shown(value)}, not "
                f"one value; remove the line, {_AGAIN}"
            )
    return row


def check_figures(path: Path, row: Row) -> None:
    """Refuse a row without the figures that a sweep states of a point.

    Raises
    ------
    FileFormatError
        A figure is missing or of another type.
    """
    for name, kind, what in _STATED:
        if not isinstance(row.get(name), kind):
            raise FileFormatError(
                f"{path}: {name} of point {shown(row['point'])} is {shown(row.get(name))}, not "
                f"{what}; remove its line, and the point is done again"
            )


_STATED: tuple[tuple[str, Any, str], ...] = (
    ("verified", bool, "true or false"),
    ("accuracy", int | float, "a number"),
    ("synaptic_operations", int | float, "a number"),
    ("multiply_accumulates", int | float, "a number"),
    ("energy_j", int | float | None, "a number or null"),
)


def append_row(path: Path, row: Row) -> None:
    """Add a row, and wait until it is on disk.

    Raises
    ------
    WriteError
        The disk is full, or the file cannot be written; the table is then as it was.
    """
    append_line(path, json.dumps(row).encode())


def table_path(path: Path) -> Path:
    """Return the table of a sweep's folder, or the path itself if it is a file.

    Raises
    ------
    InputError
        There is no table.
    """
    table = path / NAME if path.is_dir() else path
    if not table.is_file():
        raise InputError(
            f"there are no results at {table}; give the folder of a sweep, or its {NAME}"
        )
    return table
