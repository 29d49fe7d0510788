"""Names of nodes never meet the names that a target makes up."""

from __future__ import annotations

import numpy as np
import pytest

from edgespike.graph import (
    Add,
    Delay,
    Dense,
    Graph,
    Input,
    Membrane,
    Node,
    Readout,
    ResetTime,
    Signal,
)
from edgespike.interpreter import interpret
from tests.available import available, run_on

WEIGHT = np.array([[3, -1], [2, 5]])


@pytest.mark.parametrize("target", ["cpu", "tflite", "onnx"])
@pytest.mark.parametrize("name", ["cells.potential", "cells.current", "cells.spikes"])
def test_a_delay_named_like_a_state_of_neurons(name: str, target: str) -> None:
    available(target)
    cells = Membrane(np.array([9, 9]), decay=400, decay_syn=99, reset_time=ResetTime.NEXT_STEP)
    graph = Graph(
        "names",
        (
            Node("in", Input((2,), 0, 9, 1.0)),
            Node("sums", Dense(WEIGHT, np.zeros(2, np.int64)), ("in",)),
            Node("cells", cells, ("sums",)),
            Node(name, Delay((2,), 0, 1, Signal.SPIKES, 1), ("cells",)),
            Node("both", Add(), ("cells", name)),
            Node("last", Dense(WEIGHT, np.zeros(2, np.int64)), ("both",)),
            Node("out", Readout(np.ones(2)), ("last",)),
        ),
        steps=4,
    )
    samples = np.random.default_rng(0).integers(0, 10, (5, 4, 2))
    found, expected = run_on(target, graph, samples), interpret(graph, samples)
    for node, values in expected.values.items():
        assert np.array_equal(found.values[node], values), node
