"""The fast engine: accumulators, and events read in the interpreter's own memory."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgespike.graph import Graph, Reshape
from edgespike.interpreter import interpret
from edgespike.targets.tflite.running.engine import LiteRtEngine, engine_plan
from tests.targets.tflite.networks import NETWORKS, samples_of

pytest.importorskip("ai_edge_litert")

COVERED = [name for name, build in NETWORKS.items() if engine_plan(build()) is not None]


def prepared(graph: Graph, batch: int) -> LiteRtEngine:
    plan = engine_plan(graph)
    assert plan is not None
    return LiteRtEngine(plan, batch)


def assert_equal(engine: LiteRtEngine, graph: Graph, samples: NDArray[Any]) -> None:
    trace = interpret(graph, samples, keep=[node.name for node in graph.nodes])
    assert np.array_equal(engine.run(samples), trace.accumulators(graph))
    for name, stored in engine.events.items():
        values = stored[: len(samples)].astype(int) - engine.zero_points[name]
        assert np.array_equal(np.moveaxis(values, -1, 1), trace.values[name][:, 0]), name


@pytest.mark.parametrize("name", COVERED)
def test_runs_of_any_size_equal_the_interpreter(name: str) -> None:
    graph = NETWORKS[name]()
    engine = prepared(graph, batch=8)
    samples = samples_of(graph, 12)[:, 0]
    for part in (samples[:8], samples[8:], samples[:1]):
        assert_equal(engine, graph, part)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64])
def test_any_integer_dtype(dtype: type) -> None:
    graph = NETWORKS["graded input in int8"]()
    samples: NDArray[Any] = samples_of(graph)[:, 0].astype(dtype)
    assert_equal(prepared(graph, batch=5), graph, samples)


def test_every_event_is_shown_and_cannot_be_written() -> None:
    graph = NETWORKS["residual of spikes"]()
    engine = prepared(graph, batch=2)
    assert set(engine.events) == {
        node.name
        for node in graph.nodes
        if graph.tensors[node.name].signal.is_event and not isinstance(node.op, Reshape)
    }
    with pytest.raises(ValueError, match="read-only"):
        engine.events["threshold2"][:] = 0


def test_views_outlive_the_engine() -> None:
    graph = NETWORKS["graded input in int8"]()
    samples = samples_of(graph)[:, 0]
    engine = prepared(graph, batch=5)
    engine.run(samples)
    spikes = engine.events["threshold2"]
    expected = spikes.copy()
    del engine
    gc.collect()
    assert np.array_equal(spikes, expected)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("graded input in int8", True),
        ("graded input in float32", False),
        ("large readout", True),
        ("two levels", True),
        ("residual of accumulators", False),
        ("membrane decay 0", False),
    ],
)
def test_covers(name: str, expected: bool) -> None:
    assert (engine_plan(NETWORKS[name]()) is not None) is expected
