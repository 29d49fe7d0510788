"""Recurrent networks pruned to a third of their units, by spectral pruning and by other methods.

Without arguments it is a rehearsal that takes seconds and whose figures are meaningless.
``--tasks pixels text`` trains an identity-initialised network of 128 units on MNIST pixel by pixel,
and a character-level language model of 128 units. It prunes both to 42 units by every method and
fine-tunes the pruned networks. It writes ``results.md``, ``results.json`` and ``results.svg``; the
latest results are in ``experiments/pruning/results``. Checkpoints are written to ``--runs`` after
each epoch, from which an interrupted run continues.
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

Written by `make pruning-experiment`. Figures are means and sample standard deviations over the
seeds, measured on the test sequences at the end of training; each sequence begins with a state of
0. Only the learning rate of fine-tuning was chosen by these figures: for each task two were tried,
with spectral pruning and the first seed.

All methods leave at most as many weights as spectral pruning does; biases are not counted, and a
low-rank matrix is counted as its two factors. Low rank and columns change the recurrent weights,
and those of input and readout too where these alone exceed the budget. `-bare` means without
reconstruction. Fine-tuning steps whose gradient overflows are left out: some networks never leave
that state.

Images of 14x14 pixels replace those of 28x28, which `--full` uses: without a GPU, 784 steps take
too long.

![results](results.svg)
"""


def plans(tasks: list[str], text: str, whole: bool, seeds: tuple[int, ...]) -> list[Plan]:
    """Return the plans of the named tasks, or those of a rehearsal if there are none."""
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
    """Run plans, with a progress bar for each training."""
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
    """Print the table of a comparison."""
    head, *cells = table(comparison)
    printed = Table(title=comparison.task)
    for place, name in enumerate(head):
        printed.add_column(name, justify="right" if place else "left")
    for row in cells:
        printed.add_row(*row)
    console.print(printed)


def main() -> None:
    """Run the experiment."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", nargs="+", choices=("pixels", "text"), default=[])
    parser.add_argument("--text", choices=TEXTS, default="sotu", help="which text")
    parser.add_argument(
        "--full", action="store_true", help="use all 784 pixels instead of 196 pooled ones"
    )
    parser.add_argument("--seeds", type=int, default=3, help="number of trainings of each network")
    parser.add_argument("--runs", type=Path, help="folder for checkpoints")
    parser.add_argument("--out", type=Path, help="folder for results")
    arguments = parser.parse_args()
    if arguments.seeds < 1:
        parser.error(f"--seeds is {arguments.seeds}; it must be at least 1")
    # One thread is as fast as several at this size, and its sums are reproducible.
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
