"""Runners of a graph on each kernel set of the native engine, compared with the interpreter."""

from __future__ import annotations

from itertools import product
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from edgespike.counting import Tally, tally_trace
from edgespike.graph import Graph
from edgespike.interpreter import interpret
from edgespike.targets.cpu import CpuRunner, native
from edgespike.targets.cpu.native import engine, library
from edgespike.targets.cpu.native.limits import fits
from edgespike.targets.cpu.native.program import program_of


def on_every_kernel_set(graph: Graph) -> dict[str, CpuRunner]:
    """Prepare a graph that the native engine holds once for each kernel set that runs here."""
    assert library.kernel_sets(), library.missing()
    # The same program for all of them: it takes longer to write than to run.
    with mock.patch.object(native, "program_of", return_value=program_of(graph)):
        return {kernels: on_kernels(graph, kernels) for kernels in library.kernel_sets()}


def on_kernels(graph: Graph, kernels: str) -> CpuRunner:
    """Prepare a graph that the native engine holds on a kernel set."""
    with mock.patch.object(engine, "kernel_sets", return_value=(kernels,)):
        runner = CpuRunner(graph)
    assert runner.runtime.startswith(f"native engine ({kernels}), ")
    return runner


def runs_natively(graph: Graph) -> bool:
    """Return whether the native engine is here and holds a graph."""
    return not library.missing() and fits(graph)


def assert_native(graph: Graph, samples: NDArray[Any]) -> None:
    """Compare values, answers and sums of events on every kernel set with the interpreter's.

    Steps of samples that never change are computed once, so both ways are taken.
    """
    expected = interpret(graph, samples)
    tally = tally_trace(graph, samples, expected)
    shown = [samples]
    if graph.steps > 1 and samples.ndim == len(graph.input_op.shape) + 1:
        shown.append(np.repeat(samples[:, None], graph.steps, axis=1))
    for runner, batch in product(on_every_kernel_set(graph).values(), shown):
        trace = runner.trace(batch)
        for name, values in expected.values.items():
            np.testing.assert_array_equal(trace.values[name], values, f"{name}, {runner.runtime}")
        np.testing.assert_array_equal(runner.answers(batch), tally.accumulators)
        assert_equal_tallies(runner.tally(batch), tally)


def assert_equal_tallies(found: Tally, expected: Tally) -> None:
    """Compare answers and the events of every neuron."""
    np.testing.assert_array_equal(found.accumulators, expected.accumulators)
    assert found.events.keys() == expected.events.keys()
    for name in expected.events:
        np.testing.assert_array_equal(found.events[name], expected.events[name], name)
