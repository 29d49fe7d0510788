"""Recognise and remove the hidden temporary files and folders that killed processes left behind.

A process locks its temporaries while it needs them. The operating system drops the lock when the
process ends, however it ends, so an unlocked temporary belongs to nothing that still runs.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

PREFIX = ".edgespike-"
"""How the names of temporary files and folders begin; 8 characters of `tempfile` follow."""

SECONDS_BEFORE_LOCK = 10.0
"""Younger temporaries are kept: their process may have made them and not locked them yet."""

_NAME = re.compile(re.escape(PREFIX) + "[a-z0-9_]{8}")


@contextlib.contextmanager
def in_use(temporary: Path) -> Iterator[None]:
    """Keep a temporary file or folder from being removed by other processes during the block.

    It may be renamed in the block. File systems without locks are accepted: nothing can be locked
    there to see whether it is abandoned either, so nothing is removed there.
    """
    handle = os.open(temporary, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def remove_abandoned(folder: Path) -> None:
    """Remove the temporaries of ended processes of this user from a folder.

    What cannot be listed, locked or removed is left where it is.
    """
    with contextlib.suppress(OSError):
        places = [place for place in folder.iterdir() if _NAME.fullmatch(place.name)]
        for place in places:
            with contextlib.suppress(OSError):
                _remove_if_abandoned(place)


def _remove_if_abandoned(place: Path) -> None:
    # Neither a link is followed nor a pipe waited for: the name may be of somebody else's making.
    handle = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        found = os.fstat(handle)
        young = abs(time.time() - found.st_mtime) < SECONDS_BEFORE_LOCK
        if young or found.st_uid != os.geteuid():
            return
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises if it is in use
        if stat.S_ISDIR(found.st_mode):
            shutil.rmtree(place, ignore_errors=True)
        elif stat.S_ISREG(found.st_mode):
            place.unlink()
    finally:
        os.close(handle)
