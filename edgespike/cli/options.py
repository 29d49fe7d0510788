"""Arguments and options that several commands share, and exit codes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

CHECK_FAILED = 1
"""Exit code when everything ran and a check failed."""

BAD_USE = 2
"""Exit code for wrong usage and bad input."""


def _runtime_names(start: str) -> list[str]:
    from edgespike.targets import runtime_names

    return [name for name in runtime_names() if name.startswith(start)]


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
        autocompletion=_runtime_names,
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Use at most N threads. Default: one on each core."),
]
Html = Annotated[
    Path | None, typer.Option(metavar="FILE.html", help="Also write an HTML page with charts.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON to standard output.")]
