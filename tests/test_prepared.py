"""What is kept prepared, and for how long."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import numpy as np
import pytest

import edgespike
from edgespike.graph import Graph
from edgespike.interpreter import interpret
from edgespike.prepared import _KEPT, prepared
from edgespike.targets import UnknownTargetError
from tests.example_graphs import membrane_graph, residual_graph, samples_for


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    _KEPT.clear()
    yield
    _KEPT.clear()


def test_the_same_graph_is_prepared_once() -> None:
    graph = membrane_graph()
    kept = prepared(graph, "cpu")
    assert prepared(graph, "cpu") is kept
    assert kept.counter is kept.counter


def test_calls_in_a_loop_prepare_once() -> None:
    graph = membrane_graph()
    samples = samples_for(graph, 2)
    for _ in range(3):
        edgespike.run(graph, samples)
        edgespike.count(graph, samples)
        edgespike.verify(graph, samples)
    assert len(_KEPT) == 1


def test_graphs_and_targets_are_kept_apart() -> None:
    graph = residual_graph()
    runners = [
        prepared(one, name).runner
        for one, name in ((graph, "cpu"), (graph, "tflite"), (residual_graph(), "cpu"))
    ]
    assert len({id(runner) for runner in runners}) == 3
    assert prepared(graph, "tflite").runner is runners[1]


def test_the_oldest_graph_makes_room() -> None:
    graphs = [membrane_graph() for _ in range(9)]
    first = prepared(graphs[0], "cpu")
    for graph in graphs[1:]:
        prepared(graph, "cpu")
    assert len(_KEPT) == 8
    assert prepared(graphs[0], "cpu") is not first


def test_what_cannot_be_prepared_is_not_kept() -> None:
    with pytest.raises(UnknownTargetError, match="nonesuch"):
        prepared(membrane_graph(), "nonesuch")
    with pytest.raises(UnknownTargetError, match="no target is named"):
        prepared(membrane_graph(), cast(str, ["cpu"]))
    assert not _KEPT


def test_threads_share_what_is_kept() -> None:
    graphs = [membrane_graph(), residual_graph()]
    samples = [samples_for(graph, 3) for graph in graphs]

    def answers(turn: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        graph: Graph = graphs[turn % 2]
        return edgespike.run(graph, samples[turn % 2]).accumulators(graph)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(answers, range(40)))
    for turn, each in enumerate(found):
        graph = graphs[turn % 2]
        np.testing.assert_array_equal(each, interpret(graph, samples[turn % 2]).accumulators(graph))
    assert len(_KEPT) <= 8
