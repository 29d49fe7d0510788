"""Small graphs for tests of adapters."""

from __future__ import annotations

import numpy as np

from edgespike.graph import Dense, Graph, Input, Node, Readout


def large_graph(weight: int) -> Graph:
    """Return a graph whose two accumulators add and take away the same large weight."""
    weights = np.array([[weight, -weight], [1, 1]])
    return Graph(
        "large",
        (
            Node("in", Input((2,), 0, 1, 1.0)),
            Node("dense", Dense(weights, np.zeros(2, np.int64)), ("in",)),
            Node("out", Readout(np.ones(2)), ("dense",)),
        ),
    )
