"""HDF5 files of strangers, read whole into plain Python values, within limits.

Nothing is followed out of the file (soft and external links, external and virtual storage) and
nothing is interpreted (object references, compound types). The size of an array is checked as
declared before it is read, and a chunk is not inflated beyond it.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgespike.errors import FileFormatError, InputError, named, shown
from edgespike.extras import needs_extra
from edgespike.storage.files import opened

SIGNATURE = b"\x89HDF\r\n\x1a\n"

FILE_LIMIT = 2**31
"""Largest file that is read, in bytes."""

ARRAYS_LIMIT = 2**31
"""Most bytes of all arrays of a file together, as they are declared."""

OBJECTS_LIMIT = 50_000
"""Most groups and arrays; an object that several links name counts each time."""

TEXTS_LIMIT = 20_000
"""Most texts of an array: the names of 10,000 edges."""

DEPTH_LIMIT = 16
"""Deepest group; also ends loops of links."""

_FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 32000: "lzf"}
"""By their numbers in HDF5; any other might be a library that a plug-in path names."""

_GZIP, _FLETCHER32 = 1, 3
_CHECKSUM_BYTES = 4

_DAMAGED = (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, zlib.error)
"""What h5py raises where a file is damaged, depending on the place."""

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
    with _opened(path) as content:
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
    with _opened(path) as content:
        is_group: bool = content.get(name, getclass=True) is _h5py().Group
        return is_group


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Yield a file's root group."""
    h5py = _h5py()
    try:
        with opened(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > FILE_LIMIT:
                raise FileFormatError(f"{path} has {size} bytes; the limit is {FILE_LIMIT}")
            with _damage(path), h5py.File(file, "r") as content:
                yield content
    except InputError as error:
        raise FileFormatError(str(error)) from error


@contextlib.contextmanager
def _damage(path: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGED as error:
        raise FileFormatError(
            f"{path} is a damaged or truncated HDF5 file: {error}; get or write it again"
        ) from error


def _h5py() -> Any:
    with needs_extra("hdf5", "reading and writing NIR files"):
        import h5py  # type: ignore[import-untyped,unused-ignore]
    return h5py


@dataclass
class _Reader:
    """Reads one file, and counts what it has read."""

    path: Path
    objects: int = 0
    total: int = 0

    def group(self, group: Any, place: str, depth: int) -> Tree:
        """Return a group's content; ``place`` is its path."""
        h5py = _h5py()
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
        self._check_chunks(data, place)
        if data.dtype.kind in "OS":
            if prod(data.shape) > TEXTS_LIMIT:
                raise self._refusal(
                    place, f"holds {prod(data.shape)} texts; the limit is {TEXTS_LIMIT}"
                )
            return _texts(data[()])
        return np.asarray(data[()])

    def _unreadable(self, data: Any) -> Iterator[str]:
        h5py = _h5py()
        if data.shape is None:
            yield "is empty, without a shape"
        if data.external:
            yield f"keeps its values in other files, {shown(data.external)}, which are not read"
        if data.is_virtual:
            yield "is put together from other data sets, which are not read"
        numbers = data.dtype.kind in "biuf" and data.dtype.subdtype is None
        if not (numbers or h5py.check_string_dtype(data.dtype)):
            yield f"has the type {shown(data.dtype)}; numbers and texts are read"
        properties = data.id.get_create_plist()
        for index in range(properties.get_nfilters()):
            number = properties.get_filter(index)[0]
            if number not in _FILTERS:
                yield (
                    f"is stored with filter {number}; those that are read are "
                    f"{', '.join(_FILTERS.values())}"
                )

    def _check_chunks(self, data: Any, place: str) -> None:
        """Refuse chunks that inflate to more than they declare."""
        properties = data.id.get_create_plist()
        filters = [properties.get_filter(i)[0] for i in range(properties.get_nfilters())]
        if data.chunks is None or _GZIP not in filters:
            return
        after = filters[filters.index(_GZIP) + 1 :]
        if set(after) - {_FLETCHER32}:
            raise self._refusal(place, "is filtered again after gzip")
        most = prod(data.chunks) * data.dtype.itemsize + _CHECKSUM_BYTES
        if most > ARRAYS_LIMIT:
            raise self._refusal(place, f"has chunks of {most} bytes; the limit is {ARRAYS_LIMIT}")
        for index in range(data.id.get_num_chunks()):
            mask, stored = data.id.read_direct_chunk(data.id.get_chunk_info(index).chunk_offset)
            if mask:
                continue
            inflated = zlib.decompressobj().decompress(
                stored[: len(stored) - _CHECKSUM_BYTES * len(after)], most + 1
            )
            if len(inflated) > most:
                raise self._refusal(place, f"has a chunk that inflates to more than {most} bytes")

    def _refusal(self, place: str, fault: str) -> FileFormatError:
        return FileFormatError(f"{self.path}: {named(place)} {fault}; write the file again without")


def _texts(value: Any) -> NDArray[Any] | str:
    """Decode one text or an array of texts."""
    if isinstance(value, np.ndarray):
        decoded = np.empty(value.shape, object)
        decoded[...] = np.frompyfunc(_text, 1, 1)(value)
        return decoded
    return _text(value)


def _text(value: Any) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
