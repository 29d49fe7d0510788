"""Run shipped models and random graphs on every emulated core: ``make check-mcu``.

    python -m tests.targets.c.check_mcu --json mcu.json

Each graph is exported, its check is built for each core whose compiler and emulator are installed,
and all answers must be those of the interpreter. Cores that cannot run here are named, with the
reason.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hypothesis import settings
from rich.console import Console
from rich.table import Table

import edgespike
from edgespike.graph import Graph
from edgespike.models import MODELS, shipped_model
from edgespike.targets.c.bundle.cores import CORES
from edgespike.targets.c.names import prefix_of
from tests.random_graphs import accepted
from tests.targets.c.mcu import OnCore, installed, missing, run_on_core

RANDOM = ("recurrent", "membrane")
"""Operation mixes of the random graphs."""

EACH = 3
"""How many graphs of each mix there are."""


def graphs() -> Iterator[tuple[str, Graph]]:
    """Return all graphs, with a name of each."""
    for name in MODELS:
        yield name, shipped_model(name)
    for mix in RANDOM:
        # The first that is drawn is the smallest that there can be.
        for number, defined in enumerate(accepted(mix, EACH + 1, lambda _: False, EACH + 1)):
            if number:
                yield f"{mix} {number}", defined.case.graph


def run_all(name: str, graph: Graph) -> list[OnCore]:
    """Export a graph and run it on all cores."""
    with tempfile.TemporaryDirectory() as place:
        folder = edgespike.export(graph, "c", Path(place) / "bundle")
        runs = []
        for core in installed():
            found = run_on_core(folder, prefix_of(graph.name), core)
            print(f"{name} on {core.name}: {found.exact} of {found.samples}", file=sys.stderr)
            runs.append(found)
    return runs


def table(rows: list[tuple[str, OnCore]]) -> Table:
    """Return the runs as a table."""
    shown = Table("Graph", "Core", "Exact", "Instructions a sample", "Flash", "RAM", "Stack")
    for name, run in rows:
        exact = f"{run.exact} of {run.samples}"
        numbers = (round(run.mean), run.flash, run.ram, run.stack)
        shown.add_row(name, run.core, exact, *(f"{number:,}" for number in numbers))
    return shown


def main() -> None:
    """Run, print, and exit with 1 if an answer is wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    arguments = parser.parse_args()
    settings.register_profile("same", derandomize=True, database=None)
    settings.load_profile("same")
    skipped = {core.name: reason for core in CORES if (reason := missing(core)) is not None}
    rows = [(name, run) for name, graph in graphs() for run in run_all(name, graph)]
    Console(width=120).print(table(rows))
    for name, reason in skipped.items():
        print(f"skipped {name}: {reason}")
    if arguments.json is not None:
        found: dict[str, Any] = {
            "runs": [{"graph": name, **asdict(run)} for name, run in rows],
            "skipped": skipped,
        }
        arguments.json.write_text(f"{json.dumps(found, indent=1)}\n")
    if any(run.exact != run.samples for _, run in rows):
        sys.exit("some answers are not those of the interpreter")


if __name__ == "__main__":
    main()
