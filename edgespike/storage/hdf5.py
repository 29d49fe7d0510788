"""Untrusted HDF5 files: opened with one error for all damage, and what must not be read of them.

HDF5 follows links and storage into other files, loads filters from libraries, and inflates a chunk
as far as its data go, whatever size is declared. Readers ask here before they read a data set.
"""

from __future__ import annotations

import contextlib
import math
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgespike.errors import FileFormatError, InputError, shown
from edgespike.extras import needs_extra
from edgespike.storage.file_kinds import kind_of_file
from edgespike.storage.files import opened

SIGNATURE = b"\x89HDF\r\n\x1a\n"

FILE_LIMIT = 2**31
"""Largest file that is read, in bytes."""

CHUNK_LIMIT = 2**26
"""Up to this many bytes, a chunk may be larger than its data set."""

_GZIP, _SHUFFLE, _FLETCHER32 = 1, 2, 3
"""Filters by their numbers in HDF5; any other may be a library that a plug-in path names."""

_CHECKSUM_BYTES = 4


@contextlib.contextmanager
def opened_hdf5(path: Path) -> Iterator[Any]:
    """Open an HDF5 file for reading, and turn what HDF5 raises into one error.

    Yields
    ------
    file
        h5py's file, which is the root group.

    Raises
    ------
    EnvironmentMissingError
        h5py is not installed.
    FileFormatError
        The file cannot be read, is larger than :data:`FILE_LIMIT`, or is damaged.
    """
    with needs_extra("hdf5", "an HDF5 file"):
        import h5py
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
    except (
        *(OSError, RuntimeError, LookupError, ValueError, TypeError),
        *(OverflowError, SystemError, AttributeError, MemoryError, zlib.error),
    ) as error:
        kind = kind_of_file(SIGNATURE)
        raise FileFormatError(
            f"{path} is {kind.name if kind else 'an HDF5 file'}, and truncated or damaged "
            f"({shown(str(error))}); get the file again, or write it again"
        ) from error


def outside_faults(dataset: Any) -> Iterator[str]:
    """Yield why a data set's values are not in its own file."""
    if dataset.external:
        yield (
            f"keeps its values in other files, {shown(dataset.external)}, which are not read; "
            "write the file with the data in place"
        )
    if dataset.is_virtual:
        yield (
            "is put together from other data sets, which are not read; write the file with the "
            "data in place"
        )


def chunk_faults(dataset: Any) -> Iterator[str]:
    """Yield why the chunks of a data set must not be read, with its filters.

    Each chunk is inflated here, to its declared size at most.
    """
    plist = dataset.id.get_create_plist()
    filters = [plist.get_filter(index)[0] for index in range(plist.get_nfilters())]
    if not {_GZIP, _SHUFFLE, _FLETCHER32}.issuperset(filters) or filters.count(_GZIP) > 1:
        yield (
            f"is packed by the filters {filters} (numbers of HDF5); write it with gzip once, "
            "shuffle and fletcher32, or without"
        )
        return
    if dataset.chunks is None:
        return
    size = math.prod(dataset.chunks) * dataset.dtype.itemsize
    if size > max(CHUNK_LIMIT, dataset.size * dataset.dtype.itemsize):
        yield f"has chunks {dataset.chunks}, larger than itself; write it with smaller ones"
    elif _GZIP in filters and not all(_fit(dataset, filters, size)):
        yield f"has a chunk that inflates beyond its {size} bytes; get the file again"


def _fit(dataset: Any, filters: list[int], size: int) -> Iterator[bool]:
    """Yield whether each chunk inflates to its size at most."""
    place = filters.index(_GZIP)
    limit = size + _CHECKSUM_BYTES * (_FLETCHER32 in filters[:place])
    for index in range(dataset.id.get_num_chunks()):
        offset = dataset.id.get_chunk_info(index).chunk_offset
        skipped, packed = dataset.id.read_direct_chunk(offset)
        if skipped & 1 << place:
            continue
        if _FLETCHER32 in filters[place:]:
            packed = packed[:-_CHECKSUM_BYTES]
        yield len(zlib.decompressobj().decompress(packed, limit + 1)) <= limit
