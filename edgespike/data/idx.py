"""The idx format, in which the MNIST family of data sets is published."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edgespike.errors import FileFormatError

UNSIGNED_BYTE = 8


def parse_idx(content: bytes, name: str) -> NDArray[np.uint8]:
    """Parse idx content of unsigned bytes.

    The format is two zero bytes, the element type, the number of axes, the size of each axis
    (32 bits, big endian), and then the elements.

    Parameters
    ----------
    content
        The file's bytes, not compressed.
    name
        Name of the file in error messages.

    Raises
    ------
    FileFormatError
        The content is not idx, has another element type, or its length differs from its header.
    """
    if len(content) < 4 or content[:3] != bytes([0, 0, UNSIGNED_BYTE]):
        raise FileFormatError(
            f"{name} begins with {content[:4].hex() or 'nothing'}; idx files of unsigned bytes "
            "begin with 000008"
        )
    axes = content[3]
    start = 4 + 4 * axes
    if len(content) < start:
        raise FileFormatError(f"{name} ends after {len(content)} bytes, inside its header")
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", count=axes, offset=4))
    if len(content) - start != math.prod(shape):
        raise FileFormatError(
            f"{name} holds {len(content) - start} elements; its header says {math.prod(shape)} "
            f"({' x '.join(map(str, shape))})"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy()
