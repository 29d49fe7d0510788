"""Runs of random graphs on every kernel set, in every way.

As a program, ``python -m tests.targets.cpu.native_runs NUMBER`` runs so many graphs of each
operation mix. It compares nothing; `watched` looks at what it does with memory.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

import tests.conftest  # noqa: F401 - with its settings, every run draws the same graphs
from edgespike.graph.inputs import as_samples
from edgespike.targets.cpu.native.engine import NativeEngine
from edgespike.targets.cpu.native.library import kernel_sets
from edgespike.targets.cpu.native.program import program_of
from tests.random_graphs import examine
from tests.strategies import MIXES, Case


def engines(case: Case) -> Iterator[NativeEngine]:
    """Yield an engine for each kernel set; none if the graph has no program."""
    program = program_of(case.graph)
    if program is not None:
        for kernels in kernel_sets():
            yield NativeEngine(case.graph, program, kernels)


def found(engine: NativeEngine, case: Case, before: int) -> list[Any]:
    """Run in every way, in memory full of a byte before each; return all that is found."""
    samples = as_samples(case.graph, case.samples)
    scratch = engine._scratch()
    memory = np.frombuffer(engine._ffi.buffer(scratch), np.uint8)
    engine._idle.append(scratch)  # the next run takes it, and puts it back
    memory.fill(before)
    answers = np.full((len(samples), case.graph.tensors[case.graph.readout.name].size), before)
    list(engine.answer(samples, answers))
    values: list[Any] = [answers]
    memory.fill(before)
    values += [(each.accumulators, dict(each.sums)) for each in engine.counted(samples)]
    events = np.full(engine._program.events, before, np.uint32)
    memory.fill(before)
    engine._run(samples, answers.copy(), events, None)
    values.append(events)
    memory.fill(before)
    values += [each.values for each in engine.blocks(samples)]
    assert engine._idle == [scratch]
    return values


def in_lanes(case: Case, number: int) -> Case:
    """Return a case with so many samples: the case's own, their values in another order."""
    rng = np.random.default_rng(number)
    samples = case.samples[rng.integers(0, len(case.samples), number)]
    steps = case.graph.steps
    if steps == number and samples.ndim == len(case.graph.input_op.shape) + 1:
        # Without an axis of steps they could be one sample.
        samples = np.repeat(samples[:, None], steps, axis=1)
    return Case(
        case.graph, rng.permuted(samples.reshape(number, -1), axis=1).reshape(samples.shape)
    )


def main() -> None:
    """Run what the command line says."""

    def run(case: Case) -> None:
        for engine in engines(case):
            # Valgrind takes a sum for undefined to which an undefined byte times 0 was added.
            found(engine, case, 0)
            found(engine, in_lanes(case, 17), 0)

    for mix in MIXES:
        examine(mix, int(sys.argv[1]), run)


if __name__ == "__main__":
    main()
