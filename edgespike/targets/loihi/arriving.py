"""What each neuron of a graph receives, without making a single synapse.

Everything is computed once for a graph, in the order of its nodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from edgespike.graph import (
    Add,
    Conv2d,
    Dense,
    Graph,
    MaxPool2d,
    Membrane,
    Node,
    Readout,
    Reshape,
    Threshold,
)
from edgespike.graph.ops import Weighted
from edgespike.graph.tensor import Integers, Tensor, per_channel
from edgespike.targets.loihi.neurons import Arriving

NEURONS = (Threshold, Membrane, MaxPool2d, Readout)
"""Operations that neurons compute; the rest is made of synapses."""


def is_maximum(graph: Graph, node: Node) -> bool:
    """Return whether a node is a max pool of more than single spikes, so that it is no OR."""
    return isinstance(node.op, MaxPool2d) and graph.tensors[node.inputs[0]].bounds[1] > 1


def arriving(graph: Graph, node: Node) -> Arriving:
    """Return what reaches the neurons of a node."""
    pooled = is_maximum(graph, node)
    # An OR's neurons receive its windows, all others one element of their input.
    is_or = isinstance(node.op, MaxPool2d) and not pooled
    name = node.name if is_or else node.inputs[0]
    tensor, bias = graph.tensors[name], biases(graph)[name]
    channel = _per_element(np.arange(tensor.shape[0]), tensor)
    return Arriving(channel, tensor.low[channel], tensor.high[channel], bias, pooled)


@lru_cache(maxsize=8)
def biases(graph: Graph) -> Mapping[str, Integers]:
    """Return the constant part of each element of each node's output."""
    found: dict[str, Integers] = {}
    for node in graph.nodes:
        tensor = graph.tensors[node.name]
        if not _gives_sums(node, tensor):
            found[node.name] = np.zeros(tensor.size, np.int64)
        elif isinstance(node.op, Weighted):
            found[node.name] = _per_element(node.op.bias, tensor)
        else:
            found[node.name] = np.sum([found[name] for name in node.inputs], axis=0)
    return found


@lru_cache(maxsize=8)
def lowest_weights(graph: Graph) -> Mapping[str, Integers]:
    """Return the lowest weight among the synapses behind each element of each node's output."""
    found: dict[str, Integers] = {}
    for node in graph.nodes:
        tensor = graph.tensors[node.name]
        if not _gives_sums(node, tensor):
            found[node.name] = np.ones(tensor.size, np.int64)
        elif isinstance(node.op, Weighted):
            lowest = node.op.weight.reshape(len(node.op.weight), -1).min(axis=1)
            found[node.name] = _per_element(lowest, tensor)
        else:
            found[node.name] = np.min([found[name] for name in node.inputs], axis=0)
    return found


def _gives_sums(node: Node, tensor: Tensor) -> bool:
    """Return whether a node gives sums of synapses; not of an operation that is a violation."""
    return type(node.op) in (Dense, Conv2d, Add, Reshape) and not tensor.signal.is_event


def _per_element(values: Integers, tensor: Tensor) -> Integers:
    return np.broadcast_to(per_channel(values, len(tensor.shape)), tensor.shape).ravel()
