"""The proven range of a membrane's spikes: exact where it keeps nothing, never too narrow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgespike.graph import (
    Comparison,
    Dense,
    Graph,
    Input,
    Membrane,
    Node,
    Readout,
    Threshold,
)
from edgespike.graph.ops.membrane import DECAY_ONE
from edgespike.interpreter import interpret
from edgespike.show.text import node_rows
from tests.strategies import MIXES, Case, cases


def graph_of(op: Membrane | Threshold, steps: int = 5) -> Graph:
    """Three neurons, the inputs of which reach 1, 2 and 4."""
    weight = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 1]])
    return Graph(
        "range",
        (
            Node("input", Input((4,), 0, 1, 1.0)),
            Node("dense", Dense(weight, np.zeros(3, int)), ("input",)),
            Node("neurons", op, ("dense",)),
            Node("readout", Readout(np.ones(3)), ("neurons",)),
        ),
        steps,
    )


@pytest.mark.parametrize(
    ("options", "high"),
    [
        ({"theta": [2, 2, 2], "decay": DECAY_ONE}, [0, 1, 1]),
        ({"theta": [50, 50, 50], "decay": DECAY_ONE}, [0, 0, 0]),
        ({"theta": [2, 2, 2], "decay": DECAY_ONE, "comparison": Comparison.GREATER}, [0, 0, 1]),
        ({"theta": [1, 1, 1], "decay": DECAY_ONE, "max_spikes": 3}, [1, 2, 3]),
        ({"theta": [6, 6, 6]}, [0, 1, 1]),  # 5, 10 and 20 after five steps
        ({"theta": [4, 4, 4], "decay": DECAY_ONE // 2}, [0, 0, 1]),  # below 2, 4 and 8
    ],
)
def test_a_membrane_by_hand(options: dict[str, Any], high: list[int]) -> None:
    graph = graph_of(Membrane(**options))
    tensor = graph.tensors["neurons"]
    assert tensor.low.tolist() == [0, 0, 0]
    assert tensor.high.tolist() == high
    shown = next(row for row in node_rows(graph) if row.name == "neurons")
    assert (shown.low, shown.high) == (0, max(high))


def test_a_threshold_by_hand() -> None:
    graph = graph_of(Threshold(np.array([[2], [2], [5]]), np.zeros(3, bool)))
    assert graph.tensors["neurons"].high.tolist() == [0, 1, 0]


@given(case=st.sampled_from(MIXES).flatmap(cases))
@settings(max_examples=60)
def test_no_membrane_emits_more_than_is_proven(case: Case) -> None:
    names = [node.name for node, _ in case.graph.of_type(Membrane)]
    values = interpret(case.graph, case.samples, keep=names).values
    for name in names:
        tensor = case.graph.tensors[name]
        spikes = values[name].swapaxes(0, 2).reshape(len(tensor.high), -1)
        assert (spikes.max(axis=1) <= tensor.high).all()
        assert (spikes.min(axis=1) >= tensor.low).all()


def test_many_steps_of_a_membrane_that_forgets_take_no_time() -> None:
    graph = graph_of(Membrane(np.full(3, 50), decay=DECAY_ONE), steps=100_000)
    assert len(list(graph["neurons"].op._potentials(graph.tensors["dense"], graph.steps))) == 2  # type: ignore[union-attr]
