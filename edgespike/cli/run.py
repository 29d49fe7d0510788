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

SHOWN = 20
"""How many samples are printed unless all are asked for."""


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
    every: Annotated[
        bool, typer.Option("--all", help=f"Print every sample, not only the first {SHOWN}.")
    ] = False,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Run samples on a target and print the classes.

    Of a model with a single output, print its value in real units.

    With labels, the accuracy is printed first, and wrong answers are marked.

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
        tally = tally_all(runner, array[:samples], target, report)
    accumulators, silent = tally.accumulators, tally.silent
    predicted = predictions(graph, accumulators)
    accuracy = float((predicted == labels).mean()) if labels is not None else None
    beliefs, single = _beliefs(graph, accumulators), _single_values(graph, accumulators)
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
            "silent_layers": list(silent),
            **{name: values.tolist() for name, values in beliefs.items()},
        }
        if single is not None:
            answer["values"] = single.tolist()
        print_json(answer)
        return
    if accuracy is not None:
        marked = "; * marks the wrong ones" if accuracy < 1 else ""
        print(f"accuracy {accuracy:.2%} of {len(predicted)} samples{marked}")
    if silent:
        print(f"silent layers, without a single event: {', '.join(silent)}")
    _print_samples(predicted, single, labels, beliefs, len(predicted) if every else SHOWN)


def _print_samples(
    predicted: NDArray[np.int64],
    single: NDArray[np.float64] | None,
    labels: NDArray[np.int64] | None,
    beliefs: dict[str, NDArray[np.float64]],
    most: int,
) -> None:
    """Print the first samples, one per line, and mark those whose class is not their label."""
    columns: dict[str, Sequence[object]] = {"class ": predicted[:most].tolist()}
    if single is not None:
        columns = {"value ": [f"{value:.6g}" for value in single[:most]]}
    if labels is not None:
        columns["label"] = [
            f"{label}" if label == given else f"{label} *"
            for label, given in zip(labels[:most], predicted[:most], strict=True)
        ]
    columns |= _belief_columns(beliefs, most)
    shown = min(most, len(predicted))
    print_table(["sample ", *columns], zip(range(shown), *columns.values(), strict=True))
    if shown < len(predicted):
        print(
            f"and {len(predicted) - shown:,} more samples; --all prints them, --json and --out "
            "hold all"
        )


def _single_values(graph: Graph, accumulators: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Return the answers, ``(samples,)``, where a class would say nothing: there is only one."""
    from edgespike.trace import logits

    op = graph.readout_op
    return logits(graph, accumulators)[:, 0] if op.classes == op.members == 1 else None


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


def _belief_columns(
    beliefs: dict[str, NDArray[np.float64]], most: int
) -> dict[str, Sequence[object]]:
    if not beliefs:
        return {}
    largest = {"probability": beliefs["probabilities"].max(axis=1)}
    entropies = {
        name.replace("_", " "): values for name, values in beliefs.items() if values.ndim == 1
    }
    return {
        f"{name} ": [f"{value:.4f}" for value in values[:most]]
        for name, values in {**largest, **entropies}.items()
    }


def _write(path: Path, **arrays: NDArray[Any]) -> None:
    import numpy as np

    from edgespike.storage.files import write_atomically

    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]  # numpy's stub misreads its keywords
    write_atomically(path, content.getvalue())
