"""At how many events of a neuron an event-driven graph would cost as much as its dense baseline.

All that the neurons' events cause is proportional to their number, if every neuron fires more or
less by the same factor: synaptic operations, accesses, transport. What the input causes, and what
each neuron does in every step, stays. So the energy is a straight line through two points: the run
as measured, and the same run with silent neurons.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from edgespike.counting import Counts, LayerCounts
from edgespike.counting.exact import total
from edgespike.graph import Delay, Graph, Input, Node

_INPUT, _NEURONS, _CONSTANT = "input", "neurons", "constant"


@dataclass(frozen=True)
class Activity:
    """How active the neurons of a run were, and the run if they had been silent.

    Parameters
    ----------
    rate
        Events of a neuron in a sample, the mean over all neurons that emit events and all samples.
    at_rest
        The counts without the events of neurons; ``None`` if they cannot be told apart.
    why_not
        Why ``at_rest`` is ``None``; empty if it is not.
    """

    rate: float
    at_rest: Counts | None
    why_not: str = ""


def activity(graph: Graph, counts: Counts) -> Activity:
    """Return the neurons' activity in a run, and its counts without their events."""
    emitting = {node.name for node in graph.nodes if node.op.has_neurons and node.op.emits_events}
    neurons = sum(graph.tensors[name].size for name in emitting) * counts.samples
    events = sum(total(row.events) for row in counts.layers if row.name in emitting)
    rate = events / neurons if neurons else 0.0
    causes = _causes(graph)
    mixed = [
        row.name
        for row in counts.layers
        if len(_causes_in(graph[row.name], causes)) > 1 and total(row.arrivals)
    ]
    if mixed:
        return Activity(
            rate, None, f"events of the input and of neurons cannot be told apart at {mixed[0]}"
        )
    layers = tuple(_at_rest(graph[row.name], row, causes) for row in counts.layers)
    return Activity(rate, Counts(counts.samples, layers))


def _at_rest(node: Node, row: LayerCounts, causes: Mapping[str, frozenset[str]]) -> LayerCounts:
    nothing = np.zeros(len(row.events), np.int64)
    if _NEURONS in _causes_in(node, causes):
        none = dict.fromkeys(row.synaptic_operations, nothing)
        row = replace(row, synaptic_operations=none, multiply_accumulates=none)
        row = replace(row, pool_operations=nothing, arrivals=nothing)
    if _NEURONS in causes[node.name]:
        row = replace(row, events=nothing, spikes=nothing)
    return row


def _causes_in(node: Node, causes: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Return what causes the events that arrive at a node."""
    return frozenset().union(*(causes[name] for name in node.inputs))


def _causes(graph: Graph) -> dict[str, frozenset[str]]:
    """Return, for each node, where the events that leave it come from."""
    causes: dict[str, frozenset[str]] = {node.name: frozenset() for node in graph.nodes}
    while True:
        found = {node.name: _cause(node, causes) for node in graph.nodes}
        if found == causes:
            return causes
        causes = found


def _cause(node: Node, causes: Mapping[str, frozenset[str]]) -> frozenset[str]:
    if isinstance(node.op, Input):
        return frozenset({_INPUT})
    if node.op.has_neurons:
        return frozenset({_NEURONS}) if node.op.emits_events else frozenset()
    begins = isinstance(node.op, Delay) and node.op.initial != 0
    return _causes_in(node, causes) | (frozenset({_CONSTANT}) if begins else frozenset())
