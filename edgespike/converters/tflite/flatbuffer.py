"""Tables of an untrusted flatbuffer, every place checked before it is read.

The package ``flatbuffers`` and the code that it generates read at whatever place a file names, and
Python's ``struct`` takes a negative place as one from the end: a damaged file gives wrong numbers
there, or any exception. With the checks around each of its calls nothing would be left for that
package to do, so these tables are read without it, and converting a file needs no extra.

A table is read where it is asked for, and constants are views of the file. So tables that are used
many times cost no more than what is looked at.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from edgespike.errors import FileFormatError

_PLACE, _SHORT, _BACK = struct.Struct("<I"), struct.Struct("<H"), struct.Struct("<i")
_FIELDS = 4
"""Bytes of a table's list of fields before the first: the list's size and the table's."""


@dataclass(frozen=True)
class Table:
    """A table: fields by number, each of which may be missing.

    Parameters
    ----------
    content
        The whole file.
    place
        Where the table begins.
    what
        Names it in errors.
    """

    content: bytes
    place: int
    what: str

    def number(self, field: int, kind: str, default: float = 0) -> Any:
        """Return a number; its ``kind`` is a format of ``struct`` such as ``<i``."""
        place = self._place(field)
        return default if place is None else self._read(struct.Struct(kind), place)

    def table(self, field: int, what: str) -> Table | None:
        """Return a table, or ``None`` if the field is missing."""
        place = self._target(field)
        return None if place is None else Table(self.content, place, what)

    def tables(self, field: int, what: str, limit: int) -> list[Table]:
        """Return a vector of tables, none if it is missing.

        Raises
        ------
        FileFormatError
            It has more than ``limit`` entries, as everywhere if the file is damaged.
        """
        first, count = self._vector(field, _PLACE.size)
        if count > limit:
            raise self._fault(f"it has {count} of {what}; the limit is {limit}")
        places = range(first, first + count * _PLACE.size, _PLACE.size)
        return [
            Table(self.content, place + self._read(_PLACE, place), f"{what} {number}")
            for number, place in enumerate(places)
        ]

    def array(self, field: int, kind: DTypeLike) -> NDArray[Any]:
        """Return a vector of numbers, empty if it is missing; a view of the file."""
        dtype = np.dtype(kind)
        first, count = self._vector(field, dtype.itemsize)
        return np.frombuffer(self.content, dtype, count, first)

    def bytes_of(self, field: int) -> memoryview:
        """Return a vector of bytes, empty if it is missing; a view of the file."""
        first, count = self._vector(field, 1)
        return memoryview(self.content)[first : first + count]

    def text(self, field: int, limit: int) -> str:
        """Return a string, cut after ``limit`` bytes; empty if it is missing."""
        return bytes(self.bytes_of(field)[:limit]).decode(errors="replace")

    def has(self, field: int) -> bool:
        """Return whether a field is there."""
        return self._place(field) is not None

    def place_of(self, field: int) -> int | None:
        """Return where a field is in the file."""
        return self._place(field)

    def _place(self, field: int) -> int | None:
        fields = self.place - self._read(_BACK, self.place)
        entry = _FIELDS + field * _SHORT.size
        if entry + _SHORT.size > self._read(_SHORT, fields):
            return None
        offset = self._read(_SHORT, fields + entry)
        return self.place + offset if offset else None

    def _target(self, field: int) -> int | None:
        """Return where what a field refers to begins."""
        place = self._place(field)
        return None if place is None else place + int(self._read(_PLACE, place))

    def _vector(self, field: int, size: int) -> tuple[int, int]:
        """Return where a vector's elements of ``size`` bytes begin, and how many there are."""
        place = self._target(field)
        if place is None:
            return 0, 0
        count = self._read(_PLACE, place)
        first = place + _PLACE.size
        if first + count * size > len(self.content):
            raise self._fault(f"field {field} has {count} elements that are not there")
        return first, count

    def _read(self, kind: struct.Struct, place: int) -> Any:
        if not 0 <= place <= len(self.content) - kind.size:
            raise self._fault(f"it refers to byte {place} of {len(self.content)}")
        return kind.unpack_from(self.content, place)[0]

    def _fault(self, text: str) -> FileFormatError:
        return FileFormatError(f"{self.what} is damaged or truncated: {text}; get the file again")


def root(content: bytes, what: str) -> Table:
    """Return the table that a file begins with.

    Raises
    ------
    FileFormatError
        The file has no place for it.
    """
    start = Table(content, 0, what)
    return Table(content, start._read(_PLACE, 0), what)
