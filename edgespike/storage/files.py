"""Files are written whole or not at all.

Everything is first written beside its place under a temporary name, flushed to disk, and then
renamed, which the operating system does in one step. A killed process or a full disk leaves at
most a hidden temporary file or folder behind, never a half-written result.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from edgespike.errors import EdgespikeError, InputError


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
        reason, way_out = error.strerror or str(error), "choose another place or free it"
        if isinstance(error, FileNotFoundError) and not path.parent.exists():
            reason = f"folder {path.parent} does not exist"
            way_out = "make it or choose another place"
        raise WriteError(f"cannot write {path}: {reason}; {way_out}, then run again") from error
    except ValueError as error:
        if inside is not None:
            raise
        # Of a name that no file has.
        raise WriteError(f"cannot write {path}: {error}; name another place") from error


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading; pipes and devices, which may never end, are refused.

    Raises
    ------
    InputError
        It is missing, may not be read, is no regular file, or reading failed.
    """
    try:
        with _open_regular(path) as file:
            yield file
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None


def _open_regular(path: Path) -> BinaryIO:
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"cannot read {path}: it is no regular file")
        return path.open("rb")
    except ValueError as error:  # a name that no file has
        raise InputError(f"cannot read {path}: {error}") from None


def check_output(out: Path | None, inputs: Iterable[Path | None] = ()) -> None:
    """Try, before long work that ends with it, whether a file can be written.

    Parameters
    ----------
    out, inputs
        What a command writes and reads; files that were not named are ``None``.

    Raises
    ------
    WriteError
        The output is an input, a folder, a device or a pipe; its folder is missing or read-only.
    """
    if out is None:
        return
    path = Path(out)
    with _write_errors(path):
        for source in filter(None, inputs):
            if _same(path, source):
                raise WriteError(
                    f"cannot write {path}: it is {source}, which is read; name another file"
                )
        if path.is_dir():
            raise WriteError(f"cannot write {path}: it is a folder; name a file in it")
        place = _place(path)
        handle, name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")
        os.close(handle)
        Path(name).unlink()


def _same(path: Path, other: Path) -> bool:
    if os.path.realpath(path) == os.path.realpath(other):
        return True
    return path.exists() and other.exists() and path.samefile(other)


def write_atomically(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``, replacing an existing file, or the one a link names, at once.

    Raises
    ------
    WriteError
        The folder is missing or read-only, the disk is full, or ``path`` is a device or a pipe.
        ``path`` is then as before.
    """
    path = Path(path)
    temporary: Path | None = None
    with _write_errors(path):
        place = _place(path)
        try:
            handle, name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")
            temporary = Path(name)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(_mode(place))
            temporary.replace(place)
            temporary = None
            _flush(place.parent)
        finally:
            if temporary is not None:
                temporary.unlink(missing_ok=True)


def _mode(place: Path) -> int:
    """Return the permissions of the file that is there, or of a new one."""
    return stat.S_IMODE(place.stat().st_mode) if place.exists() else 0o666 & ~_umask()


def _place(path: Path) -> Path:
    """Return where a file is written, links followed. Refuse devices and pipes."""
    foreign = path.absolute().is_relative_to("/dev")  # what is open already, under another name
    if foreign or (path.exists() and not (path.is_file() or path.is_dir())):
        raise WriteError(f"cannot write {path}: it is no regular file; name another place")
    place = Path(os.path.realpath(path))
    if place.is_symlink():
        raise WriteError(f"cannot write {path}: its links lead in a circle; name another place")
    return place


def check_new_folder(path: Path) -> None:
    """Refuse a folder that `new_folder` cannot make, before long work that ends with it.

    Raises
    ------
    WriteError
        ``path`` exists and is not an empty folder, is named "." or "..", or the folder that it is
        to be in is read-only.
    """
    if path.name in ("", ".."):
        raise WriteError(f"output folder {path} has no name of its own; name a new one")
    with _write_errors(path):
        if path.is_symlink() or (path.exists() and (not path.is_dir() or any(path.iterdir()))):
            raise WriteError(
                f"output folder {path} exists and is not empty, or is no folder; remove "
                "it or name another"
            )
        _try_folder(path.absolute().parent)


def check_folder(path: Path) -> None:
    """Try whether files can be written into a folder, or, if there is none, whether it can be made.

    Raises
    ------
    WriteError
        It is no folder, or it, or the nearest one that it is to be in, is read-only.
    """
    with _write_errors(path):
        _try_folder(path.absolute())


def _try_folder(path: Path) -> None:
    # What a dangling link names is not made when the folder is.
    nearest = next(folder for folder in (path, *path.parents) if os.path.lexists(folder))
    tempfile.TemporaryFile(dir=nearest).close()


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Return a temporary folder that becomes ``path`` when the block ends without an error.

    Raises
    ------
    WriteError
        ``path`` exists already and is not an empty folder, its parent is read-only, or the disk is
        full. Nothing is left behind but folders that were made for it to be in.
    """
    path = Path(path)
    check_new_folder(path)
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
    # The system call reads it by setting it, for all threads; Linux tells it here as well.
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"^Umask:\s*([0-7]+)", status, re.MULTILINE)[1], 8)  # type: ignore[index]
