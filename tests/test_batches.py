"""How many samples run at once, and that batches change no result."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgespike.batches import (
    COMPUTED_AT_ONCE,
    VALUES_AT_ONCE,
    batch_size,
    batches,
    tally_all,
    trace_all,
)
from edgespike.errors import InputError
from edgespike.graph import Graph
from edgespike.interpreter import interpret
from edgespike.targets.base import Runner, TracingRunner
from edgespike.targets.cpu import CpuRunner
from edgespike.trace import Trace
from tests.example_graphs import membrane_graph, residual_graph, samples_for

GRAPH = membrane_graph()
SAMPLES = samples_for(GRAPH, 7)
VALUES = GRAPH.steps * sum(tensor.size for tensor in GRAPH.tensors.values())
"""Values of one sample."""


def test_a_batch_has_as_many_samples_as_fit() -> None:
    assert batch_size(GRAPH) == VALUES_AT_ONCE // VALUES
    assert batch_size(GRAPH, memory_bounded=True) == COMPUTED_AT_ONCE // VALUES


def test_one_sample_always_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgespike.batches.VALUES_AT_ONCE", VALUES - 1)
    assert batch_size(GRAPH) == 1
    assert [start for start, _ in batches(GRAPH, SAMPLES)] == list(range(7))


def test_all_samples_are_checked_before_the_first_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgespike.batches.VALUES_AT_ONCE", VALUES)
    wrong = SAMPLES.copy()
    wrong[-1] = 99
    with pytest.raises(InputError, match="99"):
        next(batches(GRAPH, wrong))


@pytest.mark.parametrize("size", [1, 3, 7, 8])
@pytest.mark.parametrize("graph", [GRAPH, residual_graph()], ids=["membrane", "residual"])
def test_batches_fit_into_memory_and_change_nothing(
    monkeypatch: pytest.MonkeyPatch, graph: Graph, size: int
) -> None:
    samples = samples_for(graph, 7)
    one = graph.steps * sum(tensor.size for tensor in graph.tensors.values())
    monkeypatch.setattr("edgespike.batches.VALUES_AT_ONCE", size * one)
    ran: list[int] = []

    def run(batch: NDArray[Any]) -> Trace:
        ran.append(len(batch))
        return interpret(graph, batch)

    tracing: Runner = TracingRunner(graph, "interpreter", run)
    tally, expected = tally_all(tracing, samples, "any"), CpuRunner(graph).tally(samples)
    assert ran == [min(size, 7 - start) for start in range(0, 7, size)]
    np.testing.assert_array_equal(tally.accumulators, expected.accumulators)
    assert tally.events.keys() == expected.events.keys()
    for name, events in expected.events.items():
        np.testing.assert_array_equal(tally.events[name], events)
    ran.clear()
    trace = trace_all(tracing, samples)
    assert ran == [min(size, 7 - start) for start in range(0, 7, size)]
    for name, values in interpret(graph, samples).values.items():
        np.testing.assert_array_equal(trace.values[name], values)


def test_the_cpu_bounds_its_memory_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[int] = []
    trace = CpuRunner.trace

    def counted(runner: CpuRunner, batch: NDArray[Any]) -> Trace:
        ran.append(len(batch))
        return trace(runner, batch)

    monkeypatch.setattr(CpuRunner, "trace", counted)
    monkeypatch.setattr("edgespike.batches.VALUES_AT_ONCE", VALUES)
    trace_all(CpuRunner(GRAPH), SAMPLES)
    monkeypatch.setattr("edgespike.batches.COMPUTED_AT_ONCE", 3 * VALUES)
    trace_all(CpuRunner(GRAPH), SAMPLES)
    assert ran == [7, 3, 3, 1]
