"""Members for ensembles: graphs of one architecture, and what they give one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import Delay, Graph, Membrane, Node, Operation, Readout, Threshold
from edgespike.graph.ops import Weighted
from edgespike.graph.tensor import Integers
from edgespike.interpreter import interpret


def sibling(graph: Graph, seed: int) -> Graph:
    """Return a graph of the same architecture with other weights, thresholds and scales."""
    rng = np.random.default_rng(seed)
    nodes = (Node(node.name, _redrawn(graph, node.op, rng), node.inputs) for node in graph.nodes)
    return Graph(f"{graph.name}-{seed}", tuple(nodes), graph.steps)


def siblings(graph: Graph, count: int) -> list[Graph]:
    """Return a graph and others of its architecture, ``count`` together."""
    return [graph, *(sibling(graph, seed) for seed in range(1, count))]


def _redrawn(graph: Graph, op: Operation, rng: np.random.Generator) -> Operation:
    if isinstance(op, Weighted):
        weight = rng.permutation(op.weight.ravel()).reshape(op.weight.shape)
        trained = None if rng.random() < 0.5 else (weight != 0) | (rng.random(weight.shape) < 0.5)
        return replace(op, weight=weight, bias=rng.permutation(op.bias), float_nonzero=trained)
    if isinstance(op, Threshold):
        theta = rng.permutation(op.theta) + rng.integers(-2, 3)
        return Threshold(theta, rng.permutation(op.flipped))
    if isinstance(op, Membrane):
        return replace(op, theta=rng.permutation(op.theta))
    if isinstance(op, Readout):
        return replace(op, scale=rng.permutation(op.scale) * 1.5)
    if isinstance(op, Delay) and rng.random() < 0.5:  # a member may declare more than it needs
        return replace(op, high=op.high + 1)
    return op


def side_by_side(members: Sequence[Graph], samples: NDArray[Any]) -> dict[str, Integers]:
    """Return the members' own values, one member after the other, flat: ``(samples, steps, n)``."""
    traces = [interpret(graph, samples).values for graph in members]
    return {
        name: np.concatenate(
            [trace[name].reshape(*trace[name].shape[:2], -1) for trace in traces], axis=2
        )
        for name in traces[0]
    }


def flat(values: NDArray[Any]) -> NDArray[Any]:
    """Flatten the values of a step: ``(samples, steps, n)``."""
    return values.reshape(*values.shape[:2], -1)
