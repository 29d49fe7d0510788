"""``edgespike run``."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgespike.cli.options import Input, Json, Model, Samples, TargetName
from edgespike.cli.output import print_json, print_table, progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edgespike.graph import Graph

EXAMPLE = "edgespike run graph.safetensors --input images.npy --labels labels.npy"


def command(
    model: Model,
    input_file: Input,
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
    as_json: Json = False,
) -> None:
    """Run samples on a target and print the classes."""
    import edgespike
    from edgespike.samples import read_labels, read_samples
    from edgespike.targets import get_target
    from edgespike.trace import predictions

    graph = edgespike.load(model)
    array = read_samples(graph, input_file)
    labels = read_labels(labels_file, len(array))[:samples] if labels_file else None
    accumulators = _accumulators(graph, array[:samples], target)
    predicted = predictions(graph, accumulators)
    accuracy = float((predicted == labels).mean()) if labels is not None else None
    if out is not None:
        _write(out, predictions=predicted, accumulators=accumulators)
    if as_json:
        answer = {
            "graph": graph.hash,
            "target": target,
            "runtime": get_target(target).runtime_for(graph),
            "samples": len(predicted),
            "predictions": predicted.tolist(),
            "accuracy": accuracy,
        }
        print_json(answer)
        return
    rows = enumerate(predicted.tolist())
    if labels is None:
        print_table(["sample ", "class "], rows)
    else:
        print_table(["sample ", "class ", "label "], [(*row, labels[row[0]]) for row in rows])
        print(f"accuracy {accuracy:.2%} of {len(predicted)} samples")


def _accumulators(graph: Graph, samples: NDArray[Any], target: str) -> NDArray[np.int64]:
    """Run in batches, and keep of each only the readout."""
    import numpy as np

    import edgespike
    from edgespike.batches import batches

    parts = []
    with progress() as report:
        for start, batch in batches(graph, samples):
            report(target, start, len(samples))
            parts.append(edgespike.run(graph, batch, target).accumulators(graph))
            report(target, start + len(batch), len(samples))
    return np.concatenate(parts)


def _write(path: Path, **arrays: NDArray[np.int64]) -> None:
    import numpy as np

    from edgespike.files import write_atomically

    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]  # numpy's stub confuses its keywords
    write_atomically(path, content.getvalue())
