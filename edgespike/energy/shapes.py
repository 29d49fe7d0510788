"""What follows from shapes and ranges of a graph alone: weights, neurons, bits of activations."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgespike.graph import Conv2d, Delay, Dense, Graph, Node
from edgespike.graph.ops import Weighted

WORD_BYTES = 4
"""Bytes of a word where each layer has memories of its own: weights, potentials and events."""


def weighted(graph: Graph) -> Iterator[tuple[Node, Dense | Conv2d]]:
    """Yield the nodes with weights."""
    for node in graph.nodes:
        if isinstance(node.op, Weighted):
            yield node, node.op


def neurons(graph: Graph) -> int:
    """Return the number of neurons, those of the readout included."""
    return sum(graph.tensors[node.name].size for node in graph.nodes if node.op.has_neurons)


def parameter_bytes(op: Weighted) -> int:
    """Return the size of a layer's weights and biases, in words of 32 bits.

    Biases that are all zero are not stored.
    """
    biases = len(op.weight) if np.any(op.bias) else 0
    return (op.weight.size + biases) * WORD_BYTES


def from_input_alone(graph: Graph) -> set[str]:
    """Name the nodes whose values follow from the input without any neuron in between."""
    alone = {graph.input.name}
    for _ in range(1 + sum(isinstance(node.op, Delay) for node in graph.nodes)):
        for node in graph.nodes[1:]:  # a delay's source may come later in the graph
            if not node.op.has_neurons and alone.issuperset(node.inputs):
                alone.add(node.name)
    return alone


def activation_bits(graph: Graph) -> dict[str, int]:
    """Return the bits of what a dense quantised net would send to each layer with weights.

    A neuron that sends up to m spikes or levels in each of T steps distinguishes T m + 1 values, so
    a net that sends one number instead needs ceil(log2(T m + 1)) bits (Yan et al., arXiv
    2409.08290, for m = 1). In a recurrent graph, where the net takes every step too, T is 1. The
    input has the bits of its range. Where values may be negative, bits are those of a number with a
    sign: 8 for -128 to 127.
    """
    repeated = 1 if graph.is_recurrent else graph.steps
    alone = from_input_alone(graph)
    found = {}
    for node, _ in weighted(graph):
        (source,) = node.inputs
        low, high = graph.tensors[source].bounds
        steps = 1 if source in alone else repeated
        found[node.name] = _bits(steps * low, steps * high)
    return found


def _bits(low: int, high: int) -> int:
    """Return how many bits tell the integers of a range apart, in two's complement if one is < 0.

    Without negative ones, ``high.bit_length()`` is ceil(log2(high + 1)), exactly.
    """
    if low >= 0:
        return max(1, high.bit_length())
    return 1 + max(high, -1 - low).bit_length()
