"""Open files for reading, and write files and folders whole or not at all.

Everything is first written under a temporary name in the same folder, flushed to disk, and then
renamed, which is atomic. A full disk leaves nothing behind, and a killed process at most a hidden
temporary file or folder, never a half-written result; the next write into that folder removes it
(`edgespike.storage.temporaries`).
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
from edgespike.storage.temporaries import PREFIX, in_use, remove_abandoned


class WriteError(EdgespikeError):
    """A file or folder could not be written."""


@contextlib.contextmanager
def _write_errors(path: Path, inside: Path | None = None) -> Iterator[None]:
    """Turn errors of the file system into `WriteError`, which names ``path``.

    With ``inside``, errors about files outside that folder are left alone.
    """
    try:
        yield
    except OSError as error:
        named = error.filename
        if inside is not None and named is not None:
            place = Path(os.fsdecode(named))
            if place != inside and inside not in place.parents:
                raise
        reason, way_out = error.strerror or str(error), "fix this or write elsewhere"
        if isinstance(error, FileNotFoundError) and not path.parent.exists():
            reason = f"folder {path.parent} does not exist"
            way_out = "make it or write elsewhere"
        raise WriteError(f"cannot write {path}: {reason}; {way_out}, then run again") from error
    except ValueError as error:
        if inside is not None:
            raise
        # The name is impossible, for example because it contains a null byte.
        raise WriteError(f"cannot write {path}: {error}; choose another name") from error


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading. Pipes and devices are refused, since reading them may never end.

    Raises
    ------
    InputError
        The file is missing, unreadable or not a regular file, or reading it failed.
    """
    try:
        with _open_regular(path) as file:
            yield file
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None


def _open_regular(path: Path) -> BinaryIO:
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"cannot read {path}: not a regular file")
        return path.open("rb")
    except ValueError as error:  # an impossible name, for example with a null byte
        raise InputError(f"cannot read {path}: {error}") from None


def check_output(out: Path | None, inputs: Iterable[Path | None] = (), force: bool = False) -> None:
    """Check that a file can be written, before the long work that produces it.

    Parameters
    ----------
    out, inputs
        The file that a command writes and the files that it reads; ``None`` where none was given.
    force
        Whether an existing file may be overwritten: the option --force.

    Raises
    ------
    WriteError
        The output exists, and ``force`` is false; or, with ``force`` too, it is an input, a folder,
        a device or a pipe, or its folder is missing or read-only.
    """
    if out is None:
        return
    path = Path(out)
    with _write_errors(path):
        for source in filter(None, inputs):
            if _same(path, source):
                raise WriteError(
                    f"cannot write {path}: it is the input {source}; choose another file"
                )
        if path.is_dir():
            raise WriteError(f"cannot write {path}: it is a folder; name a file in it")
        place = _place(path)
        if path.exists() and not force:
            raise WriteError(
                f"cannot write {path}: it exists; choose another file, or overwrite it with --force"
            )
        handle, name = tempfile.mkstemp(dir=place.parent, prefix=PREFIX)
        os.close(handle)
        Path(name).unlink()


def _same(path: Path, other: Path) -> bool:
    if os.path.realpath(path) == os.path.realpath(other):
        return True
    return path.exists() and other.exists() and path.samefile(other)


def write_atomically(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` in one step, replacing an existing file or a link's target.

    Raises
    ------
    WriteError
        The folder is missing or read-only, the disk is full, or ``path`` is a device or a pipe.
        ``path`` is then unchanged.
    """
    path = Path(path)
    temporary: Path | None = None
    with _write_errors(path):
        place = _place(path)
        remove_abandoned(place.parent)
        try:
            handle, name = tempfile.mkstemp(dir=place.parent, prefix=PREFIX)
            temporary = Path(name)
            with os.fdopen(handle, "wb") as file, in_use(temporary):
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
    """Return the permissions of the existing file, or those of a new one."""
    return stat.S_IMODE(place.stat().st_mode) if place.exists() else 0o666 & ~_umask()


def _place(path: Path) -> Path:
    """Return where a file is written, with links resolved. Refuse devices and pipes."""
    device = path.absolute().is_relative_to("/dev")  # even /dev/stdout where that is a file
    if device or (path.exists() and not (path.is_file() or path.is_dir())):
        raise WriteError(f"cannot write {path}: not a regular file; write elsewhere")
    place = Path(os.path.realpath(path))
    if place.is_symlink():
        raise WriteError(f"cannot write {path}: its symbolic links form a loop; write elsewhere")
    return place


def check_new_folder(path: Path) -> None:
    """Check that `new_folder` can create a folder, before the long work that fills it.

    Raises
    ------
    WriteError
        ``path`` exists and is not an empty folder, is "." or "..", or its parent is read-only.
    """
    if path.name in ("", ".."):
        raise WriteError(f"output folder {path} has no name of its own; name a new folder")
    with _write_errors(path):
        if path.is_symlink() or (path.exists() and (not path.is_dir() or any(path.iterdir()))):
            raise WriteError(
                f"output folder {path} exists and is not an empty folder; remove it or choose "
                "another"
            )
        _try_folder(path.absolute().parent)


def check_folder(path: Path) -> None:
    """Check that files can be written into a folder, or that a missing folder can be created.

    Raises
    ------
    WriteError
        It is not a folder, or it, or its nearest existing parent, is read-only.
    """
    with _write_errors(path):
        _try_folder(path.absolute())


def _try_folder(path: Path) -> None:
    # A dangling link counts as existing: its target is not created along with the folder.
    nearest = next(folder for folder in (path, *path.parents) if os.path.lexists(folder))
    tempfile.TemporaryFile(dir=nearest).close()


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes ``path`` when the block ends without an error.

    Raises
    ------
    WriteError
        ``path`` exists and is not an empty folder, its parent is read-only, or the disk is full.
        Nothing is left behind except parent folders that were created.
    """
    path = Path(path)
    check_new_folder(path)
    with _write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(path.parent)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=PREFIX))
        temporary.chmod(0o777 & ~_umask())
    try:
        with in_use(temporary):
            with _write_errors(path, inside=temporary):
                yield temporary
            with _write_errors(path):
                for place in (*temporary.rglob("*"), temporary):
                    _flush(place)
                temporary.replace(path)
                _flush(path.parent)
    except WriteError as error:
        # The temporary name means nothing to the user.
        raise WriteError(str(error).replace(str(temporary), str(path))) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _flush(path: Path) -> None:
    """Wait until a file's content, or a folder's list of files, is on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    # os.umask can only read the mask by setting it, for all threads; Linux also lists it here.
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"^Umask:\s*([0-7]+)", status, re.MULTILINE)[1], 8)  # type: ignore[index]
