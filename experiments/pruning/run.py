"""Recurrent networks pruned to a third of their units, by spectral pruning and by its rivals.

Without arguments it is a rehearsal of seconds, whose figures mean nothing. ``--tasks pixels text``
trains an identity network of 128 units on MNIST pixel by pixel, and a language model of 128 units
by the character, prunes both to 42 units by every method, tunes what is left, and writes
``results.md``, ``results.json`` and ``results.svg``; what was measured last is in
``experiments/pruning/results``.
Checkpoints go to ``--runs`` after each epoch, and a run that was interrupted goes on from there.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from edgespike.errors import EdgespikeError
from experiments.pruning.comparison import Plan, compare
from experiments.pruning.results import Comparison, table, write
from experiments.pruning.tasks import (
    Task,
    penn_treebank_text,
    pixels,
    rehearsal,
    state_of_the_union_text,
)
from experiments.pruning.training import Advance, Schedule

TEXTS: dict[str, Callable[[], Task]] = {
    "sotu": state_of_the_union_text,
    "ptb": penn_treebank_text,
}

INTRODUCTION = """\
# Recurrent networks pruned to a third of their units

Written by `make pruning-experiment`. Mean and sample standard deviation over the seeds, measured
with the test sequences at the end of training; each sequence begins with a state of 0. Nothing was
chosen by these figures but the rates of tuning: for each task two were tried, with spectral pruning
and the first seed.

All methods leave at most as many weights as spectral pruning does; biases are not counted, and a
low rank is counted as its two factors. Low rank and columns change the recurrent weights, and those
of input and readout too where these alone are more than that. `-bare` is without reconstruction.
Steps of tuning whose gradient overflows are left out: some networks never leave that state.

Images of 14x14 pixels stand in for those of 28x28, which `--full` takes: without a GPU, 784 steps
take too long.

![results](results.svg)
"""


def plans(tasks: list[str], text: str, whole: bool, seeds: tuple[int, ...]) -> list[Plan]:
    """Return what is compared, a rehearsal if no tasks are named."""
    if not tasks:
        return [_rehearsal(task, seeds) for task in rehearsal()]
    found = []
    if "pixels" in tasks:
        training, tuning = (Schedule(24, 60_000, 64, 1e-3), Schedule(2, 60_000, 64, 5e-4))
        found.append(Plan(pixels(whole), 128, 42, training, tuning, seeds))
    if "text" in tasks:
        training, tuning = (Schedule(12, 64_000, 64, 3e-3), Schedule(3, 32_000, 64, 3e-3))
        found.append(Plan(TEXTS[text](), 128, 42, training, tuning, seeds))
    return found


def _rehearsal(task: Task, seeds: tuple[int, ...]) -> Plan:
    schedule = Schedule(epochs=1, limit=160, batch_size=32, learning_rate=1e-3)
    return Plan(task, units=24, keep=8, training=schedule, tuning=schedule, seeds=seeds)


def run(found: list[Plan], runs: Path, console: Console) -> list[Comparison]:
    """Run plans, with a bar for each training."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:

        def watch(name: str) -> Advance:
            bar = progress.add_task(name, total=None)
            return lambda done, steps: progress.update(bar, completed=done, total=steps)

        return [compare(plan, runs, watch) for plan in found]


def show(comparison: Comparison, console: Console) -> None:
    """Print a table."""
    head, *cells = table(comparison)
    printed = Table(title=comparison.task)
    for place, name in enumerate(head):
        printed.add_column(name, justify="right" if place else "left")
    for row in cells:
        printed.add_row(*row)
    console.print(printed)


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", nargs="+", choices=("pixels", "text"), default=[])
    parser.add_argument("--text", choices=TEXTS, default="sotu", help="which text")
    parser.add_argument("--full", action="store_true", help="all 784 pixels, not 196 pooled ones")
    parser.add_argument("--seeds", type=int, default=3, help="number of trainings of each net")
    parser.add_argument("--runs", type=Path, help="folder for checkpoints")
    parser.add_argument("--out", type=Path, help="folder for results")
    arguments = parser.parse_args()
    if arguments.seeds < 1:
        parser.error(f"--seeds is {arguments.seeds}; at least 1 is needed")
    # One thread is as fast as several at this size, and its sums are the same everywhere.
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    out = arguments.out or Path(tempfile.mkdtemp(prefix="pruning-"))
    out.mkdir(parents=True, exist_ok=True)
    console = Console()
    seeds = tuple(range(arguments.seeds))
    found = plans(arguments.tasks, arguments.text, arguments.full, seeds)
    comparisons = run(found, arguments.runs or out / "runs", Console(stderr=True))
    for comparison in comparisons:
        show(comparison, console)
    write(comparisons, INTRODUCTION, out)
    console.print(f"written to {out}: results.md, results.json, results.svg")


if __name__ == "__main__":
    try:
        main()
    except (EdgespikeError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
