"""Arguments and options that several commands share, and the exit codes."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from edgespike.graph import Graph

CHECK_FAILED = 1
"""Exit code when everything ran, and what was checked does not hold."""

BAD_USE = 2
"""Exit code for wrong use and bad input."""


def _runtime_names(start: str) -> list[str]:
    from edgespike.targets import runtime_names

    return [name for name in runtime_names() if name.startswith(start)]


class Coding(str, Enum):
    """How a neuron's level travels."""

    GRADED = "graded"
    """As one event that carries a number: the graph as it is."""

    UNARY = "unary"
    """As so many single spikes, see :func:`edgespike.passes.unary.unary`."""

    def apply(self, graph: Graph) -> Graph:
        """Return the graph whose levels travel in this way."""
        if self is Coding.GRADED:
            return graph
        from edgespike.passes.unary import unary

        return unary(graph)


Model = Annotated[Path, typer.Argument(metavar="MODEL", help="Trained checkpoint or graph file.")]
Input = Annotated[
    Path,
    typer.Option(
        "--input",
        "-i",
        metavar="X.npy",
        help="Integer samples, (samples, ...) or (samples, steps, ...), as numpy.save writes them.",
    ),
]
Samples = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Use the first N samples only.")
]
TargetName = Annotated[
    str,
    typer.Option(
        "--target", "-t", metavar="NAME", help="Where to run.", autocompletion=_runtime_names
    ),
]
Html = Annotated[
    Path | None, typer.Option(metavar="FILE.html", help="Also write a page with plots there.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
