"""Read headers of untrusted ``.npy`` data before allocating memory for what they declare."""

from __future__ import annotations

import math
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from edgespike.errors import FileFormatError, shown

HEADER_LIMIT = 10_000
"""Most bytes of a header: numpy's own limit, which it checks only after reading them."""

_HEADER_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def read_header(
    place: object, file: IO[bytes], advice: str, kinds: str = "biuf"
) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Read shape and dtype, and leave the file at the first value.

    Parameters
    ----------
    place
        Name of the data in error messages.
    file
        A seekable file that begins with the data.
    advice
        What to do about a bad file, for error messages.
    kinds
        Kinds of dtypes that are accepted, as numpy names them: those of numbers, and ``U``, text.

    Raises
    ------
    FileFormatError
        The data is not in ``.npy`` format, or holds Python objects, or text instead of numbers.
    """
    if file.read(4) == b"PK\x03\x04":
        raise FileFormatError(f"{place} is an archive (.npz); {advice} to get one .npy array")
    file.seek(0)
    try:
        version = npy.read_magic(file)
        _check_length(file, 2 if version == (1, 0) else 4)
        shape, _, dtype = _HEADER_READERS[version](file)
    except Exception as error:  # a hostile header makes numpy raise nearly anything
        raise FileFormatError(
            f"{place} is not a .npy file, or its header is damaged; {advice}"
        ) from error
    if not _is_possible(shape):
        raise FileFormatError(
            f"{place} declares the shape {shown(shape)}, which no array can have; {advice}"
        )
    if dtype.kind not in kinds:
        held = "Python objects (a pickle)" if dtype.hasobject else f"values of type {dtype}"
        raise FileFormatError(
            f"{place} holds {held}, which are not accepted; give an array of numbers: {advice}"
        )
    return shape, dtype


def _check_length(file: IO[bytes], size: int) -> None:
    start = file.tell()
    length = int.from_bytes(file.read(size), "little")
    if length > HEADER_LIMIT:
        raise ValueError(f"a header of {length} bytes")
    file.seek(start)


def _is_possible(shape: tuple[int, ...]) -> bool:
    if not all(type(size) is int for size in shape):
        return False
    try:
        # Numpy itself knows its limits on axes and addressable size; this allocates nothing.
        np.broadcast_to(np.uint8(0), tuple(max(size, 0) for size in shape))
    except ValueError:
        return False
    return True


def check_size(
    place: object, shape: tuple[int, ...], dtype: np.dtype[Any], present: int, advice: str
) -> None:
    """Check that the data has the size that its header declares.

    Parameters
    ----------
    place, advice
        As for :func:`read_header`.
    shape, dtype
        What the header declares.
    present
        How many bytes follow the header.

    Raises
    ------
    FileFormatError
        The sizes differ.
    """
    declared = math.prod(shape) * dtype.itemsize
    if any(size < 0 for size in shape) or declared != present:
        raise FileFormatError(
            f"{place} declares {dtype} of shape {shape}, which is {declared} bytes, but holds "
            f"{present}; it is truncated or changed: {advice}"
        )
