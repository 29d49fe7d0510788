"""Data of arrays: an ``.npz`` archive, or a folder of ``.npy`` files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgespike.data.own.archive import Read, archive_members, folder_members
from edgespike.data.own.faults import examples, refuse
from edgespike.data.own.folders import entries
from edgespike.data.own.items import AXES, FEATURE_AXIS, Found, Kind, Raw, Stacked
from edgespike.data.own.labels import class_numbers
from edgespike.data.own.layout import laid_out_as, not_finite
from edgespike.data.own.prepared import prepared, prepared_names
from edgespike.errors import InputError

PARTS = {
    "train": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
}
"""Names of parts as files, folders and arrays are called."""

_PART = "|".join(PARTS)
_NAME = re.compile(
    rf"(?:(?P<before>{_PART})_?)?(?P<what>images|sequences|events|samples|x|labels|y)?"
    rf"(?:_(?P<after>{_PART}))?"
)
_LABELS = ("labels", "y")
_NAMES = ("class_names", "classes")

WANTED = (
    "images or samples with labels, or x_train, y_train, x_test and y_test; class_names is optional"
)


@dataclass(frozen=True)
class Arrays:
    """Samples and labels of one part.

    Parameters
    ----------
    kind
        What a sample is.
    samples
        ``(samples, *shape)``, channels first.
    labels
        As they were read; None if there are none.
    notes
        Sentences on what was changed.
    """

    kind: Kind
    samples: NDArray[Any]
    labels: NDArray[Any] | None
    notes: tuple[str, ...]


def read_archive(path: Path) -> Found:
    """Read an ``.npz`` archive.

    Raises
    ------
    InputError
        Arrays are missing, do not belong together, or are not finite; the file is damaged.
    """
    members = archive_members(path)
    return _found(path, "npz", members, files=1, names=array_names(members))


def read_folder(path: Path) -> Found:
    """Read a folder of ``.npy`` files, or of folders ``train`` and ``test`` of them.

    Raises
    ------
    InputError
        As for `read_archive`.
    """
    files = npy_files(path)
    about = prepared(path)
    names = prepared_names(path)
    found = _found(path, "npy", folder_members(files), len(files), names, about.kind)
    return replace(found, scaling=about.scaling)


def npy_files(path: Path) -> dict[str, Path]:
    """Return the ``.npy`` files of a folder by the name of the array; none if it has none."""
    found: dict[str, Path] = {}
    for entry in entries(path):
        if not entry.is_folder and entry.name.endswith(".npy"):
            found[entry.name.removesuffix(".npy")] = entry.path
        elif entry.is_folder and entry.name in PARTS:
            for inner in entries(entry.path):
                if not inner.is_folder and inner.name.endswith(".npy"):
                    found[f"{entry.name}_{inner.name.removesuffix('.npy')}"] = inner.path
    return found


def read_parts(
    path: Path,
    members: Mapping[str, Read],
    only_test: bool = False,
    kind: Kind | None = None,
) -> dict[str, Arrays]:
    """Read samples and labels by part.

    Parameters
    ----------
    path
        For messages.
    members
        The arrays by name.
    only_test
        Read one part alone: ``test``, or, if there is none, the first of the others.
    kind
        What a sample is, if that is known; else the arrays' names and axes decide.

    Raises
    ------
    DataError
        Arrays are missing, used twice, or of different lengths.
    """
    places = _places(path, members)
    if only_test:
        part = "test" if "test" in places else next(iter(places))
        places = {part: places[part]}
    refuse(path, (f"{part} has labels without samples" for part in places if not places[part][0]))
    found = {part: _read_part(path, members, *places[part], kind) for part in places}
    refuse(path, (fault for part, arrays in found.items() for fault in _faults(part, arrays)))
    return found


def _places(path: Path, members: Mapping[str, Read]) -> dict[str, tuple[str, str]]:
    """Return the names of samples and labels by part; empty where there are none."""
    places: dict[str, list[list[str]]] = {}
    for name in members:
        match = _NAME.fullmatch(name.lower())
        if not name or match is None or (match["before"] and match["after"]):
            continue
        part = PARTS[match["before"] or match["after"] or "train"]
        if match["what"] is None and not (match["before"] or match["after"]):
            continue
        places.setdefault(part, [[], []])[match["what"] in _LABELS].append(name)
    if not any(samples for samples, _ in places.values()):
        raise InputError(
            f"{path} has no samples; it holds {examples(list(members)) or 'nothing'}: name the "
            f"arrays {WANTED}"
        )
    refuse(
        path,
        (
            f"{examples(names)} could all be the {what} of {part}; leave one"
            for part, both in places.items()
            for what, names in zip(("samples", "labels"), both, strict=True)
            if len(names) > 1
        ),
    )
    return {
        part: (samples[0] if samples else "", labels[0] if labels else "")
        for part, (samples, labels) in places.items()
    }


def _read_part(
    path: Path, members: Mapping[str, Read], samples: str, labels: str, kind: Kind | None
) -> Arrays:
    values = members[samples]()
    if values.dtype.kind == "U":
        raise InputError(f"{samples} in {path} holds text; give numbers")
    match = _NAME.fullmatch(samples.lower())
    said = match["what"] or "" if match else ""
    given = members[labels]() if labels else None
    if kind is not None:
        if values.ndim != AXES[kind]:
            raise InputError(
                f"{samples} in {path} has shape {values.shape}, but data.json says {kind}; write "
                "the folder again, or remove that file"
            )
        return Arrays(kind, values, given, ())
    kind, laid_out, notes = laid_out_as(f"{samples} in {path}", values, said)
    return Arrays(kind, laid_out, given, notes)


def _faults(part: str, arrays: Arrays) -> Iterator[str]:
    samples, labels = arrays.samples, arrays.labels
    if labels is not None and labels.shape[:1] != samples.shape[:1]:
        yield (
            f"{part} has {len(samples):,} samples and labels of shape {labels.shape}; give one "
            "label for each sample"
        )
    if 0 in samples.shape:
        yield f"samples of {part} have shape {samples.shape}; give at least one number"
    bad = not_finite(samples)
    if bad:
        yield f"{bad:,} of {samples.size:,} numbers of {part} are NaN or infinite; remove them"


def array_names(members: Mapping[str, Read]) -> tuple[str, ...] | None:
    """Return the names of the classes that an archive holds; None without them.

    Raises
    ------
    InputError
        They are not text.
    """
    for name in _NAMES:
        if name in members:
            array = members[name]()
            if array.ndim != 1 or array.dtype.kind != "U":
                raise InputError(f"{name} has {array.dtype} of shape {array.shape}; give text")
            return tuple(map(str, array))
    return None


def _found(
    path: Path,
    form: str,
    members: Mapping[str, Read],
    files: int,
    names: tuple[str, ...] | None,
    kind: Kind | None = None,
) -> Found:
    arrays = read_parts(path, members, kind=kind)
    refuse(path, _mismatches(arrays))
    labels, class_names = class_numbers(
        path,
        {part: found.labels for part, found in arrays.items() if found.labels is not None},
        names,
    )
    kind = arrays["train"].kind
    return Found(
        format=form,
        kind=kind,
        parts={
            part: Raw(Stacked(found.samples, FEATURE_AXIS[kind]), labels[part])
            for part, found in arrays.items()
        },
        class_names=class_names,
        files=files,
        notes=tuple(note for found in arrays.values() for note in found.notes),
    )


def _mismatches(arrays: Mapping[str, Arrays]) -> Iterator[str]:
    if "train" not in arrays:
        yield f"it has {examples(list(arrays))} but no samples to train with"
    for part, found in arrays.items():
        if found.labels is None:
            yield f"{part} has no labels; add them, one whole number or name for each sample"
    shapes = {part: found.samples.shape[1:] for part, found in arrays.items()}
    if len(set(shapes.values())) > 1:
        listed = ", ".join(f"{part} {shape}" for part, shape in shapes.items())
        yield f"samples have different shapes: {listed}"
    elif len({(found.kind, found.samples.dtype) for found in arrays.values()}) > 1:
        listed = ", ".join(
            f"{part} {found.samples.dtype} ({found.kind})" for part, found in arrays.items()
        )
        yield f"samples differ in type: {listed}"
