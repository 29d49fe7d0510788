"""The native engine compiled for other processors or in other ways, run by ``run_program.c``."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgespike.counting import tally_trace
from edgespike.graph.inputs import as_samples, never_changes
from edgespike.targets.cpu.native.build import CSRC, FLAGS, SOURCES
from edgespike.targets.cpu.native.engine import TYPES
from edgespike.targets.cpu.native.program import program_of
from tests.random_graphs import Defined
from tests.targets.cpu.watched import STRICT

Order = Literal["<", ">"]

MAIN = str(Path(__file__).with_name("run_program.c"))


@dataclass(frozen=True)
class Build:
    """A way to compile the engine, and what runs it.

    Parameters
    ----------
    compiler
        Command, and flags that no other build has.
    emulator
        Command before the program, if any.
    order
        Of the processor's bytes, as numpy names it.
    """

    compiler: tuple[str, ...]
    emulator: tuple[str, ...] = ()
    order: Order = "<"

    @property
    def missing(self) -> str:
        """Name a command that is not installed; empty if all are."""
        commands = (self.compiler[0], *self.emulator[:1])
        return next((name for name in commands if shutil.which(name) is None), "")

    def compile(self, folder: Path, sources: Sequence[str] = SOURCES) -> Path:
        """Compile an engine as the package does, but warnings are errors; return the program."""

        def compiled(source: str) -> str:
            built = str(folder / f"{Path(source).stem}.o")
            self._call(*FLAGS, *STRICT, f"-I{CSRC}", "-c", source, "-o", built)
            return built

        with ThreadPoolExecutor(2) as pool:
            objects = list(pool.map(compiled, [MAIN, *sources]))
        self._call("-static", *objects, "-o", str(folder / "run"))
        return folder / "run"

    def _call(self, *arguments: str) -> None:
        command = [self.compiler[0], *arguments, *self.compiler[1:]]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        assert run.returncode == 0, f"{' '.join(command)}:\n{run.stderr}"

    def run(self, program: Path, *arguments: str, given: bytes = b"") -> bytes:
        """Run a program; return what it prints, or raise RuntimeError with its reason."""
        command = [*self.emulator, str(program), *arguments]
        run = subprocess.run(command, input=given, capture_output=True, check=False)
        if run.returncode:
            raise RuntimeError(run.stderr.decode())
        return run.stdout


@dataclass(frozen=True)
class Written:
    """A case as ``run_program.c`` reads it, and what it should print.

    Parameters
    ----------
    numbers
        All of its input, as arrays whose bytes have the processor's order.
    expected
        All that it should print, by name.
    """

    numbers: tuple[NDArray[np.generic], ...]
    expected: tuple[tuple[str, NDArray[np.generic]], ...]

    def given(self, order: Order) -> bytes:
        """Return the input for a processor."""
        return b"".join(_ordered(each, order) for each in self.numbers)

    def differences(self, printed: bytes, order: Order) -> list[str]:
        """Name what is not as it should be."""
        names, place = [], 0
        for name, values in self.expected:
            wanted = _ordered(values, order)
            if printed[place : place + len(wanted)] != wanted:
                names.append(name)
            place += len(wanted)
        return names

    @property
    def length(self) -> int:
        """Bytes that it should print."""
        return sum(values.nbytes for _, values in self.expected)


def write(defined: Defined, kind: np.dtype[np.generic] | None = None) -> Written:
    """Write a case that the engine holds, its samples as another type if one is named."""
    graph, trace = defined.case.graph, defined.trace
    program = program_of(graph)
    assert program is not None
    samples = as_samples(graph, defined.case.samples)
    tally = tally_trace(graph, samples, trace)
    shown = np.ascontiguousarray(samples[:, :1] if never_changes(samples) else samples)
    shown = shown.astype(kind or shown.dtype)
    each = shown.nbytes // len(shown)
    events = [_channels_last(tally.events[source.name]) for source in program.sources]
    kept = [
        (name, _channels_last(trace.values[name], 2).astype(stored.dtype))
        for name, stored, _ in program.kept
    ]
    head = [
        len(program.words),
        shown.nbytes,
        TYPES[shown.dtype],
        len(shown),
        each,
        0 if shown.shape[1] == 1 else each // shown.shape[1],
        tally.accumulators.size,
        program.events,
        len(kept),
        *(values.nbytes for _, values in kept),
    ]
    sums = np.concatenate([each.ravel() for each in events])
    answers = tally.accumulators.astype(np.int64)
    return Written(
        (np.array(head, np.int64), np.frombuffer(program.words, np.int64), shown),
        (
            ("answers", answers),
            ("events", sums.astype(np.uint32)),
            ("answers where values are kept", answers),
            *kept,
        ),
    )


def _channels_last(values: NDArray[np.generic], axis: int = 1) -> NDArray[np.generic]:
    return np.moveaxis(values, axis, -1)


def _ordered(values: NDArray[np.generic], order: Order) -> bytes:
    return values.astype(values.dtype.newbyteorder(order)).tobytes()
