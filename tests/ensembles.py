"""Members for ensembles: graphs of one architecture, and their values next to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from edgespike.graph import (
    Add,
    Concatenate,
    Conv2d,
    Delay,
    Dense,
    Graph,
    Input,
    MaxPool2d,
    Membrane,
    Multiply,
    Node,
    Operation,
    Readout,
    Reshape,
    SumPool2d,
    Threshold,
)
from edgespike.graph.tensor import Integers
from edgespike.interpreter import interpret


def sibling(graph: Graph, seed: int) -> Graph:
    """Return a graph of the same architecture with other weights, thresholds and scales."""
    rng = np.random.default_rng(seed)
    nodes = (Node(node.name, _redrawn(node.op, rng), node.inputs) for node in graph.nodes)
    return Graph(f"{graph.name}-{seed}", tuple(nodes), graph.steps)


def siblings(graph: Graph, count: int) -> list[Graph]:
    """Return a graph and others of its architecture, ``count`` together."""
    return [graph, *(sibling(graph, seed) for seed in range(1, count))]


def _redrawn(op: Operation, rng: np.random.Generator) -> Operation:
    match op:
        case Dense() | Conv2d():
            weight = rng.permutation(op.weight.ravel()).reshape(op.weight.shape)
            trained = (weight != 0) | (rng.random(weight.shape) < 0.5)
            known = trained if rng.random() < 0.5 else None
            return replace(op, weight=weight, bias=rng.permutation(op.bias), float_nonzero=known)
        case Threshold():
            theta = rng.permutation(op.theta) + rng.integers(-2, 3)
            return replace(op, theta=theta, flipped=rng.permutation(op.flipped))
        case Membrane():
            arrays: dict[str, Any] = {
                name: rng.permutation(value)
                for name in op.channel_fields
                if isinstance(value := getattr(op, name), np.ndarray)
            }
            return replace(op, **arrays)
        case Readout():
            return replace(op, scale=rng.permutation(op.scale) * 1.5)
        case Delay():  # a member may declare more than it needs
            return replace(op, high=op.high + int(rng.integers(2)))
        case Input() | SumPool2d() | MaxPool2d() | Add() | Multiply() | Concatenate() | Reshape():
            return op
        case _:
            assert_never(op)


def side_by_side(members: Sequence[Graph], samples: NDArray[Any]) -> dict[str, Integers]:
    """Return the values of all members, one after the other, flat: ``(samples, steps, n)``."""
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
