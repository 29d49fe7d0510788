"""``edgespike convert``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgespike.cli.options import Json, Model
from edgespike.cli.output import print_json

EXAMPLE = "edgespike convert runs/fashion/model.safetensors -o graph.safetensors"


def command(
    model: Model,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="Graph file to write.")],
    as_json: Json = False,
) -> None:
    """Convert a trained checkpoint to an integer graph."""
    import edgespike

    graph = edgespike.load(model)
    edgespike.save(graph, out)
    if as_json:
        print_json({"graph": graph.hash, "file": str(out)})
    else:
        print(f"{out}: graph {graph.hash}, {len(graph.nodes)} nodes")
