"""Arguments and options that several commands share, and exit codes."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from edgespike.graph import Graph

CHECK_FAILED = 1
"""Exit code when everything ran and a check failed."""

BAD_USE = 2
"""Exit code for wrong usage and bad input."""


def _runtime_names(start: str) -> list[str]:
    from edgespike.targets import runtime_names

    return [name for name in runtime_names() if name.startswith(start)]


class Coding(str, Enum):
    """How the levels of neurons are transmitted."""

    GRADED = "graded"
    """As one event that carries a number: the graph unchanged."""

    UNARY = "unary"
    """As that many single spikes, see :func:`edgespike.passes.unary.unary`."""

    def apply(self, graph: Graph) -> Graph:
        """Return the graph with its levels transmitted in this way."""
        if self is Coding.GRADED:
            return graph
        from edgespike.passes.unary import unary

        return unary(graph)


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
        help="Target; edgespike targets lists them.",
        autocompletion=_runtime_names,
    ),
]
Html = Annotated[
    Path | None, typer.Option(metavar="FILE.html", help="Also write an HTML page with charts.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON to standard output.")]
