"""``edgespike show``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgespike.cli.options import Force, Json, ModelFile, Wide
from edgespike.cli.output import print_json, say

EXAMPLE = "edgespike show graph.safetensors --svg graph.svg"


def command(
    model: ModelFile,
    svg: Annotated[
        Path | None, typer.Option(metavar="FILE.svg", help="Also write a drawing of the graph.")
    ] = None,
    force: Force = False,
    layers: Annotated[
        bool,
        typer.Option("--layers", help="List every node with its parameters, and sizes of weights."),
    ] = False,
    wide: Wide = False,
    as_json: Json = False,
) -> None:
    """Show a model's layers, ranges and sizes."""
    import edgespike
    from edgespike.console import make_console
    from edgespike.show.picture import graph_svg
    from edgespike.show.text import graph_json, graph_text, short_text
    from edgespike.storage.files import check_output, write_atomically

    check_output(svg, [model], force)
    graph = edgespike.load(model)
    if svg is not None:
        write_atomically(svg, graph_svg(graph).encode())
        say(f"wrote {svg}")
    if as_json:
        print_json(graph_json(graph))
        return
    width = None if wide else make_console().width
    print((graph_text if layers else short_text)(graph, width))
    if not layers:
        print("\nmore: --layers for parameters and entropy, --svg FILE for a drawing, --json")
