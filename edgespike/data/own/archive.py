"""Read arrays of untrusted ``.npz`` archives and folders of ``.npy`` files.

Headers are checked before memory is allocated, and nothing is unpickled.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from edgespike.data.own.items import BYTES_LIMIT
from edgespike.errors import FileFormatError, named
from edgespike.storage.files import opened
from edgespike.storage.npy import check_size, read_header

ENTRIES_LIMIT = 1000
"""Most arrays of an archive."""

KINDS = "biufU"
"""Types of arrays that are read: numbers, booleans, and text for labels and names."""

_ADVICE = "save it again with numpy.savez(path, images=..., labels=...)"
_NPY_ADVICE = "save the array again with numpy.save"

_TABLE_LIMIT = 2**20
"""Most bytes of an archive's table of contents, which is read at once."""

_END = b"PK\x05\x06"

Read = Callable[[], NDArray[Any]]


def archive_members(path: Path) -> dict[str, Read]:
    """Return the arrays of an ``.npz`` archive by name, each as a function that reads it.

    Raises
    ------
    InputError, FileFormatError
        The file cannot be read, is damaged, or has too many entries.
    """
    with opened(path) as file:
        _check_table(path, file.seek(0, 2), file)
        try:
            with zipfile.ZipFile(file) as archive:
                names = archive.namelist()
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
            raise FileFormatError(f"{path} is not an .npz file ({error}); {_ADVICE}") from None
    return {
        name.removesuffix(".npy"): _reader(path, name) for name in names if name.endswith(".npy")
    }


def _check_table(path: Path, size: int, file: Any) -> None:
    """Check the length of the table of contents, which a small file may claim to be huge."""
    file.seek(max(0, size - 2**16 - 22))
    end = file.read()
    place = len(end) - 22 if end[-22:-18] == _END else end.rfind(_END)  # as zipfile looks for it
    entries = int.from_bytes(end[place + 10 : place + 12], "little") if place >= 0 else 0
    length = int.from_bytes(end[place + 12 : place + 16], "little") if place >= 0 else 0
    if entries > ENTRIES_LIMIT or length > _TABLE_LIMIT:
        raise FileFormatError(
            f"{path} has {entries:,} entries, the limit is {ENTRIES_LIMIT:,}; {_ADVICE}"
        )
    file.seek(0)


def _reader(path: Path, name: str) -> Read:
    def read() -> NDArray[Any]:
        place = f"{name.removesuffix('.npy')} in {path}"
        with opened(path) as file:
            try:
                with zipfile.ZipFile(file) as archive:
                    return _read_member(place, archive, name)
            except (FileFormatError, MemoryError):
                raise
            except Exception as error:  # a damaged archive makes zipfile raise nearly anything
                raise FileFormatError(
                    f"{place} is truncated or damaged ({error}); {_ADVICE}"
                ) from error

    return read


def _read_member(place: str, archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    info = archive.getinfo(name)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise FileFormatError(f"{place} is compressed by a method numpy does not use; {_ADVICE}")
    with archive.open(info) as file:
        shape, dtype = read_header(place, file, _ADVICE, KINDS)
        check_size(place, shape, dtype, info.file_size - file.tell(), _ADVICE)
        check_bytes(place, shape, dtype)
    with archive.open(info) as file:
        return np.asarray(npy.read_array(file, allow_pickle=False))


def check_bytes(place: object, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Check that an array is not too large to be read.

    Raises
    ------
    FileFormatError
        It has more than `BYTES_LIMIT` bytes.
    """
    size = math.prod(shape) * dtype.itemsize
    if size > BYTES_LIMIT:
        raise FileFormatError(
            f"{place} has {size:,} bytes, the limit is {BYTES_LIMIT:,}; use fewer samples"
        )


def folder_members(files: Mapping[str, Path]) -> dict[str, Read]:
    """Return the arrays of ``.npy`` files by the names given, each as a function that reads it."""
    return {name: _file_reader(path) for name, path in files.items()}


def _file_reader(path: Path) -> Read:
    def read() -> NDArray[Any]:
        with opened(path) as file:
            size = file.seek(0, 2)
            file.seek(0)
            shape, dtype = read_header(named(str(path)), file, _NPY_ADVICE, KINDS)
            check_size(path, shape, dtype, size - file.tell(), _NPY_ADVICE)
            check_bytes(path, shape, dtype)
            file.seek(0)
            try:
                return np.asarray(npy.read_array(file, allow_pickle=False))
            except ValueError as error:
                raise FileFormatError(f"{path} was changed while it was read ({error})") from None

    return read
