"""What a run of a graph gives, whoever ran it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import Graph


def observed_names(graph: Graph) -> list[str]:
    """Name the nodes whose outputs every target must show, in the order in which they run.

    These are all nodes behind the input at which events arise, and the readout. The rest
    (accumulators, sums, reshapes) follows from them.
    """
    behind = graph.nodes[1:]
    return [node.name for node in behind if node.op.emits_events or node is graph.readout]


@dataclass(frozen=True)
class Trace:
    """The observed values of one run.

    Parameters
    ----------
    values
        For each observed node, integers ``(samples, steps, *shape)``, channels first. The
        readout's value at a step is its accumulator after that step.
    """

    values: Mapping[str, NDArray[Any]]

    def accumulators(self, graph: Graph) -> NDArray[np.int64]:
        """Give the readout after the last step, ``(samples, classes)``."""
        return np.asarray(self.values[graph.readout.name][:, -1], dtype=np.int64)


def logits(graph: Graph, accumulators: NDArray[np.int64]) -> NDArray[np.float64]:
    """Scale accumulators ``(samples, classes)`` to real numbers."""
    return np.asarray(accumulators * graph.readout_op.scale)


def predictions(graph: Graph, accumulators: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give each sample's class of the largest logit; the first of equal ones."""
    return np.asarray(np.argmax(logits(graph, accumulators), axis=1))
