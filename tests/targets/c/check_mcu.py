"""Run shipped models and random graphs on every emulated core: ``make check-mcu``.

    python -m tests.targets.c.check_mcu --json mcu.json --page docs/targets/c.md

Each graph is exported, its check is built for this computer and for each core whose compiler and
emulator are installed, and all answers must be those of the interpreter. Cores that cannot run here
are named, with the reason. Instructions are the mean of the check's samples; flash and RAM, stack
included, those of the Cortex-M4.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
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
from tests.targets.c.mcu import OnCore, exact_here, installed, missing, run_on_core
from tests.targets.c.page import markdown, write_section

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


TFLM = {
    "fashion_s3nn": {
        "reference": ({"m4": 119.9e6}, "547 + 73", "51"),
        "CMSIS-NN": ({"m4": 31.5e6, "m55": 4.44e6}, "547 + 73", "51"),
    },
    "fashion_maqd": {
        "reference": ({"m4": 119.5e6}, "561 + 73", "53"),
        "CMSIS-NN": ({"m4": 33.3e6, "m55": 4.39e6}, "561 + 73", "53"),
    },
    "fashion_rnn": {
        "reference": ({"m4": 9.17e6}, "9 + 102", "14"),
        "CMSIS-NN": ({"m4": 9.11e6, "m55": 8.95e6}, "9 + 102", "14"),
    },
}
"""Instructions, model and runtime in flash, and arena, both in KB, of TensorFlow Lite Micro.

Measured once, under QEMU too: edgespike's TFLite bundles, tensorflow/tflite-micro 90b983c2b with
its own CMSIS-NN.
"""

ABOUT_TFLM = """\
TFLM: the same nets as `export --target tflite` writes them, on TensorFlow Lite Micro 90b983c2b with
its reference kernels or its CMSIS-NN, measured once under QEMU too. Its instructions do not depend
on the input; its flash is that of the model and of the runtime, its RAM the arena. Measured
with fashion_rnn in float32.
"""


@dataclass(frozen=True)
class Ran:
    """A graph's runs.

    Parameters
    ----------
    name
        Of the graph.
    here
        How many answers are exact on this computer, and of how many; ``None`` without a compiler.
    cores
        The runs on emulated cores.
    """

    name: str
    here: tuple[int, int] | None
    cores: list[OnCore]

    @property
    def exact(self) -> bool:
        """Whether all answers are exact."""
        here = self.here is None or self.here[0] == self.here[1]
        return here and all(run.exact == run.samples for run in self.cores)


def missing_here() -> str | None:
    """Return what a run on this computer needs and is not installed; ``None`` if all is there."""
    absent = [name for name in ("make", "cc") if shutil.which(name) is None]
    return f"this computer needs {' and '.join(absent)}" if absent else None


def run_all(name: str, graph: Graph) -> Ran:
    """Export a graph and run it here and on all cores."""
    with tempfile.TemporaryDirectory() as place:
        folder = edgespike.export(graph, "c", Path(place) / "bundle")
        here = exact_here(folder) if missing_here() is None else None
        runs = []
        for core in installed():
            found = run_on_core(folder, prefix_of(graph.name), core)
            print(f"{name} on {core.name}: {found.exact} of {found.samples}", file=sys.stderr)
            runs.append(found)
    return Ran(name, here, runs)


def titles() -> list[str]:
    """Return the titles of :func:`rows`."""
    return ["graph", "exact", *(core.name for core in CORES), "flash, KB", "RAM, KB"]


def rows(runs: Sequence[Ran]) -> list[list[str]]:
    """Return a row for each graph, and for shipped ones one for each way of TFLM's."""
    found = []
    for ran in runs:
        by_core = {run.core: run for run in ran.cores}
        m4 = by_core.get("m4")
        means = {core: run.mean for core, run in by_core.items()}
        memory = ("-", "-") if m4 is None else (_kilobytes(m4.flash), _kilobytes(m4.ram + m4.stack))
        found.append([ran.name, _exact(ran), *_instructions(means), *memory])
        for kernels, (counts, flash, arena) in TFLM.get(ran.name, {}).items():
            found.append([f"TFLM, {kernels}", "", *_instructions(counts), flash, arena])
    return found


def _exact(ran: Ran) -> str:
    places = len(ran.cores) + (ran.here is not None)
    samples = {run.samples for run in ran.cores} | ({ran.here[1]} if ran.here else set())
    answers = " or ".join(map(str, sorted(samples))) or "no"
    return f"{answers} samples, {places} places" if ran.exact else "NOT EXACT"


def _instructions(means: Mapping[str, float]) -> list[str]:
    return [_number(means[core.name]) if core.name in means else "-" for core in CORES]


def _number(count: float) -> str:
    return f"{count / 1e6:#.4g} M" if count >= 1e5 else f"{count:,.0f}"


def _kilobytes(count: int) -> str:
    return f"{count / 1000:.1f}"


def section(runs: Sequence[Ran]) -> str:
    """Return the table and what it says as a part of a page."""
    return f"{markdown(titles(), rows(runs))}\n{ABOUT_TFLM}"


def main() -> None:
    """Run, print, and exit with 1 if an answer is wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--page", type=Path, metavar="PAGE.md", help="put the table into a page")
    arguments = parser.parse_args()
    settings.register_profile("same", derandomize=True, database=None)
    settings.load_profile("same")
    skipped = {core.name: reason for core in CORES if (reason := missing(core)) is not None}
    if (reason := missing_here()) is not None:
        skipped["here"] = reason
    runs = [run_all(name, graph) for name, graph in graphs()]
    shown = Table(*titles())
    for row in rows(runs):
        shown.add_row(*row)
    Console(width=150).print(shown)
    print(ABOUT_TFLM)
    for name, reason in skipped.items():
        print(f"skipped {name}: {reason}")
    if arguments.json is not None:
        found: dict[str, Any] = {"runs": [asdict(ran) for ran in runs], "skipped": skipped}
        arguments.json.write_text(f"{json.dumps(found, indent=1)}\n")
    if not all(ran.exact for ran in runs):
        sys.exit("some answers are not those of the interpreter")
    if arguments.page is not None:
        if skipped:
            sys.exit(f"{arguments.page} is left as it is: not all cores ran")
        write_section(arguments.page, "check-mcu", section(runs))


if __name__ == "__main__":
    main()
