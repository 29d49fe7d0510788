"""``edgespike run``."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgespike.cli.answers import Answers, print_answers
from edgespike.cli.inputs import inputs_with_labels
from edgespike.cli.options import (
    Force,
    InputFile,
    Json,
    LabelsFile,
    Limit,
    ModelFile,
    TargetName,
    Threads,
)
from edgespike.cli.output import print_json, progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXAMPLE = "edgespike run graph.safetensors --input images.npy --labels labels.npy"

SHOWN = 10
"""How many samples are printed unless all are asked for."""


def command(
    model: ModelFile,
    input_file: InputFile,
    target: TargetName = "cpu",
    labels_file: LabelsFile = None,
    limit: Limit = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE.npz", help="Write predictions and accumulators there."
        ),
    ] = None,
    force: Force = False,
    every: Annotated[
        bool, typer.Option("--all", help=f"Print every sample, not only the first {SHOWN}.")
    ] = False,
    confusion: Annotated[
        bool,
        typer.Option(
            "--confusion",
            help="Print how often each class is taken for each other instead of samples.",
        ),
    ] = False,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Run samples on a target and print the classes.

    They are printed with their names if the model has some. Of a model with a single output, print
    its value in real units.

    With labels, print the accuracy first, then which classes are confused most often; wrong answers
    are marked.

    For an ensemble, also print the mean probability of each class and its entropy in nats, split
    into the uncertainty within members and the disagreement between them.
    """
    import edgespike
    from edgespike.batches import tally_all
    from edgespike.errors import InputError
    from edgespike.storage.files import check_output
    from edgespike.targets import prepare
    from edgespike.threads import at_most

    check_output(out, [model, input_file, labels_file], force)
    graph = edgespike.load(model)
    inputs = inputs_with_labels(graph, input_file, labels_file, limit)
    if confusion and inputs.labels is None:
        raise InputError(
            f"--confusion compares classes with labels, and {input_file} has none; give --labels "
            "Y.npy too"
        )
    runner = prepare(graph, target)
    with at_most(threads), progress() as report:
        tally = tally_all(runner, inputs.samples, target, report)
    found = Answers.of(graph, tally.accumulators, inputs.labels)
    if out is not None:
        _write(out, predictions=found.predicted, accumulators=tally.accumulators, **found.beliefs)
    if as_json:
        print_json(
            {
                "graph": graph.hash,
                "target": target,
                "runtime": runner.runtime,
                "samples": len(found.predicted),
                "predictions": found.predicted.tolist(),
                "accuracy": found.accuracy,
                "silent_layers": list(tally.silent),
                **found.as_json(),
            }
        )
        return
    shown = len(found.predicted) if every else 0 if confusion else SHOWN
    print_answers(found, tally.silent, shown, confusion)


def _write(path: Path, **arrays: NDArray[Any]) -> None:
    import numpy as np

    from edgespike.storage.files import write_atomically

    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]  # numpy's stub misreads its keywords
    write_atomically(path, content.getvalue())
