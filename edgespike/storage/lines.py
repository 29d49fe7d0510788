"""A file of lines that grows: a line is in it whole, or not at all, whenever the process ends."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from edgespike.errors import FileFormatError
from edgespike.storage.files import WriteError, opened

SIZE_LIMIT = 2**30
"""Most bytes of a file."""


def whole_lines(path: Path) -> list[bytes]:
    """Read the lines of a file; none if it does not exist.

    What follows the last line end was being written when a process was killed, and is left out.

    Raises
    ------
    InputError
        The file cannot be read.
    FileFormatError
        It has more than :data:`SIZE_LIMIT` bytes.
    """
    if not path.exists():
        return []
    with opened(path) as file:
        content = file.read(SIZE_LIMIT + 1)
    if len(content) > SIZE_LIMIT:
        raise FileFormatError(f"{path} has more than {SIZE_LIMIT:,} bytes, the limit")
    return content.split(b"\n")[:-1]


def append_line(path: Path, line: bytes) -> None:
    """Add a line to a file, and wait until it is on disk. One process at a time may do so.

    A half-written line of a killed process is removed first.

    Raises
    ------
    WriteError
        The disk is full, or the file cannot be written; the file is then as it was.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror}; fix this, then run again") from (
            error
        )
    try:
        end = _end_of_lines(handle)
        try:
            os.ftruncate(handle, end)
            os.lseek(handle, end, os.SEEK_SET)
            rest = memoryview(line + b"\n")
            while rest:
                rest = rest[os.write(handle, rest) :]
            os.fsync(handle)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(handle, end)
            raise WriteError(
                f"cannot write {path}: {error.strerror}; fix this, then run again"
            ) from error
    finally:
        os.close(handle)


_BLOCK = 2**16


def _end_of_lines(handle: int) -> int:
    """Return where the last whole line of a file ends."""
    end = os.lseek(handle, 0, os.SEEK_END)
    while end:
        start = max(0, end - _BLOCK)
        place = os.pread(handle, end - start, start).rfind(b"\n")
        if place >= 0:
            return start + place + 1
        end = start
    return 0
