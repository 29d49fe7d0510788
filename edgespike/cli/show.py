"""``edgespike show``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from edgespike.cli.options import Json, ModelFile
from edgespike.cli.output import print_json, say

EXAMPLE = "edgespike show graph.safetensors --svg graph.svg"


def command(
    model: ModelFile,
    svg: Annotated[
        Path | None, typer.Option(metavar="FILE.svg", help="Also write a drawing of the graph.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show a model's layers, ranges and parameters."""
    import edgespike
    from edgespike.console import make_console
    from edgespike.show.picture import graph_svg
    from edgespike.show.text import graph_json, graph_text
    from edgespike.storage.files import check_output, write_atomically

    check_output(svg, [model])
    graph = edgespike.load(model)
    if svg is not None:
        write_atomically(svg, graph_svg(graph).encode())
        say(f"wrote {svg}")
    if as_json:
        print_json(graph_json(graph))
    else:
        # A pipe or a file gets one line for each node.
        width = make_console().width if sys.stdout.isatty() else None
        print(graph_text(graph, width))
