"""Files are written whole or not at all.

Everything is first written beside its place under a temporary name, flushed to disk, and then
renamed, which the operating system does in one step. A killed process or a full disk leaves at
most a hidden temporary file or folder behind, never a half-written result.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edgespike.errors import EdgespikeError


class WriteError(EdgespikeError):
    """A file or folder could not be written."""


@contextlib.contextmanager
def _write_errors(path: Path, inside: Path | None = None) -> Iterator[None]:
    """Name the place in errors of the file system; leave those about files elsewhere alone."""
    try:
        yield
    except OSError as error:
        named = error.filename
        if inside is not None and named is not None:
            place = Path(os.fsdecode(named))
            if place != inside and inside not in place.parents:
                raise
        reason = error.strerror or str(error)
        message = f"cannot write {path}: {reason}; choose another place or free it, then run again"
        raise WriteError(message) from error


def write_atomically(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``, replacing an existing file, or the one a link names, at once.

    Raises
    ------
    WriteError
        The folder is missing or read-only, the disk is full, or ``path`` is a device or a pipe.
        ``path`` is then as before.
    """
    path = Path(path)
    place = _place(path)
    temporary: Path | None = None
    with _write_errors(path):
        try:
            handle, name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")
            temporary = Path(name)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(place)
            temporary = None
            _flush(place.parent)
        finally:
            if temporary is not None:
                temporary.unlink(missing_ok=True)


def _place(path: Path) -> Path:
    """Give where a file is written: of a link, what it names. Devices and pipes are left alone."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise WriteError(f"cannot write {path}: it is no regular file; name another place")
    return Path(os.path.realpath(path))


def check_writable(path: Path) -> None:
    """Try whether `write_atomically` can write a file, before long work that ends with it.

    Raises
    ------
    WriteError
        The folder is missing or read-only, or ``path`` is a folder, a device or a pipe.
    """
    path = Path(path)
    place = _place(path)
    with _write_errors(path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        handle, name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")
        os.close(handle)
        Path(name).unlink()


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder that becomes ``path`` when the block ends without an error.

    Raises
    ------
    WriteError
        ``path`` exists already and is not an empty folder, its parent is read-only, or the disk is
        full. Nothing is left behind.
    """
    path = Path(path)
    if path.is_symlink() or (path.exists() and (not path.is_dir() or any(path.iterdir()))):
        raise WriteError(
            f"output folder {path} exists and is not empty, or is no folder; remove "
            "it or name another"
        )
    with _write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
        temporary.chmod(0o777 & ~_umask())
    try:
        with _write_errors(path, inside=temporary):
            yield temporary
        with _write_errors(path):
            for file in temporary.rglob("*"):
                _flush(file)
            temporary.replace(path)
            _flush(path.parent)
    except WriteError as error:
        # Nobody needs to know the temporary name.
        raise WriteError(str(error).replace(str(temporary), str(path))) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _flush(path: Path) -> None:
    """Wait until a file, or a folder's list of files, is on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    # The umask can only be read by setting it.
    mask = os.umask(0)
    os.umask(mask)
    return mask
