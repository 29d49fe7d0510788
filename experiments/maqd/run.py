"""MaQD's accuracy for different weight states, activation states, normalisations and batch sizes.

Without arguments it is a rehearsal on the 200 shipped images that takes seconds and whose figures
are meaningless. With ``--full`` it trains on Fashion-MNIST (about half an hour on two cores). It
writes ``results.json`` and ``accuracy.svg``; the latest results are in
``experiments/maqd/results``. Finished runs are not repeated, so an interrupted experiment continues
where it stopped. Each figure comes from one short training: differences below half a point are not
significant.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib
import torch
from matplotlib import pyplot
from rich.console import Console
from rich.table import Table

from edgespike.errors import EdgespikeError
from edgespike.models import shipped_images
from edgespike.nn import ConvSpec, DenseSpec, NetSpec, Recipe, Task, train
from edgespike.storage.files import write_atomically

matplotlib.use("svg")

NET = NetSpec(
    input_shape=(1, 28, 28),
    classes=10,
    layers=(ConvSpec(16, pool=2, states=31), ConvSpec(32, pool=2), DenseSpec(64)),
    activation="levels",
    normalisation="layer_batch",
)
NORMALISATIONS: dict[str, dict[str, Any]] = {
    "batch": {"normalisation": "batch"},
    "layer": {"normalisation": "layer"},
    "group": {"normalisation": "group"},
    "layer-batch, joint": {"normalisation": "layer_batch", "reading": "joint"},
    "layer-batch, averaged": {"normalisation": "layer_batch", "reading": "averaged"},
    "layer-batch, per sample": {"normalisation": "layer_batch", "reading": "per_sample"},
}


@dataclass(frozen=True)
class Scale:
    """The amount of training."""

    batch_sizes: tuple[int, ...]
    weight_states: tuple[int, ...]
    activation_states: tuple[int, ...]
    epochs: int
    limit: int
    seeds: tuple[int, ...]


FULL = Scale((2, 8, 32, 128), (2, 3, 5, 16, 256), (2, 3, 4, 8, 16), 2, 20_000, (1,))
REHEARSAL = Scale((8, 32), (3,), (2, 4), 1, 160, (1,))


@dataclass(frozen=True)
class Run:
    """One training run."""

    table: str
    row: str
    column: str
    seed: int
    recipe: Recipe


def runs(scale: Scale) -> Iterator[Run]:
    """Yield all runs: normalisations by batch sizes, and weight states by activation states."""
    for seed in scale.seeds:
        for name, changes in NORMALISATIONS.items():
            for size in scale.batch_sizes:
                yield _run(scale, "normalisation", name, str(size), seed, size, changes)
        for weights in scale.weight_states:
            for levels in scale.activation_states:
                changes = {"weight_states": weights, "activation_states": levels}
                yield _run(scale, "states", str(weights), str(levels), seed, 128, changes)


def _run(
    scale: Scale,
    table: str,
    row: str,
    column: str,
    seed: int,
    batch_size: int,
    changes: dict[str, Any],
) -> Run:
    recipe = Recipe(
        net=replace(NET, **changes),
        epochs=scale.epochs,
        limit=scale.limit,
        seed=seed,
        batch_size=batch_size,
        # Adam's steps are as large as the rate, so it is lower where a step has fewer samples.
        learning_rate=8e-3 * (batch_size / 128) ** 0.5,
        weight_decay=1e-2,
    )
    return Run(table, row, column, seed, recipe)


def measure(run: Run, folder: Path, task: Task | None) -> list[float]:
    """Train, and return the accuracy on the test set after each epoch."""
    torch.set_num_threads(1)
    name = "_".join((run.table, run.row, run.column, str(run.seed))).replace(", ", "-")
    out = folder / name.replace(" ", "-")
    result = train(run.recipe, out, task=task, resume=True, quiet=True)
    return [float(epoch["test_accuracy"]) for epoch in result.history]


def means(done: list[tuple[Run, list[float]]], table: str) -> dict[str, dict[str, float]]:
    """Return accuracies averaged over the seeds, by row and column."""
    cells: dict[str, dict[str, list[float]]] = {}
    for run, accuracies in done:
        if run.table == table:
            cells.setdefault(run.row, {}).setdefault(run.column, []).append(accuracies[-1])
    return {
        row: {column: sum(found) / len(found) for column, found in columns.items()}
        for row, columns in cells.items()
    }


def print_table(console: Console, title: str, corner: str, cells: dict[str, Any]) -> None:
    """Print accuracies in percent."""
    table = Table(title=title)
    table.add_column(corner)
    for column in next(iter(cells.values())):
        table.add_column(column, justify="right")
    for row, columns in cells.items():
        table.add_row(row, *(f"{100 * value:.2f}" for value in columns.values()))
    console.print(table)


def plot(results: dict[str, dict[str, dict[str, float]]], path: Path) -> None:
    """Plot both tables."""
    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained", sharey=True)
    for axis, (table, label, legend) in zip(
        axes,
        (
            ("normalisation", "mini-batch size", "normalisation"),
            ("states", "activation states", "weight states"),
        ),
        strict=True,
    ):
        for row, columns in results[table].items():
            values = [100 * value for value in columns.values()]
            axis.plot(list(columns), values, marker="o", label=row)
        axis.set_xlabel(label)
        axis.legend(title=legend, fontsize="small")
    axes[0].set_ylabel("accuracy on the test set, %")
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Run the experiment."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="train on Fashion-MNIST")
    parser.add_argument("--out", type=Path, help="folder for runs and results")
    parser.add_argument("--jobs", type=int, default=1, help="number of parallel trainings")
    arguments = parser.parse_args()
    if arguments.jobs < 1:
        parser.error(f"--jobs is {arguments.jobs}; it must be at least 1")
    out = arguments.out or Path(tempfile.mkdtemp(prefix="maqd-"))
    (out / "runs").mkdir(parents=True, exist_ok=True)
    scale, task = FULL, None
    if not arguments.full:
        images, labels = shipped_images()
        scale, task = REHEARSAL, Task(images[:160], labels[:160], images[160:], labels[160:])
    planned = list(runs(scale))
    console = Console()
    with ProcessPoolExecutor(arguments.jobs) as pool:
        found = pool.map(partial(measure, folder=out / "runs", task=task), planned)
        done = []
        for run, accuracies in zip(planned, found, strict=True):
            done.append((run, accuracies))
            place = f"{len(done)}/{len(planned)} {run.table} {run.row} {run.column}"
            console.print(f"{place}, seed {run.seed}: {accuracies[-1]:.2%}", highlight=False)
    results = {table: means(done, table) for table in ("normalisation", "states")}
    print_table(console, "Mini-batch size", "normalisation", results["normalisation"])
    print_table(console, "Activation states", "weight states", results["states"])
    runs_of = [
        {"table": r.table, "row": r.row, "column": r.column, "seed": r.seed, "accuracies": a}
        for r, a in done
    ]
    content = {"means": results, "runs": runs_of}
    write_atomically(out / "results.json", (json.dumps(content, indent=1) + "\n").encode())
    plot(results, out / "accuracy.svg")
    console.print(f"written to {out}: results.json, accuracy.svg")


if __name__ == "__main__":
    try:
        main()
    except (EdgespikeError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
