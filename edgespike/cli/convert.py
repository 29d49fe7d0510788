"""``edgespike convert``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgespike.cli.options import Coding, Json, Model
from edgespike.cli.output import print_json

EXAMPLE = "edgespike convert runs/fashion/model.safetensors -o graph.safetensors"


def command(
    model: Model,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="Graph file to write.")],
    coding: Annotated[
        Coding,
        typer.Option(help="How levels travel: as numbers, or as so many single spikes."),
    ] = Coding.GRADED,
    as_json: Json = False,
) -> None:
    """Convert a trained checkpoint to an integer graph.

    With --coding unary, neurons of several levels become several neurons of single spikes: the
    readout stays the same, and every target runs the graph, the counts of which are its own.
    """
    import edgespike

    graph = coding.apply(edgespike.load(model))
    edgespike.save(graph, out)
    if as_json:
        print_json({"graph": graph.hash, "file": str(out)})
    else:
        print(f"{out}: graph {graph.hash}, {len(graph.nodes)} nodes")
