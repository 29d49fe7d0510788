"""Samples and labels for a graph from archives, folders and CSV files."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgespike.data.own import arrays, csv_files, tables
from edgespike.data.own.archive import Read, archive_members, folder_members
from edgespike.data.own.faults import examples, refuse
from edgespike.data.own.folders import entries
from edgespike.data.own.image_folders import Listing, list_images
from edgespike.data.own.images import pictures
from edgespike.data.own.items import Kind, Windows, is_plain
from edgespike.data.own.labels import class_numbers, named_classes, plain_names, unknown_names
from edgespike.data.own.layout import fitted
from edgespike.data.own.learning import IDENTITY, PIXEL
from edgespike.data.own.measured import as_whole
from edgespike.data.own.options import GROUPS, DataOptions
from edgespike.data.own.prepared import prepared, prepared_names
from edgespike.data.own.recordings import cut, find_runs
from edgespike.errors import InputError
from edgespike.graph import Graph
from edgespike.graph.inputs import as_samples

_ROLES = (DataOptions.label, DataOptions.recording)

Labels = NDArray[np.int64] | None
_T = TypeVar("_T")


def read_set(graph: Graph, path: Path, limit: int | None) -> tuple[NDArray[Any], Labels]:
    """Read samples, ``(samples, steps, *shape)``, and their labels or None.

    Raises
    ------
    InputError
        The source cannot be read, or does not fit the graph.
    """
    if not path.is_dir():
        if path.name.lower().endswith(csv_files.SUFFIXES):
            return _read_csv(graph, path, limit)
        members = archive_members(path)
        return _read_arrays(graph, path, members, arrays.array_names(members), limit)
    files = arrays.npy_files(path)
    if files:
        names, kind = prepared_names(path), prepared(path).kind
        return _read_arrays(graph, path, folder_members(files), names, limit, kind)
    tables_found = csv_files.csv_parts(path)
    if tables_found:
        return _read_csv(graph, tables_found.get("test", tables_found["train"]), limit)
    folders = {entry.name for entry in entries(path) if entry.is_folder}
    if "test" in folders and folders <= arrays.PARTS.keys():
        path = path / "test"
    return _read_images(graph, path, limit)


def _finished(
    graph: Graph, values: NDArray[Any], labels: Labels, limit: int | None
) -> tuple[NDArray[Any], Labels]:
    """Scale values that are not the graph's own, and check them."""
    if graph.scaling is not None and not is_plain(values):
        values = as_whole(graph, values, limit)
    samples = as_samples(graph, values)[:limit]
    return samples, None if labels is None else labels[:limit]


def _read_arrays(
    graph: Graph,
    path: Path,
    members: dict[str, Read],
    names: tuple[str, ...] | None,
    limit: int | None,
    kind: Kind | None = None,
) -> tuple[NDArray[Any], Labels]:
    (found,) = arrays.read_parts(path, members, only_test=True, kind=kind).values()
    labels: Labels = None
    if found.labels is not None and graph.readout_op.classes > 1:
        labels = _array_labels(graph, path, found.labels, names)
    return _finished(graph, fitted(graph, found.samples), labels, limit)


def _array_labels(
    graph: Graph, path: Path, labels: NDArray[Any], names: tuple[str, ...] | None
) -> NDArray[np.int64]:
    if labels.dtype.kind == "U":
        numbers, found = class_numbers(path, {"the samples": labels}, None)
        return _named_labels(graph, path, [found[number] for number in numbers["the samples"]])
    known = names or tuple(map(str, range(graph.readout_op.classes)))
    numbers, _ = class_numbers(path, {"the samples": labels}, known)
    if names and graph.class_names and names != graph.class_names:
        return _named_labels(graph, path, [names[number] for number in numbers["the samples"]])
    refuse(path, _beyond(graph, numbers["the samples"]))
    return numbers["the samples"]


def _beyond(graph: Graph, numbers: NDArray[np.int64]) -> Iterator[str]:
    classes = graph.readout_op.classes
    if numbers.size and numbers.max() >= classes:
        yield f"its labels go to {numbers.max()}; the graph has the classes 0..{classes - 1}"


def _named_labels(graph: Graph, place: object, found: Sequence[str]) -> NDArray[np.int64]:
    """Return the classes that names mean: names of the graph's classes, or whole numbers."""
    unique = sorted(set(found))
    plain = plain_names(unique)
    known = graph.class_names
    if not known:
        known = tuple(map(str, range(graph.readout_op.classes)))
        if any(name not in known for name in plain.values()):
            refuse(
                place,
                [
                    f"it names classes {examples(unique)}, and graph {graph.name!r} has no class "
                    f"names: number them 0..{len(known) - 1}, or convert with --class-names"
                ],
            )
    exact = all(name in known for name in unique)
    final = {name: name if exact else plain[name] for name in unique}
    refuse(place, unknown_names(sorted(set(final.values())), known))
    texts = {"": np.array([final[name] for name in found], np.str_)}
    numbers, _ = named_classes(place, texts, known)
    return numbers[""]


def _read_images(graph: Graph, path: Path, limit: int | None) -> tuple[NDArray[Any], Labels]:
    if graph.scaling not in (None, IDENTITY, PIXEL):
        raise InputError(
            f"{path} has images of pixels 0..255, but graph {graph.name!r} has a scaling for "
            "measured numbers; give an array of floats"
        )
    listing = list_images(path)
    files, names = _in_turn(path, listing)
    labels: Labels = None
    if names and graph.readout_op.classes > 1:
        labels = _named_labels(graph, path, names)[:limit]
    files = files[:limit]
    shape = graph.input_op.shape
    if len(shape) == 3:
        if shape[0] not in (1, 3):
            raise InputError(
                f"graph {graph.name!r} takes {shape[0]} channels; images have 1 or 3: give an array"
            )
        found = pictures(path, files, shape[1:], shape[0])
    else:
        found = pictures(path, files, channels=1)
    pixels = found.whole(np.arange(len(files)), None)
    if len(shape) == 1 and math.prod(pixels.shape[1:]) == graph.steps * shape[0]:
        pixels = pixels.reshape(len(pixels), graph.steps, *shape)  # rows, from the top
    return as_samples(graph, pixels), labels


def _in_turn(path: Path, listing: Listing) -> tuple[list[Path], list[str]]:
    """Return the files, the classes taking turns so that the first few hold all; and classes."""
    if listing.classes and listing.loose:
        refuse(path, ["it has images beside the class folders; move them into one"])
    pairs = list(_turns([[(f, name) for f in files] for name, files in listing.classes.items()]))
    files = [file for file, _ in pairs] or list(listing.loose)
    if not files:
        raise InputError(
            f"cannot read {path}: it holds no images and no arrays; give a folder of some"
        )
    return files, [name for _, name in pairs]


def _turns(rows: Sequence[Sequence[_T]]) -> Iterator[_T]:
    for column in zip_longest(*rows):
        yield from (each for each in column if each is not None)


def _read_csv(graph: Graph, path: Path, limit: int | None) -> tuple[NDArray[Any], Labels]:
    shape, header = graph.input_op.shape, tables.read_header(path)
    window, groups = _csv_window(graph, path, header)
    table = tables.read_table(path, (*_ROLES, *groups))
    rows = len(table.values)
    zeros = np.zeros(rows, np.int64)
    column = table.named.get(DataOptions.label)
    if not window:
        values = table.values.reshape(rows, *shape)
        places = zeros if column is None else column.places
    else:
        # Numbers of recordings may begin anew for each person.
        names = [
            table.named[name].places
            for name in (DataOptions.recording, *groups)
            if name in table.named
        ]
        recordings = _numbered(names) if names else zeros
        runs = find_runs(recordings, zeros if column is None else column.places)
        starts, run = cut(runs, window, window)
        if not len(starts):
            raise InputError(
                f"{path}: the longest recording of one label has {runs.lengths.max():,} rows; "
                f"graph {graph.name!r} takes windows of {window}"
            )
        starts, run = starts[:limit], run[:limit]
        values = Windows(table.values[runs.order], starts, window).whole(
            np.arange(len(starts)), None
        )
        values = fitted(graph, values)
        places = runs.labels[run]
    if graph.scaling is None and (values == np.floor(values)).all():
        values = values.astype(np.int64)  # text does not tell whole numbers from others
    labels: Labels = None
    if column is not None and graph.readout_op.classes > 1:
        labels = _named_labels(graph, path, column.names)[places]
    return _finished(graph, values, labels, limit)


def _csv_window(graph: Graph, path: Path, header: Sequence[str]) -> tuple[int, tuple[str, ...]]:
    """Return the rows of a sample, 0 where each row is one, and the columns of groups.

    Raises
    ------
    DataError
        The columns of numbers are not as many as the graph takes.
    """
    others = [name for name in header if name not in _ROLES]
    groups = tuple(name for name in GROUPS if name in header)
    features = [name for name in others if name not in groups]
    recorded = DataOptions.recording in header
    for columns, left_out in ((features, groups), (others, ())):
        window = _window_of(graph, len(columns), recorded)
        if window is not None:
            return window, left_out
    each, shape = math.prod(graph.input_op.shape), graph.input_op.shape
    takes = f"{each:,}"
    if graph.steps == 1 and shape[1:] == (1, 1) and recorded:
        takes += ", or a window of that many numbers"
    elif graph.steps == 1 and len(shape) == 3 and shape[0] == 1 and recorded:
        takes = f"{shape[2]:,}"
    refuse(
        path,
        [
            f"it has {len(features)} columns of numbers ({examples(features)}); graph "
            f"{graph.name!r} takes {takes}: remove the others, and call the columns of "
            f"class and recording {' and '.join(_ROLES)}"
        ],
    )
    raise AssertionError("unreachable")


def _window_of(graph: Graph, features: int, recorded: bool) -> int | None:
    """Return the rows of a sample of so many columns, 0 where each row is one; None if none fit."""
    shape, whole = graph.input_op.shape, math.prod(graph.input_op.shape)
    if graph.steps > 1:
        return graph.steps if features == whole else None
    if recorded and len(shape) == 3 and shape[0] == 1:
        return shape[1] if features == shape[2] else None
    if features == whole:
        return 0
    if recorded and features and shape[1:] == (1, 1) and whole % features == 0:
        window = whole // features
        return window if _repeats(graph, window) else None
    return None


def _repeats(graph: Graph, window: int) -> bool:
    """Return whether the scaling is the same for each row of a window."""
    if graph.scaling is None or len(graph.scaling.offset) == 1:
        return True
    both = np.array([graph.scaling.offset, graph.scaling.step]).reshape(2, window, -1)
    return bool((both == both[:, :1]).all())


def _numbered(columns: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return one number for each combination of entries, int64, ``(rows,)``, in turn."""
    if len(columns) == 1:
        return columns[0]
    _, first, places = np.unique(np.stack(columns), axis=1, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    return rank[places.reshape(-1)].astype(np.int64)
