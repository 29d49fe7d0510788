"""A first look at a protobuf file: how much its messages will take in memory, before it is parsed.

Protobuf keeps an empty message of two bytes as an object of a hundred, and a number of one byte in
eight, so the size of a file does not bound what parsing it takes. Read in the encoding's
description, https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgespike.errors import shown

MESSAGE_LIMIT = 500_000
"""Most fields, those of nested messages included; a net of 1,000 nodes has some 30,000."""

NUMBER_LIMIT = 2**26
"""Most bytes of numbers that are written with as few bytes as they need."""

DEPTH_LIMIT = 30
"""Most messages inside each other; a tensor in an attribute of a node is at 4."""

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_FIXED_BYTES = {_FIXED64: 8, _FIXED32: 4}
_VARINT_BYTES = 10


class WireError(ValueError):
    """A file is no protobuf message of this kind, or holds more than is read."""


def check_size(data: bytes, descriptor: Any) -> None:
    """Walk through a message and all messages inside.

    Parameters
    ----------
    descriptor
        Of the message: which of its fields hold messages themselves.

    Raises
    ------
    WireError
        The message is damaged, or exceeds a limit.
    """
    counts = {"fields": 0, "numbers": 0}

    def count(what: str, more: int, limit: int) -> None:
        counts[what] += more
        if counts[what] > limit:
            unit = "fields" if what == "fields" else "bytes of numbers of variable length"
            raise WireError(f"it holds more than {limit} {unit}, the limit")

    _walk(data, (0, len(data)), _Messages(descriptor), count, 0)


class _Messages:
    """Which fields of a message hold messages, text and bytes; others may hold packed numbers."""

    def __init__(self, descriptor: Any) -> None:
        fields = list(descriptor.fields)
        self.inner = {f.number: f.message_type for f in fields if f.message_type is not None}
        self.texts = {f.number for f in fields if f.type == f.TYPE_STRING}
        self.bytes = {f.number for f in fields if f.type == f.TYPE_BYTES}


def _walk(
    data: bytes,
    span: tuple[int, int],
    known: _Messages,
    count: Callable[[str, int, int], None],
    depth: int,
) -> None:
    if depth > DEPTH_LIMIT:
        raise WireError(f"its messages are nested deeper than {DEPTH_LIMIT}, the limit")
    place, end = span
    inner: dict[int, _Messages] = {}
    while place < end:
        count("fields", 1, MESSAGE_LIMIT)
        tag, place = _varint(data, place, end)
        field, wire = tag >> 3, tag & 7
        size = _FIXED_BYTES.get(wire, 0)
        if wire == _VARINT:
            _, place = _varint(data, place, end)
        elif wire == _LENGTH:
            size, place = _varint(data, place, end)
        elif not size:
            raise WireError(f"it has a field of kind {wire} at byte {place}")
        if size > end - place:
            raise WireError(f"a field of {size} bytes at byte {place} ends behind its message")
        if wire == _LENGTH and field in known.inner:
            if field not in inner:
                inner[field] = _Messages(known.inner[field])
            _walk(data, (place, place + size), inner[field], count, depth + 1)
        elif wire == _LENGTH and field in known.texts:
            _check_text(data[place : place + size])
        elif wire == _LENGTH and field not in known.bytes:
            count("numbers", size, NUMBER_LIMIT)
        place += size


def _check_text(text: bytes) -> None:
    """Find text that is none: protobuf passes it on as bytes, where everyone expects a text."""
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise WireError(f"it holds a text that is not UTF-8: {shown(text)}") from error


def _varint(data: bytes, place: int, end: int) -> tuple[int, int]:
    """Return a number of variable length, and the place behind it."""
    number = 0
    for index in range(_VARINT_BYTES):
        if place >= end:
            raise WireError("it ends within a number")
        byte = data[place]
        place += 1
        number |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return number, place
    raise WireError(f"a number before byte {place} has more than {_VARINT_BYTES} bytes")
