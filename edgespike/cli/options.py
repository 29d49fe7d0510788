"""Arguments and options that several commands share, and exit codes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

CHECK_FAILED = 1
"""Exit code when everything ran and a check failed."""

BAD_USE = 2
"""Exit code for wrong usage and bad input."""


OLD_SPELLINGS = {"--samples": "--limit", "--targets": "--target"}
"""Older spellings, each with the one that the help shows.

A command accepts an older spelling of an option that it has, unless it has another option of that
name: ``export --samples FILE`` and ``entropy --samples N`` are no limits.
"""


class Command(TyperCommand):
    """A command that accepts the :data:`OLD_SPELLINGS` of its options."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        """Return a context whose parser looks older spellings up under the new ones."""
        extra.setdefault("token_normalize_func", self._spelled)
        return super().make_context(info_name, args, parent, **extra)

    def _spelled(self, name: str) -> str:
        """Return the spelling, without dashes, under which the parser looks an option up."""
        known = {option for each in self.params for option in each.opts}
        new = OLD_SPELLINGS.get(f"--{name}", "")
        return new.removeprefix("--") if new in known and f"--{name}" not in known else name


def split_names(given: str | Iterable[str]) -> list[str]:
    """Return the names in options that may be repeated and may hold several, split at commas."""
    texts = [given] if isinstance(given, str) else given
    return [name.strip() for text in texts for name in text.split(",") if name.strip()]


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
        metavar="X",
        help="Samples: an .npy or .npz file of (samples, ...) or (samples, steps, ...), a folder "
        "of images or arrays, or a .csv file. Integers are the graph's own; measured numbers need "
        "a graph with a scaling.",
    ),
]
Limit = Annotated[
    int | None,
    typer.Option("--limit", min=1, metavar="N", help="Use only the first N samples."),
]
LabelsFile = Annotated[
    Path | None,
    typer.Option("--labels", metavar="Y.npy", help="Class of each sample, for the accuracy."),
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
    list[str],
    typer.Option(
        "--target",
        "-t",
        metavar="NAME[,NAME]",
        help="Targets to compare, separated by commas; may be repeated.",
        autocompletion=_runtime_lists,
    ),
]
EnergyModelName = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help="Energy model. Default: the one that answers what a sample costs.",
        autocompletion=energy_model_names,
    ),
]
ProfileName = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="PROFILE",
        help="Energy profile, shipped or a TOML file.",
        autocompletion=profile_names,
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Use at most N threads. Default: one per core."),
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Share the work between N processes of one thread each.",
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Share the work between the workers of this Dask scheduler: tcp://10.0.0.1:8786.",
    ),
]
Html = Annotated[
    Path | None, typer.Option(metavar="FILE.html", help="Also write an HTML page with charts.")
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite an output file that exists.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON to standard output.")]
Wide = Annotated[
    bool,
    typer.Option("--wide", help="Break no line: one line for each row of a table, however long."),
]
