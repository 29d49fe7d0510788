"""Files are written whole or not at all.

Everything is first written beside its place under a temporary name, flushed to disk, and then
renamed, which the operating system does in one step. A killed process or a full disk leaves at
most a hidden temporary file or folder behind, never a half-written result.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edgespike.errors import EdgespikeError


class WriteError(EdgespikeError):
    """A file or folder could not be written."""


@contextlib.contextmanager
def _write_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        message = f"cannot write {path}: {reason}; choose another place or free it, then run again"
        raise WriteError(message) from error


def write_atomically(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``, replacing an existing file in one step.

    Raises
    ------
    WriteError
        The folder is missing or read-only, or the disk is full. ``path`` is then as before.
    """
    path = Path(path)
    temporary: Path | None = None
    with _write_errors(path):
        try:
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
            temporary = Path(name)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
            temporary = None
        finally:
            if temporary is not None:
                temporary.unlink(missing_ok=True)


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
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise WriteError(
            f"output folder {path} exists and is not empty; remove it or name another one"
        )
    temporary: Path | None = None
    with _write_errors(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
            temporary.chmod(0o777 & ~_umask())
            yield temporary
            temporary.replace(path)
            temporary = None
        finally:
            if temporary is not None:
                shutil.rmtree(temporary, ignore_errors=True)


def _umask() -> int:
    # The umask can only be read by setting it.
    mask = os.umask(0)
    os.umask(mask)
    return mask
