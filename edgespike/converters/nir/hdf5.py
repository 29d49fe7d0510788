"""Untrusted HDF5 files, read whole into plain Python values, within limits.

Nothing is followed out of the file (soft and external links, external and virtual storage) and
nothing is interpreted (object references, compound types). The size of an array is checked as
declared before it is read, and a chunk is not inflated beyond it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgespike.errors import FileFormatError, named, shown
from edgespike.storage.hdf5 import chunk_faults, opened_hdf5, outside_faults

ARRAYS_LIMIT = 2**31
"""Most bytes of all arrays of a file together, as they are declared."""

OBJECTS_LIMIT = 50_000
"""Most groups and arrays; an object that several links name counts each time."""

TEXTS_LIMIT = 20_000
"""Most texts of an array: the names of 10,000 edges."""

DEPTH_LIMIT = 16
"""Deepest group; also ends loops of links."""

Tree: TypeAlias = "dict[str, Tree | NDArray[Any] | str]"
"""A group: arrays, texts and groups by name. An array of texts has the dtype object."""


def read_tree(path: Path) -> Tree:
    """Read all of an HDF5 file.

    Raises
    ------
    FileFormatError
        The file cannot be read, is damaged, is larger than the limits, or holds what is not read:
        links, references, storage in other files.
    EnvironmentMissingError
        h5py is not installed.
    """
    with opened_hdf5(path) as content:
        return _Reader(path).group(content, "", 0)


def has_group(path: Path, name: str) -> bool:
    """Return whether an HDF5 file has a group of this name at its top.

    Raises
    ------
    FileFormatError
        It cannot be read, or is damaged.
    EnvironmentMissingError
        h5py is not installed.
    """
    with opened_hdf5(path) as content:
        import h5py

        is_group: bool = content.get(name, getclass=True) is h5py.Group
        return is_group


@dataclass
class _Reader:
    """Reads one file, and counts what it has read."""

    path: Path
    objects: int = 0
    total: int = 0

    def group(self, group: Any, place: str, depth: int) -> Tree:
        """Return a group's content; ``place`` is its path."""
        import h5py

        if depth > DEPTH_LIMIT:
            raise self._refusal(place, f"is nested more than {DEPTH_LIMIT} groups deep")
        tree: Tree = {}
        for name in group:
            inner = f"{place}/{name}"
            self.objects += 1
            if self.objects > OBJECTS_LIMIT:
                raise self._refusal(inner, f"is one of more than {OBJECTS_LIMIT} objects")
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise self._refusal(inner, f"is a {type(link).__name__}, which is not followed")
            value = group[name]
            if isinstance(value, h5py.Group):
                tree[name] = self.group(value, inner, depth + 1)
            elif isinstance(value, h5py.Dataset):
                tree[name] = self._array(value, inner)
            else:
                raise self._refusal(inner, f"is a {type(value).__name__}, not a group or an array")
        return tree

    def _array(self, data: Any, place: str) -> NDArray[Any] | str:
        for fault in self._unreadable(data):
            raise self._refusal(place, fault)
        self.total += prod(data.shape) * max(data.dtype.itemsize, 1)
        if self.total > ARRAYS_LIMIT:
            raise self._refusal(
                place,
                f"of shape {shown(data.shape)} makes {self.total} bytes of arrays; the limit is "
                f"{ARRAYS_LIMIT}",
            )
        for fault in chunk_faults(data):
            raise self._refusal(place, fault)
        if data.dtype.kind in "OS":
            if prod(data.shape) > TEXTS_LIMIT:
                raise self._refusal(
                    place, f"holds {prod(data.shape)} texts; the limit is {TEXTS_LIMIT}"
                )
            return _texts(data[()])
        return np.asarray(data[()])

    def _unreadable(self, data: Any) -> Iterator[str]:
        import h5py

        if data.shape is None:
            yield "is empty, without a shape"
        yield from outside_faults(data)
        numbers = data.dtype.kind in "biuf" and data.dtype.subdtype is None
        if not (numbers or h5py.check_string_dtype(data.dtype)):
            yield f"has the type {shown(data.dtype)}; numbers and texts are read"

    def _refusal(self, place: str, fault: str) -> FileFormatError:
        way_out = "" if ";" in fault else "; write the file again without"
        return FileFormatError(f"{self.path}: {named(place)} {fault}{way_out}")


def _texts(value: Any) -> NDArray[Any] | str:
    """Decode one text or an array of texts."""
    if isinstance(value, np.ndarray):
        decoded = np.empty(value.shape, object)
        decoded[...] = np.frompyfunc(_text, 1, 1)(value)
        return decoded
    return _text(value)


def _text(value: Any) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
