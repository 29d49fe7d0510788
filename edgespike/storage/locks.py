"""Keep other processes out of a folder, by a lock that no ended process can leave behind."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from edgespike.errors import InputError
from edgespike.storage.files import WriteError


@contextlib.contextmanager
def locked_folder(folder: Path, name: str, user: str, timeout_s: float) -> Iterator[None]:
    """Hold a lock on a folder, which must exist, during the block.

    The operating system holds the lock and drops it when the process ends, however it ends. The
    file that is locked stays in the folder.

    Parameters
    ----------
    folder
        The folder.
    name
        Name of the file that is locked.
    user
        What else may hold the lock, for the error ("training run").
    timeout_s
        How long to wait for the lock.

    Raises
    ------
    InputError
        Something else holds the lock.
    WriteError
        The folder's file system refuses the lock.
    """
    lock = FileLock(folder / name)
    try:
        lock.acquire(timeout=timeout_s)
    except Timeout:
        raise InputError(
            f"folder {folder} is in use by another {user}; wait until that has ended, or name "
            "another folder"
        ) from None
    except OSError as error:
        raise WriteError(
            f"cannot lock folder {folder}: {error.strerror or error}; name another one"
        ) from None
    try:
        yield
    finally:
        lock.release()
