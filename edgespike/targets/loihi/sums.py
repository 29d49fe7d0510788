"""What each neuron of a graph receives, without making a single synapse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from typing_extensions import assert_never

from edgespike.graph import Conv2d, Dense, Graph, MaxPool2d, Node, SumPool2d
from edgespike.graph.tensor import Integers, Tensor, per_channel
from edgespike.targets.loihi.neurons import Arriving
from edgespike.targets.loihi.rules import is_maximum, rule_of


@dataclass(frozen=True)
class SynapticSum:
    """What is known of each element of a node's output as a sum of synapses, ``(elements,)``.

    Parameters
    ----------
    bias
        The constant part; 0 where the element is an event or a sum of events.
    """

    bias: Integers


Sums = Mapping[str, SynapticSum]
"""The synaptic sums of all nodes of a graph, by name."""


def sums_of(graph: Graph) -> Sums:
    """Compute every node's sums in the order of the nodes."""
    found: dict[str, SynapticSum] = {}
    for node in graph.nodes:
        found[node.name] = _sum(node, graph.tensors[node.name], found)
    return found


def _sum(node: Node, tensor: Tensor, found: Sums) -> SynapticSum:
    rule = rule_of(node.op)
    match rule.synapses:
        case Dense() | Conv2d() as op:
            return SynapticSum(_per_element(op.bias, tensor))
        case None if rule.adds_inputs:
            return _added([found[name] for name in node.inputs])
        case SumPool2d() | MaxPool2d() | None:
            return _unweighted(tensor)
        case _:
            assert_never(rule.synapses)


def _added(parts: list[SynapticSum]) -> SynapticSum:
    return SynapticSum(np.sum([part.bias for part in parts], axis=0))


def _unweighted(tensor: Tensor) -> SynapticSum:
    """Return the sums of synapses of weight 1 from events, and of events themselves."""
    return SynapticSum(np.zeros(tensor.size, np.int64))


def arriving(graph: Graph, node: Node, sums: Sums) -> Arriving:
    """Return what reaches the neurons of a node."""
    pooled = is_maximum(graph, node)
    # An OR's neurons receive its windows, all others one element of their input.
    is_or = isinstance(node.op, MaxPool2d) and not pooled
    name = node.name if is_or else node.inputs[0]
    tensor = graph.tensors[name]
    channel = _per_element(np.arange(tensor.shape[0]), tensor)
    return Arriving(
        channel,
        tensor.low[channel],
        tensor.high[channel],
        sums[name].bias,
        pooled,
    )


def _per_element(values: Integers, tensor: Tensor) -> Integers:
    return np.broadcast_to(per_channel(values, len(tensor.shape)), tensor.shape).ravel()
