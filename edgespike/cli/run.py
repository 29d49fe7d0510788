"""``edgespike run``."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgespike.cli.options import InputFile, Json, ModelFile, Samples, TargetName, Threads
from edgespike.cli.output import print_json, print_table, progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edgespike.graph import Graph

EXAMPLE = "edgespike run graph.safetensors --input images.npy --labels labels.npy"


def command(
    model: ModelFile,
    input_file: InputFile,
    target: TargetName = "cpu",
    labels_file: Annotated[
        Path | None,
        typer.Option("--labels", metavar="Y.npy", help="Class of each sample, for the accuracy."),
    ] = None,
    samples: Samples = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE.npz", help="Write predictions and accumulators there."
        ),
    ] = None,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Run samples on a target and print the classes.

    For an ensemble, also print the mean probability of each class and its entropy in nats, split
    into the uncertainty within members and the disagreement between them.
    """
    import edgespike
    from edgespike.batches import tally_all
    from edgespike.samples import read_labels, read_samples
    from edgespike.storage.files import check_output
    from edgespike.targets import prepare
    from edgespike.threads import at_most
    from edgespike.trace import predictions

    check_output(out, [model, input_file, labels_file])
    graph = edgespike.load(model)
    array = read_samples(graph, input_file)
    labels = None
    if labels_file is not None:
        labels = read_labels(labels_file, len(array), graph.readout_op.classes)[:samples]
    runner = prepare(graph, target)
    with at_most(threads), progress() as report:
        accumulators = tally_all(runner, array[:samples], target, report).accumulators
    predicted = predictions(graph, accumulators)
    accuracy = float((predicted == labels).mean()) if labels is not None else None
    beliefs = _beliefs(graph, accumulators)
    if out is not None:
        _write(out, predictions=predicted, accumulators=accumulators, **beliefs)
    if as_json:
        answer = {
            "graph": graph.hash,
            "target": target,
            "runtime": runner.runtime,
            "samples": len(predicted),
            "predictions": predicted.tolist(),
            "accuracy": accuracy,
            **{name: values.tolist() for name, values in beliefs.items()},
        }
        print_json(answer)
        return
    columns: dict[str, Sequence[object]] = {"class": predicted.tolist()}
    if labels is not None:
        columns["label"] = labels.tolist()
    if beliefs:
        columns |= _belief_columns(beliefs)
    names = [f"{name} " for name in ("sample", *columns)]
    print_table(names, zip(range(len(predicted)), *columns.values(), strict=True))
    if labels is not None:
        print(f"accuracy {accuracy:.2%} of {len(predicted)} samples")


def _beliefs(graph: Graph, accumulators: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Return what an ensemble says beyond the class; nothing for a single model."""
    import numpy as np

    from edgespike.trace import log_probabilities, uncertainty

    if graph.readout_op.members == 1:
        return {}
    found = uncertainty(graph, accumulators)
    return {
        "probabilities": np.exp(log_probabilities(graph, accumulators)),
        "entropy": found.entropy,
        "expected_entropy": found.expected_entropy,
        "mutual_information": found.mutual_information,
    }


def _belief_columns(beliefs: dict[str, NDArray[np.float64]]) -> dict[str, Sequence[object]]:
    largest = {"probability": beliefs["probabilities"].max(axis=1)}
    entropies = {
        name.replace("_", " "): values for name, values in beliefs.items() if values.ndim == 1
    }
    return {
        name: [f"{value:.4f}" for value in values]
        for name, values in {**largest, **entropies}.items()
    }


def _write(path: Path, **arrays: NDArray[Any]) -> None:
    import numpy as np

    from edgespike.storage.files import write_atomically

    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]  # numpy's stub misreads its keywords
    write_atomically(path, content.getvalue())
