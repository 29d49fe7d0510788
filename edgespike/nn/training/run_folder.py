"""The folder of a training run: checkpoint, log and trained net."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from edgespike.errors import FileFormatError, InputError, named, shown
from edgespike.nn.nets.checkpoint import TRAINING, read_checkpoint, write_checkpoint
from edgespike.nn.nets.tables import entry_name
from edgespike.nn.training.place import Place
from edgespike.nn.training.recipe import Recipe, of_today
from edgespike.nn.training.resuming import description_faults
from edgespike.nn.training.teacher import teacher_sha256
from edgespike.storage.files import write_atomically

GIVEN = "given"
"""Recorded as the data of a recipe that was trained on a caller's own data."""

_SHOWN_FAULTS = 5

_DEFAULTS = {
    entry_name(entry.name): entry.default
    for entry in fields(Recipe)
    if isinstance(entry.default, bool | int | float | str)
}
"""What an entry is that the recipe of an older version does not have."""


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


class RunFolder(Place):
    """The folder in which a run of a recipe is kept.

    Parameters
    ----------
    path, recipe
        The folder, which need not exist, and what is trained in it.
    data_given
        The run is trained on data that the caller gave, not on the recipe's data.

    Attributes
    ----------
    table
        The recipe as the run's files record it; its data is `GIVEN` if the data was given and
        nothing says where it came from, a teacher from which it learns is a path and the file's
        SHA-256.
    source
        Where data of one's own came from, to be set before anything is written or read; None for a
        known data set.
    """

    def __init__(self, path: Path, recipe: Recipe, data_given: bool = False) -> None:
        super().__init__(path)
        self.recipe = recipe
        self.table = {**recipe.to_table(), **({"data": GIVEN} if data_given else {})}
        self.table["teacher"] = ""
        if recipe.distillation > 0:
            sha256 = teacher_sha256(recipe.teacher)
            self.table["teacher"] = {"path": recipe.teacher, "sha256": sha256}
        self.source: dict[str, Any] | None = None

    def save(self, tensors: Mapping[str, Tensor], log: Log) -> None:
        """Write the checkpoint and the log after an epoch."""
        description = {"recipe": self.table, "history": log.epochs, **self._origins(log)}
        write_checkpoint(self.checkpoint, TRAINING, tensors, description)
        self.save_log(log)

    def save_log(self, log: Log) -> None:
        """Write the log, which a run killed after its last checkpoint may lack an epoch of."""
        lines = [
            {"recipe": self.table, "versions": _versions(), **self._origins(log)},
            *log.epochs,
        ]
        write_atomically(self.log, "".join(json.dumps(line) + "\n" for line in lines).encode())

    def _origins(self, log: Log) -> dict[str, Any]:
        found = {"start": log.start, "source": self.source}
        return {name: table for name, table in found.items() if table is not None}

    def read(self, validated: bool = False) -> tuple[dict[str, Tensor], Log] | None:
        """Return the checkpoint's tensors and the log; None if there is no checkpoint.

        Parameters
        ----------
        validated
            Whether each epoch was measured on samples for validation.

        Raises
        ------
        InputError
            The checkpoint belongs to another recipe, or to other data.
        FileFormatError
            The checkpoint is truncated, changed or foreign, or holds another history than a run of
            this recipe has.
        """
        if not self.began:
            return None
        checkpoint = read_checkpoint(self.checkpoint, TRAINING)
        description = checkpoint.description
        self._check_recipe(description.get("recipe"))
        self._check_source(description.get("source"))
        self.refuse_faults(description_faults(description, self.recipe.epochs, validated))
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
        found = {**_DEFAULTS, **of_today(found)}
        # Through JSON, in which tuples are lists.
        wanted = json.loads(json.dumps(self.table))
        other = [
            name for name in wanted if _without_path(wanted[name]) != _without_path(found.get(name))
        ]
        other += [named(name) for name in found if name not in wanted]
        if other:
            raise InputError(
                f"the run in {self.path} has another recipe (different: {', '.join(other)}); "
                "resume it with its own, or name another folder"
            )

    def _check_source(self, found: object) -> None:
        wanted = json.loads(json.dumps(self.source))
        if _without_path(found) == _without_path(wanted):
            return
        before, now = (
            shown(source.get("sha256")) if isinstance(source, dict) else "none"
            for source in (found, wanted)
        )
        raise InputError(
            f"the run in {self.path} was trained on other data (its SHA-256 was {before}, now it "
            f"is {now}); resume it with its own data, or name another folder"
        )


def _without_path(value: object) -> object:
    """Return a table about a file without its path: the same file may have moved."""
    if isinstance(value, dict):
        return {name: entry for name, entry in value.items() if name != "path"}
    return value


def _versions() -> dict[str, str]:
    return {
        "edgespike": importlib.metadata.version("edgespike"),
        "torch": str(torch.__version__),
        "python": platform.python_version(),
        "processor": platform.machine(),
    }
