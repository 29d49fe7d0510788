"""What each neuron of a graph receives, without making a single synapse."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from typing_extensions import assert_never

from edgespike.graph import Conv2d, Dense, Graph, MaxPool2d, Membrane, Node, Readout, SumPool2d
from edgespike.graph.tensor import Integers, Tensor, per_channel
from edgespike.targets.loihi.neurons import Arriving
from edgespike.targets.loihi.rules import is_maximum, leak_of, rule_of

Biases = Mapping[str, Integers]
"""For each node, the constant part of each element's sum, ``(elements,)``; 0 for events."""


def biases_of(graph: Graph) -> Biases:
    """Return the biases of all nodes of a graph, by name."""
    found: dict[str, Integers] = {}
    for node in graph.nodes:
        found[node.name] = _bias(node, graph.tensors[node.name], found)
    return found


def _bias(node: Node, tensor: Tensor, found: Biases) -> Integers:
    rule = rule_of(node.op)
    match rule.synapses:
        case Dense() | Conv2d() as op:
            return _per_element(op.bias, tensor)
        case None if rule.adds_inputs:
            total: Integers = np.sum([found[name] for name in node.inputs], axis=0)
            return total
        case None if rule.concatenates:
            return np.concatenate([found[name] for name in node.inputs])
        case SumPool2d() | MaxPool2d() | None:
            return np.zeros(tensor.size, np.int64)
        case _:
            assert_never(rule.synapses)


def arriving(graph: Graph, node: Node, biases: Biases) -> Arriving:
    """Return what reaches the neurons of a node."""
    pooled = is_maximum(graph, node)
    # An OR's neurons receive its windows, all others one element of their input.
    is_or = isinstance(node.op, MaxPool2d) and not pooled
    name = node.name if is_or else node.inputs[0]
    leak = leak_of(graph, node) if isinstance(node.op, Readout) else None
    if leak is not None and isinstance(leak.op, Membrane):
        name = leak.inputs[0]
        return Arriving(graph.tensors[name], biases[name], leak=leak.op)
    return Arriving(graph.tensors[name], biases[name], pooled)


def _per_element(values: Integers, tensor: Tensor) -> Integers:
    return np.broadcast_to(per_channel(values, len(tensor.shape)), tensor.shape).ravel()
