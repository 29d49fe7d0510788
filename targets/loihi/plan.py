"""What each neuron of a graph receives and when, without making a single synapse."""

from __future__ import annotations

import numpy as np

from edgespike.graph import Graph, Input, MaxPool2d, Membrane, Node, Readout, Threshold
from edgespike.graph.ops import Weighted
from edgespike.graph.tensor import Integers, Tensor, per_channel
from edgespike.targets.loihi.neurons import Arriving

NEURONS = (Threshold, Membrane, MaxPool2d, Readout)
"""Operations that neurons compute; the rest is made of synapses."""

SOURCES = (Input, Threshold, Membrane, MaxPool2d)
"""Operations that send spikes."""


def arriving(graph: Graph, node: Node) -> Arriving:
    """Give what reaches the neurons of a node."""
    # A pool's own neurons receive its windows, every other neuron one element of its input.
    name = node.name if isinstance(node.op, MaxPool2d) else node.inputs[0]
    tensor = graph.tensors[name]
    channel = _per_element(np.arange(tensor.shape[0]), tensor)
    return Arriving(channel, tensor.low[channel], tensor.high[channel], _bias(graph, name))


def _bias(graph: Graph, name: str) -> Integers:
    """Give the constant part of each element of a node's output."""
    node, tensor = graph[name], graph.tensors[name]
    if tensor.signal.is_event:
        return np.zeros(tensor.size, np.int64)
    if isinstance(node.op, Weighted):
        return _per_element(node.op.bias, tensor)
    total: Integers = np.sum([_bias(graph, source) for source in node.inputs], axis=0)
    return total


def lowest_weights(graph: Graph, name: str) -> Integers:
    """Give the lowest weight among the synapses that make up each element of a node's output."""
    node, tensor = graph[name], graph.tensors[name]
    if tensor.signal.is_event:
        return np.ones(tensor.size, np.int64)
    if isinstance(node.op, Weighted):
        return _per_element(node.op.weight.reshape(len(node.op.weight), -1).min(axis=1), tensor)
    lowest: Integers = np.min([lowest_weights(graph, source) for source in node.inputs], axis=0)
    return lowest


def _per_element(values: Integers, tensor: Tensor) -> Integers:
    return np.broadcast_to(per_channel(values, len(tensor.shape)), tensor.shape).ravel()


def source_names(graph: Graph, name: str) -> set[str]:
    """Name the populations whose spikes make up a node's output."""
    node = graph[name]
    if isinstance(node.op, SOURCES):
        return {name}
    return set().union(*(source_names(graph, source) for source in node.inputs))


def depths(graph: Graph) -> dict[str, int]:
    """Give each population's lag behind the input; every connection takes one step."""
    found = {graph.input.name: 0}
    for node in graph.nodes:
        if isinstance(node.op, NEURONS):
            sources = source_names(graph, node.inputs[0])
            found[node.name] = 1 + max(found[source] for source in sources)
    return found
