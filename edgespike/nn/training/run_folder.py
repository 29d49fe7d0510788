"""The folder of a training run: checkpoint, log and trained net."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import platform
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import Tensor

from edgespike.errors import FileFormatError, InputError, named, shown
from edgespike.nn.nets.checkpoint import TRAINING, read_checkpoint, write_checkpoint
from edgespike.nn.training.recipe import Recipe
from edgespike.nn.training.resuming import description_faults
from edgespike.storage.files import WriteError, check_folder, write_atomically

_WRITTEN = re.compile(r"training\.jsonl|(checkpoint|model|member\d+|sample\d+)\.safetensors")
"""Names of files that a run writes."""

GIVEN = "given"
"""Recorded as the data of a recipe that was trained on a caller's own data."""

_SHOWN_FAULTS = 5
_LOCK = ".training.lock"
_SECONDS_OF_LOCK = 1.0
"""Longer than the processes of one run, which check the lock at the same time, need for that."""


@dataclass(frozen=True)
class Log:
    """The measurements of a run.

    Parameters
    ----------
    start
        Metadata of the checkpoint that the run started from, and how that net performed; None for
        random weights.
    epochs
        Measurements of each epoch.
    """

    start: dict[str, Any] | None = None
    epochs: list[dict[str, Any]] = field(default_factory=list)


class RunFolder:
    """The folder in which a run of a recipe is kept.

    Parameters
    ----------
    path, recipe
        The folder, which need not exist, and what is trained in it.
    data_given
        The run is trained on data that the caller gave, not on the recipe's data set.

    Attributes
    ----------
    log, checkpoint
        Paths of the log and of the state to resume from.
    table
        The recipe as the run's files record it; its data is `GIVEN` if the data was given.
    """

    def __init__(self, path: Path, recipe: Recipe, data_given: bool = False) -> None:
        self.path, self.recipe = path, recipe
        self.table = {**recipe.to_table(), **({"data": GIVEN} if data_given else {})}
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
        elif others := sorted(name for name in self._names() if _WRITTEN.fullmatch(name)):
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
        if place.parent == Path(os.path.realpath(self.path)) and _WRITTEN.fullmatch(place.name):
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
        lock = FileLock(self.path / _LOCK)
        try:
            lock.acquire(timeout=_SECONDS_OF_LOCK)
        except Timeout:
            raise InputError(
                f"folder {self.path} is in use by another training run; wait until that has ended, "
                "or name another folder"
            ) from None
        except OSError as error:
            raise WriteError(
                f"cannot lock folder {self.path}: {error.strerror or error}; name another one"
            ) from None
        try:
            yield
        finally:
            lock.release()

    def save(self, tensors: Mapping[str, Tensor], log: Log) -> None:
        """Write the checkpoint and the log after an epoch."""
        start = {} if log.start is None else {"start": log.start}
        description = {"recipe": self.table, "history": log.epochs, **start}
        write_checkpoint(self.checkpoint, TRAINING, tensors, description)
        self.save_log(log)

    def save_log(self, log: Log) -> None:
        """Write the log, which a run killed after its last checkpoint may lack an epoch of."""
        start = {} if log.start is None else {"start": log.start}
        lines = [{"recipe": self.table, "versions": _versions(), **start}, *log.epochs]
        write_atomically(self.log, "".join(json.dumps(line) + "\n" for line in lines).encode())

    def read(self) -> tuple[dict[str, Tensor], Log] | None:
        """Return the checkpoint's tensors and the log; None if there is no checkpoint.

        Raises
        ------
        InputError
            The checkpoint belongs to another recipe.
        FileFormatError
            The checkpoint is truncated, changed or foreign, or holds another history than a run of
            this recipe has.
        """
        if not self.began:
            return None
        checkpoint = read_checkpoint(self.checkpoint, TRAINING)
        description = checkpoint.description
        self._check_recipe(description.get("recipe"))
        self.refuse_faults(description_faults(description, self.recipe.epochs))
        return checkpoint.tensors, Log(description.get("start"), description["history"])

    def refuse_faults(self, faults: Iterable[str]) -> None:
        """Refuse a checkpoint with faults.

        Raises
        ------
        FileFormatError
            There are faults; a few of them are named.
        """
        found = list(faults)
        if not found:
            return
        more = f"; and {len(found) - _SHOWN_FAULTS} more" if len(found) > _SHOWN_FAULTS else ""
        raise FileFormatError(
            f"{self.checkpoint} does not hold the state of this run: "
            f"{'; '.join(found[:_SHOWN_FAULTS])}{more}; train again in a new folder"
        )

    def _check_recipe(self, found: object) -> None:
        if not isinstance(found, dict):
            self.refuse_faults([f"its recipe is {shown(found)}, expected a table"])
            return
        # Through JSON, in which tuples are lists.
        wanted = json.loads(json.dumps(self.table))
        other = [name for name in wanted if wanted[name] != found.get(name)]
        other += [named(name) for name in found if name not in wanted]
        if other:
            raise InputError(
                f"the run in {self.path} has another recipe (different: {', '.join(other)}); "
                "resume it with its own, or name another folder"
            )


def _versions() -> dict[str, str]:
    return {
        "edgespike": importlib.metadata.version("edgespike"),
        "torch": str(torch.__version__),
        "python": platform.python_version(),
        "processor": platform.machine(),
    }
