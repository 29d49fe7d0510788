"""How many events and operations a graph can count at most, proven from its ranges."""

from __future__ import annotations

import math
from collections.abc import Mapping

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
    Readout,
    Reshape,
    Signal,
    SumPool2d,
    Tensor,
    Threshold,
)


def most_events(graph: Graph) -> dict[str, int]:
    """Bound the events that leave one element of each node at one step of one sample.

    What passes through sums and additions is bounded apart from their ranges: where values of both
    signs meet, the range of the sum says nothing about the number of events.
    """
    most: dict[str, int] = {}
    for node in graph.nodes:
        most[node.name] = _most_events(node, graph.tensors[node.name], most)
    return most


def _most_events(node: Node, tensor: Tensor, most: Mapping[str, int]) -> int:
    match node.op:
        case Membrane() if not node.op.emits_events:
            return 0
        case Input() | Threshold() | Membrane() | MaxPool2d() | Delay() | Multiply():
            return tensor.bounds[1] if tensor.signal is Signal.SPIKES else 1
        case Add():
            return sum(most[name] for name in node.inputs)
        case Concatenate():
            return max(most[name] for name in node.inputs)
        case SumPool2d() as op:
            return math.prod(op.kernel) * most[node.inputs[0]]
        case Reshape():
            return most[node.inputs[0]]
        case Dense() | Conv2d() | Readout():
            return 0
        case _:
            assert_never(node.op)


def most_counted(graph: Graph, most: Mapping[str, int], reached: Mapping[str, int]) -> int:
    """Bound every number that counting computes for one step of one sample.

    Parameters
    ----------
    graph
        The graph that is counted.
    most
        What :func:`most_events` returns for it.
    reached
        For each weighted layer and max pool, its synapses or windows: the operations that one
        event at each element of its input causes.
    """
    leaving = (most[node.name] * graph.tensors[node.name].size for node in graph.nodes)
    arriving = (most[graph[name].inputs[0]] * number for name, number in reached.items())
    return max(*leaving, *arriving)
