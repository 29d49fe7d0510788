"""Reading the spikes of a unary graph as levels."""

from __future__ import annotations

import numpy as np

from edgespike.graph import Graph, Threshold
from edgespike.trace import Trace


def assert_decodes(graph: Graph, levels: Trace, spikes: Trace) -> None:
    """Compare a run of a graph with one of its unary form: the readout and all levels."""
    readout = graph.readout.name
    np.testing.assert_array_equal(spikes.values[readout], levels.values[readout])
    for node, op in graph.of_type(Threshold):
        samples, steps, channels, *shape = levels.values[node.name].shape
        parts = spikes.values[node.name].reshape(samples, steps, channels, op.levels, *shape)
        np.testing.assert_array_equal(parts.sum(axis=3), levels.values[node.name])
