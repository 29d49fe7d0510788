"""Whether the chunks of an HDF5 data set hold no more than it declares.

HDF5 inflates a chunk as far as its data go, whatever size is declared; so each is first inflated
here, to its declared size at most.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from typing import Any

_GZIP, _SHUFFLE, _FLETCHER32 = 1, 2, 3
"""Filters by their numbers in HDF5; any other may be a library that a plug-in path names."""

_CHECKSUM_BYTES = 4

CHUNK_LIMIT = 2**26
"""Up to this many bytes, a chunk may be larger than its data set."""


def chunk_faults(dataset: Any) -> Iterator[str]:
    """Yield why chunks of a data set must not be read, with its filters."""
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
