"""``edgespike verify``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgespike.cli.options import (
    CHECK_FAILED,
    InputFile,
    Json,
    ModelFile,
    Samples,
    TargetNames,
    Threads,
)
from edgespike.cli.output import print_json, print_table, progress

if TYPE_CHECKING:
    from edgespike.verification import Certificate

EXAMPLE = "edgespike verify graph.safetensors --targets cpu,loihi,tflite --input images.npy"


def command(
    model: ModelFile,
    input_file: InputFile,
    targets: TargetNames = "cpu",
    samples: Samples = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE.json", help="Write the certificate there."),
    ] = None,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Compare targets with the definition, bit for bit.

    Every layer and step of the given samples is compared.

    The exit code is 1 if a target differs.
    """
    import edgespike
    from edgespike.samples import read_samples
    from edgespike.storage.files import check_output, write_atomically
    from edgespike.threads import at_most

    check_output(out, [model, input_file])
    graph = edgespike.load(model)
    array = read_samples(graph, input_file, samples)
    with at_most(threads), progress() as report:
        certificate = edgespike.verify(graph, array, split_names(targets), progress=report)
    if out is not None:
        write_atomically(out, (json.dumps(certificate.to_json(), indent=2) + "\n").encode())
    if as_json:
        print_json(certificate.to_json())
    else:
        print_certificate(certificate)
    if not certificate.equal:
        raise typer.Exit(CHECK_FAILED)


def split_names(text: str) -> list[str]:
    """Split a list of names at its commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def print_certificate(certificate: Certificate) -> None:
    """Print a certificate for people."""
    print(f"graph  {certificate.graph}\ninputs {certificate.inputs}")
    print_table(
        [
            *("target", "runtime", "samples ", "steps ", "layers "),
            *("synaptic operations ", "multiply-\naccumulates ", "result"),
        ],
        [
            (
                name,
                result.runtime,
                result.samples,
                result.steps,
                result.layers,
                result.synaptic_operations,
                result.multiply_accumulates,
                "equal" if result.equal else "DIFFERENT",
            )
            for name, result in certificate.targets.items()
        ],
    )
    for name, result in certificate.targets.items():
        at = result.first_difference
        if at is not None:
            print(
                f"{name} first differs in layer {at.layer}, sample {at.sample}, step {at.step}, "
                f"neuron {at.neuron}: found {at.found}, "
                f"expected {at.expected}"
            )
