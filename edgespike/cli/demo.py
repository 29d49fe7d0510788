"""``edgespike demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgespike.cli.energy import print_energy
from edgespike.cli.options import CHECK_FAILED, Html, Json, TargetNames, model_names
from edgespike.cli.output import print_json, progress, say
from edgespike.cli.targets import set_up
from edgespike.cli.verify import print_certificate, split_names
from edgespike.models import DEFAULT, MODELS

EXAMPLE = "edgespike demo --targets cpu,tflite --html demo.html"


def command(
    targets: TargetNames = "cpu,loihi,tflite",
    samples: Annotated[
        int, typer.Option(min=1, metavar="N", help="Compare on the first N images.")
    ] = 100,
    files: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Only write the model, images and labels into a new folder."
        ),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help=f"Shipped model: {', '.join(MODELS)}.",
            autocompletion=model_names,
        ),
    ] = DEFAULT,
    html: Html = None,
    as_json: Json = False,
) -> None:
    """Run the whole pipeline on a shipped model and images.

    Classify 200 images and count, compare the targets bit for bit on the first 100 of them
    (--samples), and estimate the energy.
    """
    import edgespike
    from edgespike.batches import tally_all
    from edgespike.energy import energy_report
    from edgespike.errors import InputError
    from edgespike.models import shipped_images, shipped_model, write_files
    from edgespike.prepared import prepared
    from edgespike.storage.files import check_output
    from edgespike.targets import refusals
    from edgespike.trace import predictions

    if files is not None:
        if html is not None:
            raise InputError("--files and --html cannot be combined; leave one out")
        write_files(files, model)
        say(f"model.safetensors, images.npy and labels.npy are in {files}")
        return
    check_output(html)
    graph = shipped_model(model)  # before anything is installed for it
    names = split_names(targets)
    _set_up_missing(names)
    images, labels = shipped_images(model)
    cpu = prepared(graph, "cpu")
    say(f"classifying {len(images)} images of Fashion-MNIST with {graph.name}, and counting")
    with progress() as report_progress:
        tally = tally_all(cpu.runner, images, "cpu", report_progress)
    accuracy = float((predictions(graph, tally.accumulators) == labels).mean())
    some = images[:samples]
    say(f"comparing {', '.join(names)} with the definition, every layer of {len(some)} images")
    with progress() as report_progress:
        certificate = edgespike.verify(graph, some, names, progress=report_progress)
    report = energy_report(graph, cpu.counter.counts(tally), refusals=refusals(graph))
    if html is not None:
        from edgespike.report import write_page

        write_page(html, graph, report, certificate=certificate.to_json())
        say(f"wrote {html}")
    if as_json:
        answers = {"verify": certificate.to_json(), "energy": report.to_json()}
        print_json({"accuracy": accuracy, **answers})
    else:
        print_energy(report)
        # Last, so that it is seen without scrolling back.
        print_certificate(certificate)
        print(f"accuracy {accuracy:.2%} of {len(images)} test images")
    if not certificate.equal:
        raise typer.Exit(CHECK_FAILED)


def _set_up_missing(names: list[str]) -> None:
    for name in names:
        _set_up_if_missing(name)


def _set_up_if_missing(name: str) -> None:
    from edgespike.errors import EdgespikeError, EnvironmentMissingError
    from edgespike.targets import get_runtime

    try:
        get_runtime(name).version()
    except EnvironmentMissingError:
        try:
            set_up(name)
        except EdgespikeError as error:
            raise EnvironmentMissingError(
                f"{error}\nto continue without {name}, name the other targets: "
                "edgespike demo --targets cpu,..."
            ) from error
