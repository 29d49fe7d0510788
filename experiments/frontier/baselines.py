"""Baselines beside the penalties: nets of the same layers, converted and counted like a sweep's.

For each seed, the float ReLU net of a recipe is trained and converted without training, to several
numbers of levels and to rates of spikes, and a net of snnTorch's leaky neurons is trained and
converted. Each graph is verified on the cpu target and counted on all test samples. Rows have the
columns of ``edgespike sweep``, so that ``edgespike frontier`` shows each baseline as a series of
one point. Without ``--out`` it is a rehearsal of seconds on the 200 shipped images, whose figures
are meaningless. The same command goes on after a kill: finished rows are not made again, and
trainings go on after their last epoch.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import snntorch
import torch

import edgespike
from edgespike.api import usable_profiles
from edgespike.errors import EdgespikeError, InputError
from edgespike.models import shipped_images
from edgespike.nn import Task, load_recipe, load_task
from edgespike.storage.files import write_atomically
from edgespike.sweep.grid import read_axis
from edgespike.sweep.point import FIGURES, Counting, count_graph
from edgespike.sweep.results import Row, append_row, read_rows
from experiments.frontier.conversions import LEAKY_STEPS, RELU, Baseline, Plan, baselines
from experiments.frontier.page import page
from experiments.frontier.training import Trained, trained_leaky, trained_relu

RECIPE = "fashion_small_relu"
TABLE, SOURCES, PAGE = "baselines.jsonl", "sources.jsonl", "baselines.md"
"""Rows of the baselines, of the nets before their conversion, and both as a page."""

LEVELS = (256, 16, 8, 4, 2)
RATE_STEPS = (16, 8)
VERIFIED = 200
WITHOUT_PENALTY = 0.0


def trained(source: str, seed: int, plan: Plan, folder: Path) -> Trained:
    """Return a net that baselines are made of, trained if it is not there yet."""
    place, recipe = folder / f"{source}-seed{seed}", replace(plan.recipe, seed=seed)
    if source == RELU:
        return trained_relu(recipe, plan.task if plan.given else None, place)
    recipe = replace(recipe, epochs=plan.leaky_epochs)
    return trained_leaky(recipe, LEAKY_STEPS, plan.task.limited(recipe.limit), place)


def measure(plan: Plan, seeds: Sequence[int], out: Path, runs: Path) -> Iterator[Row]:
    """Yield the rows of all baselines for all seeds, each after it is on disk.

    Parameters
    ----------
    out, runs
        Folders of the tables, and of the trainings.
    """
    done = {row["point"]: row for row in read_rows(out / TABLE)}
    known = {row["point"] for row in read_rows(out / SOURCES)}
    get = cache(partial(trained, plan=plan, folder=runs))
    for seed in seeds:
        for baseline in baselines(plan):
            point = f"{baseline.identity}-seed{seed}"
            if point not in done:
                net = get(baseline.source, seed)
                source = f"{baseline.source}-seed{seed}"
                if source not in known:
                    known.add(source)
                    append_row(out / SOURCES, _source_row(source, net))
                done[point] = _row(baseline, point, seed, net, plan)
                append_row(out / TABLE, done[point])
            yield done[point]


def _source_row(point: str, net: Trained) -> Row:
    return {
        "point": point,
        "accuracy": net.accuracy,
        "train_accuracy": net.train_accuracy,
        "seconds": round(net.seconds, 1),
        "torch": str(torch.__version__),
        "snntorch": str(snntorch.__version__),
    }


def _row(baseline: Baseline, point: str, seed: int, net: Trained, plan: Plan) -> Row:
    began = time.monotonic()
    task = plan.task.limited(plan.recipe.limit)
    graph = baseline.convert(net.net, plan)
    counted = count_graph(graph, task.test_images, task.test_labels, plan.counting)
    figures = {
        **counted.figures,
        "point": point,
        "train_accuracy": net.train_accuracy,
        "seconds": round(net.seconds + time.monotonic() - began, 1),
        "edgespike": edgespike.__version__,
        "torch": str(torch.__version__),
    }
    settings = {"baseline": baseline.name, "lambda": WITHOUT_PENALTY, "seed": seed}
    return {**settings, **{name: figures[name] for name in FIGURES}}


def planned(full: bool, leaky_epochs: int | None) -> Plan:
    """Return the plan for Fashion-MNIST, or for a rehearsal."""
    recipe, counting = load_recipe(RECIPE), Counting(VERIFIED, usable_profiles())
    if full:
        task = load_task("fashion_mnist", (1, 28, 28), 10)
        epochs = leaky_epochs or recipe.epochs
        return Plan(recipe, epochs, LEVELS, RATE_STEPS, task, False, counting)
    images, labels = shipped_images()
    task = Task(images[:160], labels[:160], images[160:], labels[160:])
    short = replace(recipe, epochs=1)
    return Plan(short, leaky_epochs or 1, (4,), (2,), task, True, counting)


def seeds_of(text: str) -> list[int]:
    """Read seeds, ``1..3`` or ``1,5``.

    Raises
    ------
    InputError
        They are no whole numbers of at least 0.
    """
    values = read_axis(f"seed={text}").values
    if not all(isinstance(value, int) and value >= 0 for value in values):
        raise InputError(f"--seeds is {text}; give whole numbers of at least 0, such as 1..3")
    return [int(value) for value in values]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the experiment and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="folder of the results; without it, a rehearsal")
    parser.add_argument("--runs", type=Path, help="folder of the trainings; default: OUT/runs")
    parser.add_argument("--seeds", default="1", metavar="1..3", help="seeds of the trainings")
    parser.add_argument(
        "--leaky-epochs", type=int, metavar="N", help="of the LIF net; default: the recipe's"
    )
    options = parser.parse_args(arguments)
    if options.leaky_epochs is not None and options.leaky_epochs < 1:
        parser.error(f"--leaky-epochs is {options.leaky_epochs}; it must be at least 1")
    try:
        seeds = seeds_of(options.seeds)
        plan = planned(options.out is not None, options.leaky_epochs)
        out = options.out or Path(tempfile.mkdtemp(prefix="frontier-"))
        out.mkdir(parents=True, exist_ok=True)
        torch.set_num_threads(1)
        for row in measure(plan, seeds, out, options.runs or out / "runs"):
            print(
                f"{row['baseline']}, seed {row['seed']}: {row['accuracy']:.2%}, "
                f"{row['operations']:,.0f} operations, "
                f"{'verified' if row['verified'] else 'NOT EQUAL to its definition'}",
                flush=True,
            )
            text = page(plan, read_rows(out / TABLE), read_rows(out / SOURCES))
            write_atomically(out / PAGE, text.encode())
    except (EdgespikeError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"written to {out}: {TABLE}, {SOURCES}, {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
