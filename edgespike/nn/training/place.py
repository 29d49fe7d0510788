"""The place of a training run: a folder that one run at a time may write."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from edgespike.errors import InputError
from edgespike.storage.files import WriteError, check_folder
from edgespike.storage.locks import locked_folder

WRITTEN = re.compile(
    r"training\.jsonl|results\.json|(checkpoint|model|member\d+|sample\d+)\.safetensors"
    r"|test(_labels)?\.npy|(curves|confusion|firing)\.png"
)
"""Names of files that a run writes."""

_LOCK = ".training.lock"
_SECONDS_OF_LOCK = 1.0
"""Longer than the processes of one run, which check the lock at the same time, need for that."""


class Place:
    """A folder in which a run is kept; it need not exist.

    Attributes
    ----------
    log, checkpoint
        Paths of the log and of the state to resume from.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = path / "training.jsonl"
        self.checkpoint = path / "checkpoint.safetensors"

    @property
    def began(self) -> bool:
        """Whether there is a state to resume from."""
        return self.checkpoint.exists()

    def check(self, resume: bool) -> None:
        """Refuse a folder that cannot be written or is in use, or with files that must be kept.

        Raises
        ------
        WriteError
            It is not a folder, or it or its parent folder is read-only.
        InputError
            Another run is writing into it; or as for `check_files`.
        """
        check_folder(self.path)
        if (self.path / _LOCK).exists():
            with self.locked():
                pass
        self.check_files(resume)

    def check_files(self, resume: bool) -> None:
        """Refuse a folder whose files must not be overwritten.

        Raises
        ------
        InputError
            It holds a run, and ``resume`` is False; or it holds no run, but files with names that
            a run writes.
        """
        if self.began:
            if not resume:
                raise InputError(
                    f"folder {self.path} holds a training run; resume it (--resume or "
                    "resume=True), remove it or name another"
                )
        elif others := sorted(name for name in self._names() if WRITTEN.fullmatch(name)):
            raise InputError(
                f"folder {self.path} holds no training run, but {', '.join(others)}, which a run "
                "would overwrite; name another folder"
            )

    def _names(self) -> list[str]:
        return [place.name for place in self.path.iterdir()] if self.path.exists() else []

    def refuse(self, source: Path) -> None:
        """Refuse an input file that the run would overwrite.

        Raises
        ------
        InputError
            It lies in the folder and has a name that a run writes.
        """
        place = Path(os.path.realpath(source))
        if place.parent == Path(os.path.realpath(self.path)) and WRITTEN.fullmatch(place.name):
            raise InputError(
                f"{source} is read, and the run would write {place.name} in {self.path}; name "
                "another folder"
            )

    def make(self) -> None:
        """Make the folder if it does not exist."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WriteError(
                f"cannot make folder {self.path}: {error.strerror}; name another one"
            ) from None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs out of the folder during the block; it must exist.

        The operating system holds the lock and drops it when the process ends, however it ends.
        The file that is locked stays in the folder.

        Raises
        ------
        InputError
            Another run is writing into the folder.
        WriteError
            The folder's file system refuses the lock.
        """
        with locked_folder(self.path, _LOCK, "training run", _SECONDS_OF_LOCK):
            yield
