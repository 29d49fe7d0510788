"""Arguments and options that several commands share, and exit codes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

CHECK_FAILED = 1
"""Exit code when everything ran and a check failed."""

BAD_USE = 2
"""Exit code for wrong usage and bad input."""


ALIASES = {"limit": "samples", "targets": "target"}
"""Spellings of the same option, without dashes: every command accepts both for any option it has.

The help shows the one that a command declares.
"""


def spelled(name: str) -> str:
    """Return the spelling under which the parser looks an option up."""
    return ALIASES.get(name, name)


def runtime_names_from(start: str) -> list[str]:
    """Complete the name of a runtime."""
    from edgespike.targets import runtime_names

    return [name for name in runtime_names() if name.startswith(start)]


def _runtime_lists(start: str) -> list[str]:
    """Complete the last of several names that are separated by commas."""
    before, comma, last = start.rpartition(",")
    named = before.split(",")
    return [before + comma + name for name in runtime_names_from(last) if name not in named]


def recipe_names(start: str) -> list[str]:
    """Complete the name of a shipped recipe; nothing without torch, which training needs."""
    from importlib.util import find_spec

    if find_spec("torch") is None:
        return []
    from edgespike.nn.training.recipe import shipped_recipes

    return [name for name in shipped_recipes() if name.startswith(start)]


def data_names(start: str) -> list[str]:
    """Complete the name of a data set."""
    from edgespike.data import DATA_SETS

    return [name for name in DATA_SETS if name.startswith(start)]


def model_names(start: str) -> list[str]:
    """Complete the name of a shipped model."""
    from edgespike.models import MODELS

    return [name for name in MODELS if name.startswith(start)]


def profile_names(start: str) -> list[str]:
    """Complete the name of a shipped energy profile."""
    from edgespike.energy import shipped_profiles

    return [name for name in shipped_profiles() if name.startswith(start)]


def energy_model_names(start: str) -> list[str]:
    """Complete the name of an energy model."""
    from edgespike.energy import ENERGY_MODELS

    return [name for name in ENERGY_MODELS if name.startswith(start)]


ModelFile = Annotated[
    Path, typer.Argument(metavar="MODEL", help="Trained checkpoint or graph file.")
]
InputFile = Annotated[
    Path,
    typer.Option(
        "--input",
        "-i",
        metavar="X.npy",
        help="Integer samples, (samples, ...) or (samples, steps, ...), as numpy.save writes them.",
    ),
]
Samples = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Use only the first N samples.")
]
TargetName = Annotated[
    str,
    typer.Option(
        "--target",
        "-t",
        metavar="NAME",
        help="Target, or one of its runtimes; edgespike targets lists them.",
        autocompletion=runtime_names_from,
    ),
]
TargetNames = Annotated[
    str,
    typer.Option(
        "--targets",
        "-t",
        metavar="NAMES",
        help="Targets to compare, separated by commas.",
        autocompletion=_runtime_lists,
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Use at most N threads. Default: one per core."),
]
Html = Annotated[
    Path | None, typer.Option(metavar="FILE.html", help="Also write an HTML page with charts.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON to standard output.")]
