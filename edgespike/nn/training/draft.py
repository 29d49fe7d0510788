"""A recipe before its data is read: its net may leave its input and its classes to the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgespike.data import DATA_SETS
from edgespike.data.own import DataOptions
from edgespike.errors import FileFormatError, InputError, shown
from edgespike.nn.nets.spec import read_layers
from edgespike.nn.nets.tables import read_table
from edgespike.nn.training.own_task import read_own_task
from edgespike.nn.training.recipe import FOLDER, Recipe, of_today, read_recipe
from edgespike.nn.training.task import Task
from edgespike.storage.toml_files import read_toml, shipped_names

_OF_DATA = ("input_shape", "classes")
"""Entries of a net that it may leave to the data."""

# What the data will say, by whether the net is recurrent: with it, the rest of a recipe can be
# checked before the data is read.
_STAND_INS = {False: [1, 2**31 - 1, 2**31 - 1], True: [1, 1]}


@dataclass(frozen=True)
class Draft:
    """A recipe as a file states it, and the data to train on.

    Parameters
    ----------
    name
        Of the recipe, for error messages.
    table
        What the file states, apart from its data, with the entries of today.
    data
        Name of a known data set, or data of one's own; None if none is named.
    """

    name: str
    table: Mapping[str, Any]
    data: str | DataOptions | None

    @property
    def own(self) -> bool:
        """Whether the data is one's own."""
        return isinstance(self.data, DataOptions)

    @property
    def open(self) -> bool:
        """Whether the net leaves its input or its classes to the data."""
        return bool(self._net) and any(name not in self._net for name in _OF_DATA)

    @property
    def _net(self) -> dict[str, Any]:
        net = self.table.get("net")
        return dict(net) if isinstance(net, Mapping) else {}

    @property
    def _recurrent(self) -> bool:
        return self._net.get("kind") == "recurrent"

    def override(self, **values: Any) -> Draft:
        """Return a copy with other entries, as ``**{"lambda": 1e-6}``; None keeps an entry."""
        given = {name: value for name, value in values.items() if value is not None}
        return replace(self, table={**self.table, **given})

    def check(self) -> None:
        """Refuse faults of the recipe that show before the data is read.

        Raises
        ------
        InputError
            No data is named.
        FileFormatError
            Entries are unknown, missing, of the wrong type or out of range; all are named.
        """
        if self.data is None:
            raise InputError(
                f"recipe {self.name} is for data of one's own, and names none; give --data PATH "
                "(data=...), a file or folder, or write a table [data] with its path"
            )
        faults: list[str] = []
        net = {"input_shape": _STAND_INS[self._recurrent], "classes": 2, **self._net}
        if not self._recurrent:
            read_layers(net.get("layers"), "recipe.net", faults)
            net["layers"] = []
        table = dict(self.table)
        strength = table.get("lambda")
        if isinstance(strength, int | float) and strength > 0:
            table["lambda"] = 0  # the net lacks its layers, and so whatever sends events
        read_recipe({**table, "net": net, "data": self.data}, "recipe", faults)
        self._refuse(faults)

    def read(self) -> tuple[Recipe, Task | None]:
        """Read the data; return the recipe with its net's input and classes, and the task.

        The task is None for a known data set, which training reads itself.

        Raises
        ------
        InputError, FileFormatError
            As for `check`; the data cannot be read; or the recipe states another input or number of
            classes than the data has.
        """
        self.check()
        if isinstance(self.data, str):
            known = DATA_SETS[self.data]
            return self._recipe(known.SHAPE, len(known.CLASSES), False), None
        assert self.data is not None
        task = read_own_task(self.data, self._recurrent)
        self._refuse_contradictions(task)
        signed = task.train_images.dtype == np.int8
        return self._recipe(task.train_images.shape[1:], len(task.class_names), signed), task

    def recipe(self) -> Recipe:
        """Return the recipe without reading data.

        Raises
        ------
        FileFormatError
            As for `check`, and for what the net leaves to the data.
        """
        faults: list[str] = []
        data = {} if self.data is None else {"data": self.data}
        recipe = read_recipe({**self.table, **data}, "recipe", faults)
        if self.open:
            faults.append(
                "recipe.net leaves an entry to the data: give input_shape and classes, or the data "
                "(edgespike train --data PATH, edgespike.nn.load_draft)"
            )
        self._refuse(faults)
        assert recipe is not None
        return recipe

    def _recipe(self, shape: tuple[int, ...], classes: int, signed: bool) -> Recipe:
        faults: list[str] = []
        net = {"input_shape": list(shape), "classes": classes, **self._net}
        if signed:
            net["signed"] = True
        recipe = read_recipe({**self.table, "net": net, "data": self.data}, "recipe", faults)
        self._refuse(faults, f" for samples of shape {shape} and {classes} classes")
        assert recipe is not None
        return recipe

    def _refuse_contradictions(self, task: Task) -> None:
        signed = task.train_images.dtype == np.int8
        found = {
            "input_shape": list(task.train_images.shape[1:]),
            "classes": len(task.class_names),
            "signed": bool(signed),
        }
        faults = [
            f"net.{name} is {shown(self._net[name])} in the recipe, {shown(value)} in the data"
            for name, value in found.items()
            if name in self._net and self._net[name] != value
        ]
        if faults:
            raise InputError(
                f"recipe {self.name} does not fit the data: {'; '.join(faults)}; leave these "
                "entries out of the recipe, or name other data"
            )

    def _refuse(self, faults: list[str], when: str = "") -> None:
        if faults:
            lines = "".join(f"\n  - {fault}" for fault in faults)
            raise FileFormatError(f"recipe {self.name} is not valid{when}:{lines}")


def load_draft(name_or_path: str | Path, data: str | Path | None = None, **options: Any) -> Draft:
    """Load a recipe that may be for data of one's own.

    Example::

        recipe, task = edgespike.nn.load_draft("images_s3nn", data="digits").read()
        edgespike.nn.train(recipe, Path("runs/digits"), task=task)

    Parameters
    ----------
    name_or_path
        Name of a shipped recipe, or path of a TOML file.
    data
        Name of a known data set, or a file or folder of one's own, in place of the recipe's.
    options
        Further entries of `edgespike.data.own.DataOptions`, in place of the recipe's; None keeps
        an entry.

    Raises
    ------
    InputError
        There is no such recipe; no data is named, neither here nor in the recipe; or there are
        options for a known data set.
    FileFormatError
        The file is not TOML, or its data is not valid.
    """
    table = of_today(read_toml("recipe", str(name_or_path), FOLDER))
    stated = table.pop("data", None)
    shipped = str(name_or_path) in shipped_names(FOLDER)
    given = {name: value for name, value in options.items() if value is not None}
    if data is not None:
        given["path"] = str(data)
    folder = Path() if shipped else Path(name_or_path).parent
    if isinstance(table.get("teacher"), str) and table["teacher"]:
        table["teacher"] = str(folder / table["teacher"])
    draft = Draft(str(name_or_path), table, None)
    return replace(draft, data=_data(draft, stated, given, folder))


def load_recipe(name_or_path: str | Path) -> Recipe:
    """Load a shipped recipe by name, or any recipe by the path of its TOML file.

    `load_draft` also loads recipes whose net follows the data.

    Raises
    ------
    InputError
        There is no such recipe.
    FileFormatError
        The file is not TOML, is too large or nested too deeply (`edgespike.storage.toml_files`), or
        entries are unknown, missing, of the wrong type or out of range (all are named).
    """
    return load_draft(name_or_path).recipe()


def _data(
    draft: Draft, stated: Any, given: dict[str, Any], folder: Path
) -> str | DataOptions | None:
    path = str(given.get("path", ""))
    if path in DATA_SETS and not Path(path).exists():
        if len(given) > 1:
            raise InputError(
                f"{', '.join(sorted(given.keys() - {'path'}))} is for data of one's own, and "
                f"{path} is a known data set; leave it out"
            )
        return path
    if not isinstance(stated, Mapping):
        if not given:
            known: str | None = stated if stated is not None or draft.open else "fashion_mnist"
            return known
        stated = {}
    whole = {**stated, **given}
    if "path" in stated and "path" not in given and isinstance(stated["path"], str):
        whole["path"] = str(folder / stated["path"])
    return _options(draft.name, whole)


def _options(recipe: str, whole: dict[str, Any]) -> DataOptions:
    faults: list[str] = []
    if isinstance(whole.get("size"), list):
        whole["size"] = tuple(whole["size"])
    found = read_table(DataOptions, whole, "data", faults)
    if found is None:
        hint = "" if "path" in whole else "; give --data PATH (data=...)"
        lines = "".join(f"\n  - {fault}" for fault in faults)
        raise FileFormatError(f"the data of recipe {recipe} is not valid{hint}:{lines}")
    return found
