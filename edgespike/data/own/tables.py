"""Read CSV files of numbers, with columns of names, fast and without guessing."""

from __future__ import annotations

import csv
import io
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgespike.data.own.faults import examples, refuse
from edgespike.errors import InputError, named, shown
from edgespike.storage.files import opened

VALUES_LIMIT = 2**28
"""Most numbers of a table: 2 GB as float64."""

COLUMNS_LIMIT = 100_000
FAULTS = 10
"""How many bad cells are listed."""

_ROWS = 2**10
"""How many rows are converted at once; with more, their cells leave the processor's cache."""

_DELIMITERS = ",;\t"
_LINE_LIMIT = 2**24


@dataclass(frozen=True)
class Column:
    """A column of names.

    Parameters
    ----------
    names
        Different texts, in the order in which they appear.
    places
        int64, ``(rows,)``: the place of each row's text in ``names``.
    """

    names: tuple[str, ...]
    places: NDArray[np.int64]


@dataclass(frozen=True)
class Table:
    """A CSV file.

    Parameters
    ----------
    features
        Names of the columns of numbers.
    values
        float64, ``(rows, features)``; all are finite.
    named
        The columns of names that the file has.
    """

    features: tuple[str, ...]
    values: NDArray[np.float64]
    named: Mapping[str, Column]


def read_header(path: Path) -> tuple[str, ...]:
    """Return the names of the columns.

    Raises
    ------
    InputError
        As for `read_table`.
    """
    with _rows(path) as (header, _):
        return header


def read_table(path: Path, names: Iterable[str], required: Iterable[str] = ()) -> Table:
    """Read a CSV file with a header; columns are separated by commas, semicolons or tabs.

    Parameters
    ----------
    path
        The file, UTF-8.
    names
        Columns that hold names, if the file has them; all others hold numbers.
    required
        Columns without which the file is of no use.

    Raises
    ------
    DataError
        The header or cells are not valid: the first `FAULTS` are listed with line and column.
    InputError
        The file cannot be read, is not text, or has too many numbers.
    """
    with _rows(path) as (header, reader):
        refuse(path, _header_faults(header, required))
        texts = [place for place, name in enumerate(header) if name in set(names)]
        numbers = [place for place in range(len(header)) if place not in texts]
        if not numbers:
            refuse(path, [f"it has no columns of numbers, only {examples(header)}"])
        try:
            values, codes = _read_columns(path, reader, len(header), numbers, texts)
        except _BadCellError:
            refuse(path, _cell_faults(path, numbers, texts))
            raise InputError(f"{path} was changed while it was read; run again") from None
    if not len(values):
        refuse(path, ["it has a header and no rows"])
    return Table(
        tuple(header[place] for place in numbers),
        values,
        {header[place]: column for place, column in zip(texts, codes, strict=True)},
    )


class _BadCellError(Exception):
    """Something in a chunk of rows is wrong; `_cell_faults` finds out what."""


@contextmanager
def _rows(path: Path) -> Iterator[tuple[tuple[str, ...], Iterator[list[str]]]]:
    """Open a file, and yield its header and a reader at the first row."""
    with opened(path) as binary, io.TextIOWrapper(binary, "utf-8-sig", newline="") as file:
        try:
            first = file.readline(_LINE_LIMIT)
            if not first.strip():
                raise InputError(f"{path} is empty or begins with an empty line; give a header")
            delimiter = max(_DELIMITERS, key=first.count)
            file.seek(0)
            reader = csv.reader(file, delimiter=delimiter, skipinitialspace=True)
            yield tuple(name.strip() for name in next(reader)), reader
        except UnicodeDecodeError:
            raise InputError(f"{path} is not UTF-8 text; save it as CSV in UTF-8") from None
        except csv.Error as error:
            raise InputError(f"{path} is not a CSV file: {error}") from None


def _header_faults(header: tuple[str, ...], required: Iterable[str]) -> Iterator[str]:
    if len(header) > COLUMNS_LIMIT:
        yield f"it has {len(header):,} columns, the limit is {COLUMNS_LIMIT:,}"
        return
    if all(map(_is_number, header)):
        yield (
            f"its first line holds numbers ({examples(header)}); begin with a line of names of "
            "the columns"
        )
        return
    if "" in header:
        places = [place + 1 for place, name in enumerate(header) if not name]
        yield f"columns without a name in the first line: {examples(places)}"
    seen = set[str]()
    twice = {name for name in header if name in seen or seen.add(name)}  # type: ignore[func-returns-value]
    if twice - {""}:
        yield f"columns that are there twice: {examples(sorted(twice - {''}))}"
    missing = [name for name in required if name not in header]
    if missing:
        yield f"no column {examples(missing)}; it has {examples(header)}"


def _read_columns(
    path: Path,
    reader: Iterator[list[str]],
    width: int,
    numbers: Sequence[int],
    texts: Sequence[int],
) -> tuple[NDArray[np.float64], list[Column]]:
    tables: list[dict[str, int]] = [{} for _ in texts]
    codes: list[list[NDArray[np.int64]]] = [[] for _ in texts]
    chunks: list[NDArray[np.float64]] = []
    total, few = 0, max(1, min(_ROWS, 2**20 // width))
    while rows := list(itertools.islice(reader, few)):
        rows = list(filter(None, rows))  # empty lines
        if set(map(len, rows)) - {width}:
            raise _BadCellError
        if not rows:
            continue
        total += len(rows) * len(numbers)
        if total > VALUES_LIMIT:
            raise InputError(
                f"{path} has more than {VALUES_LIMIT:,} numbers; use fewer rows, or arrays of numpy"
            )
        columns = list(zip(*rows, strict=True))
        chunks.append(_as_numbers(columns, numbers))
        for table, parts, place in zip(tables, codes, texts, strict=True):
            parts.append(_as_codes(columns[place], table))
    values = np.concatenate(chunks) if chunks else np.zeros((0, len(numbers)))
    return values, [_merged(table, parts) for table, parts in zip(tables, codes, strict=True)]


def _as_numbers(columns: Sequence[tuple[str, ...]], numbers: Sequence[int]) -> NDArray[np.float64]:
    out = np.empty((len(columns[0]), len(numbers)))
    try:
        for feature, place in enumerate(numbers):
            out[:, feature] = np.fromiter(map(float, columns[place]), np.float64, len(out))
    except ValueError:
        raise _BadCellError from None
    underscores = any("_" in "".join(columns[place]) for place in numbers)  # float("1_0") is 10
    if underscores or not np.isfinite(out).all():
        raise _BadCellError
    return out


def _as_codes(cells: tuple[str, ...], table: dict[str, int]) -> NDArray[np.int64]:
    new = set(cells) - table.keys()
    if new:
        if not all(map(_is_name, new)):
            raise _BadCellError
        for cell in filter(new.__contains__, cells):
            table.setdefault(cell, len(table))
    return np.fromiter(map(table.__getitem__, cells), np.int64, len(cells))


def _merged(table: Mapping[str, int], parts: list[NDArray[np.int64]]) -> Column:
    """Return a column whose names have no spaces around them."""
    stripped: dict[str, int] = {}
    places = [stripped.setdefault(name.strip(), len(stripped)) for name in table]
    codes = np.concatenate(parts) if parts else np.zeros(0, np.int64)
    return Column(tuple(stripped), np.array(places, np.int64)[codes])


def _cell_faults(path: Path, numbers: Sequence[int], texts: Sequence[int]) -> Iterator[str]:
    """Yield the first faults of a file, cell by cell."""
    return itertools.islice(_all_cell_faults(path, set(numbers), set(texts)), FAULTS)


def _all_cell_faults(path: Path, numbers: set[int], texts: set[int]) -> Iterator[str]:
    with _rows(path) as (header, reader):
        for number, row in enumerate(reader):
            line = f"line {reader.line_num:,}"  # type: ignore[attr-defined]
            if row and len(row) != len(header):
                yield f"{line} has {len(row)} cells, the header {len(header)}"
                continue
            for place, cell in enumerate(row):
                name = named(header[place])
                if place in texts and not _is_name(cell):
                    fault = f"{shown(cell)} is no text" if cell.strip() else "the cell is empty"
                    yield f"{line}, column {name}: {fault}; give a name"
                elif place in numbers and not _is_number(cell):
                    yield f"{line}, column {name}: {_cell_fault(cell)}"
                    if number == 0 and any(map(str.isalpha, cell)) and not _is_float(cell):
                        numbers.discard(place)  # a column of text is one fault


def _is_name(cell: str) -> bool:
    """Return whether a cell holds text. numpy would drop a null character at its end."""
    return bool(cell.strip()) and "\0" not in cell


def _is_number(cell: str) -> bool:
    try:
        return "_" not in cell and math.isfinite(float(cell))
    except ValueError:
        return False


def _is_float(cell: str) -> bool:
    """Return whether Python reads a cell as a number, be it NaN or infinite."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _cell_fault(cell: str) -> str:
    if not cell.strip():
        return "the cell is empty; fill it or remove the row"
    if cell.strip().replace(",", ".", 1) != cell.strip() and _is_number(cell.replace(",", ".", 1)):
        return f"{shown(cell)} has a decimal comma; use a point"
    if "_" not in cell and _is_float(cell):
        return f"{shown(cell)} is not a finite number; fill it or remove the row"
    return (
        f"{shown(cell)} is not a number; if the column is not a feature, remove it or give it as "
        "label, recording or group"
    )
