"""``edgespike demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgespike.cli.inputs import confusion_of
from edgespike.cli.options import (
    CHECK_FAILED,
    Force,
    Html,
    Json,
    TargetNames,
    Wide,
    model_names,
    split_names,
)
from edgespike.cli.output import MOST_LINES, print_json, progress, say
from edgespike.cli.targets import set_up
from edgespike.models import DEFAULT, MODELS

EXAMPLE = "edgespike demo -t cpu,tflite --html demo.html"

_TARGETS = 3
"""How many targets are named line by line."""


def command(
    targets: TargetNames = ("cpu", "loihi", "tflite"),  # type: ignore[assignment]
    limit: Annotated[
        int, typer.Option("--limit", min=1, metavar="N", help="Compare on the first N images.")
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
    force: Force = False,
    wide: Wide = False,
    as_json: Json = False,
) -> None:
    """Run the whole pipeline on a shipped model and images.

    Classify 200 images and count, compare the targets bit for bit on the first 100 of them
    (--limit), and estimate the energy.
    """
    import edgespike
    from edgespike.api import report_tally
    from edgespike.batches import tally_all
    from edgespike.cli.certificate import print_certificate
    from edgespike.console import make_console, print_lines
    from edgespike.errors import InputError
    from edgespike.models import shipped_images, shipped_model, write_files
    from edgespike.prepared import prepared
    from edgespike.report import print_report
    from edgespike.storage.files import check_output

    if files is not None:
        if html is not None:
            raise InputError("--files and --html cannot be combined; leave one out")
        write_files(files, model)
        say(f"model.safetensors, images.npy and labels.npy are in {files}")
        return
    check_output(html, force=force)
    graph = shipped_model(model)  # before anything is installed for it
    names = split_names(targets)
    _set_up_missing(names)
    images, labels = shipped_images(model)
    cpu = prepared(graph, "cpu")
    say(f"classifying {len(images)} images of Fashion-MNIST with {graph.name}, and counting")
    with progress() as report_progress:
        tally = tally_all(cpu.runner, images, "cpu", report_progress)
    some = images[:limit]
    say(f"comparing {', '.join(names)} with the definition, every layer of {len(some)} images")
    with progress() as report_progress:
        certificate = edgespike.verify(graph, some, names, progress=report_progress)
    report = report_tally(cpu, tally, "cpu", labels=labels)
    if html is not None:
        from edgespike.report import write_page

        confusion = confusion_of(graph, tally.accumulators, labels)
        write_page(html, graph, report, certificate.to_json(), confusion=confusion)
        say(f"wrote {html}")
    if as_json:
        answers = {"verify": certificate.to_json(), "energy": report.to_json()}
        print_json({"accuracy": report.accuracy, **answers})
    else:
        console = make_console(wide)
        print_certificate(certificate, console, _TARGETS)
        console.print()
        named = min(len(certificate.targets), _TARGETS) + 1
        told = 0 if certificate.equal else 5
        print_report(report, console, lines=MOST_LINES - 3 - named - told)
        print_lines(console, ["more: edgespike demo --files DIR, then verify, energy and show"])
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
                "edgespike demo -t cpu,..."
            ) from error
