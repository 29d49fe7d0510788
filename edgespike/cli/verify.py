"""``edgespike verify``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from edgespike.cli.options import (
    CHECK_FAILED,
    Force,
    InputFile,
    Json,
    Limit,
    ModelFile,
    TargetNames,
    Threads,
    Wide,
    split_names,
)
from edgespike.cli.output import print_json, progress

EXAMPLE = "edgespike verify graph.safetensors -t cpu,loihi,tflite --input images.npy"


def command(
    model: ModelFile,
    input_file: InputFile,
    targets: TargetNames = ("cpu",),  # type: ignore[assignment]  # a list would be shared
    limit: Limit = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE.json", help="Write the certificate there."),
    ] = None,
    force: Force = False,
    layers: Annotated[
        bool, typer.Option("--layers", help="Also print what was compared in every layer.")
    ] = False,
    wide: Wide = False,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Compare targets with the definition, bit for bit.

    Every layer and step of the given samples is compared.

    The exit code is 1 if a target differs.
    """
    import edgespike
    from edgespike.cli.certificate import certificate_facts, print_certificate, print_layers
    from edgespike.console import make_console, print_facts, print_lines
    from edgespike.samples import read_inputs
    from edgespike.storage.files import check_output, write_atomically
    from edgespike.threads import at_most

    check_output(out, [model, input_file], force)
    graph = edgespike.load(model)
    array = read_inputs(graph, input_file, limit).samples
    with at_most(threads), progress() as report:
        certificate = edgespike.verify(graph, array, split_names(targets), progress=report)
    if out is not None:
        write_atomically(out, (json.dumps(certificate.to_json(), indent=2) + "\n").encode())
    if as_json:
        print_json(certificate.to_json())
    else:
        console = make_console(wide)
        print_certificate(certificate, console)
        print_facts(console, certificate_facts(certificate), most=2)
        if layers:
            print_layers(graph, certificate, console)
        else:
            print_lines(console, ["", "more: --layers, -o FILE.json for a certificate, --json"])
    if not certificate.equal:
        raise typer.Exit(CHECK_FAILED)
