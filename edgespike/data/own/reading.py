"""Read data of one's own, split it, and scale it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.data.own import arrays, csv_files, image_folders
from edgespike.data.own.faults import examples, refuse
from edgespike.data.own.items import AXES, FEATURE_AXIS, Convert, Found, Raw
from edgespike.data.own.labels import check_classes
from edgespike.data.own.learning import converter, learn
from edgespike.data.own.options import DataOptions
from edgespike.data.own.order import shuffled
from edgespike.data.own.parts import PART_NAMES, OwnData, Part
from edgespike.data.own.splitting import split
from edgespike.errors import InputError
from edgespike.graph import Scaling
from edgespike.storage.files import opened

FORMATS = (
    "an .npz file, a .csv file, a folder of images by class, or a folder of samples.npy and "
    "labels.npy"
)

_TEST, _VALIDATION, _ORDER = 0, 1, 2
"""What a draw is for, beside the user's seed."""


@dataclass(frozen=True)
class _Chosen:
    """A part: some samples of what was read."""

    raw: Raw
    places: NDArray[np.int64]

    @property
    def labels(self) -> NDArray[np.int64]:
        return self.raw.labels[self.places]


def read_data(options: DataOptions) -> OwnData:
    """Read data, split it where the source does not, and scale it to whole numbers of 8 bits.

    Samples of every part are in an order drawn by the seed. Equal data and options give equal
    parts on every machine.

    Raises
    ------
    InputError
        The source cannot be read, or is not valid; all that was found at one stage is listed.
    EnvironmentMissingError
        Images are to be read and Pillow is not installed.
    """
    path = Path(options.path)
    found = find(path, options)
    counts = sum(
        np.bincount(raw.labels, minlength=len(found.class_names)) for raw in found.parts.values()
    )
    check_classes(path, found.class_names, np.asarray(counts, np.int64))
    chosen = _split(found, options)
    refuse(path, _part_faults(found, chosen))
    parts, scaling = _scaled(found, chosen)
    return OwnData(
        train=parts["train"],
        validation=parts["validation"],
        test=parts["test"],
        class_names=found.class_names,
        scaling=scaling,
        source=_source(options, found, parts),
    )


def find(path: Path, options: DataOptions) -> Found:
    """Read what a path holds.

    Raises
    ------
    InputError
        It is missing, or nothing that can be read.
    """
    try:
        is_folder = path.is_dir()
        if not is_folder and not path.exists():
            raise InputError(f"there is no {path}; give {FORMATS}")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    except ValueError as error:  # an impossible name, for example with a null byte
        raise InputError(f"cannot read {path}: {error}") from None
    if is_folder:
        if arrays.npy_files(path):
            return arrays.read_folder(path)
        if csv_files.csv_parts(path):
            return csv_files.read_csv(path, options)
        return image_folders.read_images(path, options)
    with opened(path) as file:
        head = file.read(6)
    if head.startswith(b"PK"):
        return arrays.read_archive(path)
    if head.startswith(b"\x93NUMPY"):
        raise InputError(
            f"{path} is one array without labels; give a folder of samples.npy and labels.npy, or "
            "an .npz file of both"
        )
    if not path.name.lower().endswith(csv_files.SUFFIXES):
        raise InputError(f"{path} cannot be read as data; give {FORMATS}")
    return csv_files.read_csv(path, options)


def _split(found: Found, options: DataOptions) -> dict[str, _Chosen]:
    train = found.parts["train"]
    classes = len(found.class_names)
    places = np.arange(len(train.labels))
    chosen = {}
    for part, share, use in (
        ("test", options.test, _TEST),
        ("validation", options.validation, _VALIDATION),
    ):
        if part in found.parts:
            raw = found.parts[part]
            chosen[part] = _Chosen(raw, np.arange(len(raw.labels)))
            continue
        units = None if train.units is None else train.units[places]
        stay, taken = split(train.labels[places], units, classes, share, (options.seed, use))
        chosen[part] = _Chosen(train, places[taken])
        places = places[stay]
    chosen["train"] = _Chosen(train, places)
    return {
        part: _Chosen(each.raw, each.places[shuffled(len(each.places), options.seed, _ORDER)])
        for part, each in chosen.items()
    }


def _part_faults(found: Found, chosen: dict[str, _Chosen]) -> Iterator[str]:
    """Yield classes that are missing in a part, and why."""
    names = found.class_names
    for part in ("train", "test"):
        counts = np.bincount(chosen[part].labels, minlength=len(names))
        missing = [names[place] for place in np.flatnonzero(counts == 0)]
        if not missing:
            continue
        many = "classes" if len(missing) > 1 else "class"
        why = "add some"
        if part not in found.parts or "test" not in found.parts:
            why = "each class needs at least 2 samples"
            if found.unit != "sample":
                why += f", of different values of column {found.unit}"
        yield f"{many} {examples(missing)} without samples in {part}; {why}"


def _scaled(found: Found, chosen: dict[str, _Chosen]) -> tuple[dict[str, Part], Scaling | None]:
    convert: Convert | None = None
    scaling = found.scaling
    if not all(raw.items.plain for raw in found.parts.values()):
        train = chosen["train"]
        scaling, signed = learn(train.raw.items.measured(train.places), found.kind)
        convert = converter(scaling, _input_shape(found), signed)
    return {
        part: Part(np.ascontiguousarray(each.raw.items.whole(each.places, convert)), each.labels)
        for part, each in chosen.items()
    }, scaling


def _input_shape(found: Found) -> tuple[int, ...]:
    """Return as many axes as the input of a graph for these samples has; only the first counts."""
    return (0,) * (AXES[found.kind] - FEATURE_AXIS[found.kind])


def _source(options: DataOptions, found: Found, parts: dict[str, Part]) -> dict[str, Any]:
    return {
        "path": options.path,
        "format": found.format,
        "kind": found.kind,
        "files": found.files,
        "samples": {part: len(parts[part].labels) for part in PART_NAMES},
        "sha256": fingerprint(parts, found.class_names),
        "notes": list(found.notes),
    }


def fingerprint(parts: dict[str, Part], class_names: tuple[str, ...]) -> str:
    """Return SHA-256 of the arrays of all parts and of the classes' names, in hexadecimal."""
    digest = hashlib.sha256()
    for part in PART_NAMES:
        samples, labels = parts[part].samples, parts[part].labels
        digest.update(f"{part} {samples.dtype} {samples.shape}\n".encode())
        digest.update(np.ascontiguousarray(samples).data)
        digest.update(np.ascontiguousarray(labels, np.dtype("<i8")).data)
    digest.update("\n".join(class_names).encode())
    return digest.hexdigest()
