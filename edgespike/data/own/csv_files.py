"""CSV files as data: rows, or windows of recordings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgespike.data.own.arrays import PARTS
from edgespike.data.own.faults import DataError, examples, refuse
from edgespike.data.own.folders import entries
from edgespike.data.own.items import BYTES_LIMIT, Found, Raw, Stacked, Windows
from edgespike.data.own.labels import named_classes, plain_names
from edgespike.data.own.options import GROUPS, DataOptions
from edgespike.data.own.recordings import cut, find_runs, whole_length
from edgespike.data.own.tables import Column, Table, read_header, read_table

SUFFIXES = (".csv", ".tsv", ".txt")
"""How names of CSV files end."""


def csv_parts(path: Path) -> dict[str, Path]:
    """Return a folder's files ``train.csv``, ``test.csv``...; none without the first."""
    found = {
        PARTS[stem]: entry.path
        for entry in entries(path)
        if not entry.is_folder and entry.name.endswith(".csv")
        for stem in [entry.name.removesuffix(".csv")]
        if stem in PARTS
    }
    # The training part first: it says how long recordings are.
    return (
        {part: found[part] for part in dict.fromkeys(PARTS.values()) if part in found}
        if "train" in found
        else {}
    )


def read_csv(path: Path, options: DataOptions) -> Found:
    """Read a CSV file, or a folder of ``train.csv`` and ``test.csv``.

    Raises
    ------
    DataError
        Columns are missing, cells are not numbers, recordings are shorter than a window.
    """
    files = csv_parts(path) if path.is_dir() else {"train": path}
    headers = {part: read_header(file) for part, file in files.items()}
    with_recordings = options.recording in headers["train"]
    refuse(path, _option_faults(headers, options, with_recordings))
    required = [options.label, *filter(None, [options.group])]
    if with_recordings:
        required.append(options.recording)
    names = [options.label, options.recording, *filter(None, [options.group])]
    tables = {part: read_table(file, names, required=required) for part, file in files.items()}
    labels, class_names = _labels(path, tables, options.label)
    groups = _shared_numbers(tables, options.group) if options.group else {}
    refuse(path, _shared_groups(tables, options.group))
    if not with_recordings:
        return Found(
            format="csv",
            kind="rows",
            parts={
                part: Raw(
                    Stacked(table.values[:, :, None, None], 1), labels[part], groups.get(part)
                )
                for part, table in tables.items()
            },
            class_names=class_names,
            files=len(files),
            unit=options.group or "sample",
        )
    parts, notes, length = {}, [], options.window
    for part, file in files.items():
        parts[part], length, note = _windows(
            file, tables[part], labels[part], groups.get(part), options, length
        )
        notes += note
    return Found(
        format="csv",
        kind="sequences",
        parts=parts,
        class_names=class_names,
        files=len(files),
        unit=options.group or options.recording,
        notes=tuple(notes),
    )


def _option_faults(
    headers: Mapping[str, tuple[str, ...]], options: DataOptions, with_recordings: bool
) -> Iterator[str]:
    header = headers["train"]
    if not with_recordings and options.recording not in ("", DataOptions.recording):
        yield f"no column {options.recording!r} for recordings; it has {examples(header)}"
    elif not with_recordings and options.window:
        yield (
            f"window is {options.window}, but it has no column of recordings; name one of "
            f"{examples(header)} with recording, or leave the window out"
        )
    used = (options.group, options.label, options.recording)
    for name in header:
        if name in GROUPS and name not in used:
            yield (
                f"column {name!r} seems to say who or what was recorded, not a measurement: name "
                f"it with group (--group {name}), so that none of its values is in two parts; or "
                "remove it, or rename it if it is measured"
            )
    for part, other in headers.items():
        if set(other) != set(header):
            differing = sorted(set(other) ^ set(header))
            yield f"{part} and train have different columns: {examples(differing)}"
        elif other != header:
            yield f"{part} and train have their columns in different orders"


def _labels(
    path: Path, tables: Mapping[str, Table], label: str
) -> tuple[dict[str, NDArray[np.int64]], tuple[str, ...]]:
    found = {name for table in tables.values() for name in table.named[label].names}
    plain = plain_names(sorted(found))
    unique = {
        part: np.array([plain[name] for name in table.named[label].names])
        for part, table in tables.items()
    }
    numbers, names = named_classes(path, unique, None)
    return {part: numbers[part][table.named[label].places] for part, table in tables.items()}, names


def _shared_numbers(tables: Mapping[str, Table], column: str) -> dict[str, NDArray[np.int64]]:
    """Return one number for each name of a column, the same in all parts."""
    known: dict[str, int] = {}
    return {
        part: np.array(
            [known.setdefault(name, len(known)) for name in table.named[column].names], np.int64
        )[table.named[column].places]
        for part, table in tables.items()
    }


def _shared_groups(tables: Mapping[str, Table], group: str) -> Iterator[str]:
    if not group:
        return
    own = set(tables["train"].named[group].names)
    for part, table in tables.items():
        shared = sorted(own & set(table.named[group].names))
        if part != "train" and shared:
            yield f"{group} {examples(shared)} is in train and in {part}; keep it in one"


def _windows(
    place: Path,
    table: Table,
    labels: NDArray[np.int64],
    groups: NDArray[np.int64] | None,
    options: DataOptions,
    window: int,
) -> tuple[Raw, int, list[str]]:
    """Return the windows of a file, their length, and what was left out."""
    column = _within(table.named[options.recording], groups)
    runs = find_runs(column.places, labels)
    length = window or whole_length(place, runs, column.names)
    starts, run = cut(runs, length, options.stride or length)
    if not len(starts):
        raise DataError(
            f"{place} cannot be used as data",
            [
                f"its longest recording of one label has {runs.lengths.max():,} rows, the window "
                f"{length:,}; use a shorter window"
            ],
        )
    features = len(table.features)
    if len(starts) * length * features > BYTES_LIMIT:
        refuse(
            place,
            [
                f"it has {len(starts):,} windows of {length} rows and {features} features, which "
                f"is more than {BYTES_LIMIT:,} numbers; use a larger stride"
            ],
        )
    short = int((runs.lengths < length).sum())
    notes = []
    if short:
        notes.append(
            f"{short:,} of {len(runs.lengths):,} recordings, or parts with one label, of "
            f"{place.name} are shorter than the window and were left out"
        )
    values = table.values
    if not np.array_equal(runs.order, np.arange(len(runs.order))):
        values = values[runs.order]
    units = column.places if groups is None else groups
    items = Windows(values, starts, length)
    return Raw(items, runs.labels[run], units[runs.order[starts]]), length, notes


def _within(column: Column, groups: NDArray[np.int64] | None) -> Column:
    """Return recordings that are different in each group: numbers may begin anew."""
    if groups is None:
        return column
    both = column.places * (int(groups.max()) + 1) + groups
    found, places = np.unique(both, return_inverse=True)
    names = tuple(column.names[number // (int(groups.max()) + 1)] for number in found.tolist())
    return Column(names, places.reshape(-1).astype(np.int64))
