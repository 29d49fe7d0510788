"""At which neurons events arrive: exact, neuron by neuron, from the events of a tally.

A synapse exists where the integer weight is not zero. Arrivals are linear in the events, so the
sums over samples that a tally holds are enough, and no trace is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
from typing_extensions import assert_never

from edgespike import interpreter
from edgespike.counting.fanout import Convention, existing
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
    Readout,
    Reshape,
    Signal,
    SumPool2d,
    Threshold,
)
from edgespike.graph.tensor import Integers


@dataclass(frozen=True)
class Placement:
    """Which neurons of a graph are on the same core of a chip.

    Parameters
    ----------
    chip
        Name of the chip.
    first_neurons
        For each layer of neurons, the first neuron of each of its cores, ascending from 0; a core
        holds the neurons up to the next core's first. Neurons are numbered in row-major order.
    rule
        How neurons were assigned to cores, in one sentence.
    """

    chip: str
    first_neurons: Mapping[str, tuple[int, ...]]
    rule: str

    @property
    def cores(self) -> int:
        """Number of cores in use."""
        return sum(len(first) for first in self.first_neurons.values())


def arrivals_by_neuron(
    graph: Graph, events: Mapping[str, Integers], samples: int
) -> dict[str, Integers]:
    """Count the events that arrive at the synapses of each neuron, over all steps and samples.

    Where a sum of accumulators is pooled, an event arrives once for each path, and where a neuron
    takes events without weights, it arrives too: as on a chip, whose synapses lead straight to the
    neurons. Counts have no synaptic operations there.

    Parameters
    ----------
    graph
        The graph that ran.
    events
        :attr:`edgespike.counting.Tally.events` of the run.
    samples
        How many samples ran.

    Returns
    -------
    arrivals
        For each node with neurons and each max pool, int64, in the node's shape.
    """
    delayed = {
        node.name: _delayed(op, events[node.inputs[0]], samples)
        for node, op in graph.of_type(Delay)
    }
    found = _arriving(graph, {**events, **delayed})
    return {name: np.asarray(values.sum(axis=0)) for name, values in found.items()}


def synapses_by_neuron(graph: Graph) -> dict[str, Integers]:
    """Count the synapses that end at each neuron: its arrivals if every source sends one event.

    Returns
    -------
    synapses
        For each node with neurons and each max pool, int64, in the node's shape.
    """
    ones = {
        node.name: np.ones((1, *graph.tensors[node.name].shape), np.int64)
        for node in graph.nodes
        if node.op.emits_events or isinstance(node.op, Delay)
    }
    return {name: np.asarray(values[0]) for name, values in _arriving(graph, ones).items()}


def _delayed(op: Delay, events: Integers, samples: int) -> Integers:
    initial = op.initial if op.signal is Signal.SPIKES else int(op.initial != 0)
    return np.concatenate([np.full_like(events[:1], initial * samples), events[:-1]])


def _arriving(graph: Graph, leaving: Mapping[str, Integers]) -> dict[str, Integers]:
    """Propagate events ``(steps, *shape)`` to the neurons at which they arrive."""
    passed: dict[str, Integers] = dict(leaving)
    arrived: dict[str, Integers] = {}
    for node in graph.nodes:
        op = node.op
        inputs = [] if isinstance(op, Delay) else [passed[name] for name in node.inputs]
        match op:
            case Input() | Delay():
                continue
            case Dense():
                mask, none = _ones(op), np.zeros_like(op.bias)
                passed[node.name] = interpreter.dense(Dense(mask, none), *inputs)
            case Conv2d():
                same = replace(op, weight=_ones(op), bias=np.zeros_like(op.bias))
                passed[node.name] = interpreter.conv2d(same, *inputs)
            case SumPool2d():
                passed[node.name] = interpreter.sum_pool2d(op, *inputs)
            case Add():
                passed[node.name] = interpreter.add(op, *inputs)
            case Concatenate():
                passed[node.name] = interpreter.concatenate(op, *inputs)
            case Reshape():
                passed[node.name] = interpreter.reshape(op, *inputs)
            case MaxPool2d():
                windows = {field.name: getattr(op, field.name) for field in fields(op)}
                arrived[node.name] = interpreter.sum_pool2d(SumPool2d(**windows), *inputs)
            case Multiply():
                arrived[node.name] = leaving[node.name]  # a product where both factors have events
            case Threshold() | Readout():
                arrived[node.name] = inputs[0]
            case Membrane():
                if op.emits_events:
                    arrived[node.name] = inputs[0]
                else:  # the readout's neurons keep its potential
                    passed[node.name] = inputs[0]
            case _:
                assert_never(op)
    return arrived


def _ones(op: Dense | Conv2d) -> Integers:
    """Return weights of 1 at each synapse, and of 0 elsewhere."""
    return existing(op, Convention.QUANTISED).astype(np.int64)
