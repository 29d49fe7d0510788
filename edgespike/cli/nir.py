"""``edgespike nir``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgespike.cli.options import Force, Json, ModelFile
from edgespike.cli.output import print_json, say

EXAMPLE = "edgespike nir graph.safetensors --for snntorch -o model.nir"


def _receivers_from(start: str) -> list[str]:
    from edgespike.converters.nir.receivers import RECEIVERS

    return [name for name in RECEIVERS if name.startswith(start)]


def command(
    model: ModelFile,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="NIR file to write.")],
    receiver: Annotated[
        str,
        typer.Option(
            "--for",
            metavar="NAME",
            help="Simulator that will read it: snntorch, norse, sinabs or spikingjelly, or nir for "
            "NIR's own equations.",
            autocompletion=_receivers_from,
        ),
    ] = "nir",
    dt: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Step. Default: the simulator's own."),
    ] = None,
    metadata: Annotated[
        bool,
        typer.Option(
            "--metadata",
            help="Write what NIR does not carry as metadata, which only edgespike reads.",
        ),
    ] = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write a graph as a NIR file, for one simulator.

    Simulators read the same file differently: they choose reset, comparison and step themselves.
    The file is written so that the one named gives the graph's spikes, or refused with everything
    that it would compute otherwise. With --metadata it is written all the same, with the graph
    beside it, which edgespike convert gives back.
    """
    import edgespike
    from edgespike.converters.nir.write import write_nir
    from edgespike.storage.files import check_output

    check_output(out, [model], force)
    graph = edgespike.load(model)
    lost = write_nir(graph, out, receiver, dt, metadata=metadata)
    if as_json:
        print_json({"graph": graph.hash, "file": str(out), "for": receiver, "lost": lost})
        return
    print(f"{out}: graph {graph.hash} for {receiver}")
    for line in lost:
        say(f"{receiver} does not compute this: {line}")
