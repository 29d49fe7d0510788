"""Folders of images: which file belongs to which class and part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgespike.data.own.arrays import PARTS
from edgespike.data.own.faults import examples, refuse
from edgespike.data.own.folders import Entry, entries
from edgespike.data.own.images import SUFFIXES, Pictures, pictures
from edgespike.data.own.items import Found, Raw
from edgespike.data.own.labels import check_classes
from edgespike.data.own.options import DataOptions
from edgespike.data.own.order import natural

Classes = Mapping[str, tuple[Path, ...]]


@dataclass(frozen=True)
class Listing:
    """The image files of a folder.

    Parameters
    ----------
    classes
        Files by the name of the class, sorted naturally; empty if there are no class folders.
    loose
        Image files that lie in the folder itself.
    """

    classes: Classes
    loose: tuple[Path, ...]


def read_images(path: Path, options: DataOptions) -> Found:
    """Read a folder of folders, one for each class, or of ``train`` and ``test`` of these.

    Raises
    ------
    DataError
        The folders have another layout, or files are not images of one size.
    """
    folders = {entry.name for entry in entries(path) if entry.is_folder}
    if "train" in folders and folders <= PARTS.keys():
        listings = {PARTS[name]: list_images(path / name) for name in sorted(folders)}
    else:
        listings = {"train": list_images(path)}
    refuse(
        path,
        (
            fault
            for part, found in listings.items()
            for fault in _faults(part if len(listings) > 1 else "it", found)
        ),
    )
    names = sorted({name for found in listings.values() for name in found.classes}, key=natural)
    counts = [
        sum(len(found.classes.get(name, ())) for found in listings.values()) for name in names
    ]
    check_classes(path, tuple(names), np.array(counts, np.int64))
    places = {name: place for place, name in enumerate(names)}
    files = {
        part: [(file, places[name]) for name in found.classes for file in found.classes[name]]
        for part, found in listings.items()
    }
    every = [file for part in files.values() for file, _ in part]
    shape = pictures(path, every, options.size, 1 if options.grey else 0)
    notes = []
    if options.size:
        notes.append(f"images were resized to {shape.size[0]} x {shape.size[1]} where they differ")
    return Found(
        format="images",
        kind="images",
        parts={
            part: Raw(
                Pictures(tuple(file for file, _ in pairs), shape.size, shape.channels),
                np.array([label for _, label in pairs], np.int64),
            )
            for part, pairs in files.items()
        },
        class_names=tuple(names),
        files=len(every),
        notes=tuple(notes),
    )


def list_images(path: Path) -> Listing:
    """List the image files of a folder and of the folders in it.

    Raises
    ------
    DataError
        A class folder holds other files or folders.
    InputError
        A folder cannot be read.
    """
    listed = entries(path)
    classes = {entry.name: entries(entry.path) for entry in listed if entry.is_folder}
    refuse(path, (fault for name, inner in classes.items() for fault in _strange(name, inner)))
    return Listing(
        {name: tuple(entry.path for entry in inner) for name, inner in classes.items()},
        tuple(entry.path for entry in listed if not entry.is_folder and _is_image(entry)),
    )


def _strange(name: str, inner: list[Entry]) -> Iterator[str]:
    folders = [entry.name for entry in inner if entry.is_folder]
    others = [entry.name for entry in inner if not entry.is_folder and not _is_image(entry)]
    if folders:
        yield (
            f"class folder {name!r} holds folders ({examples(folders)}); images must lie in it "
            "directly"
        )
    if others:
        yield (
            f"class folder {name!r} holds files that are not images ({examples(others)}); remove "
            "them"
        )


def _faults(part: str, found: Listing) -> Iterator[str]:
    if not found.classes:
        loose = f"{len(found.loose):,} images" if found.loose else "no images"
        yield f"{part} has {loose} and no class folders; make a folder of images for each class"
    elif found.loose:
        yield (
            f"{part} has images beside the class folders ({examples([p.name for p in found.loose])}"
            "); move them into one"
        )
    empty = [name for name, files in found.classes.items() if not files]
    if empty:
        many = "folders" if len(empty) > 1 else "folder"
        yield f"{part} has empty class {many}: {examples(empty)}; add images or remove them"


def _is_image(entry: Entry) -> bool:
    return entry.name.lower().endswith(SUFFIXES)
