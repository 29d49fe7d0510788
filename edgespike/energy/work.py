"""What energy models multiply by constants: counts of a run, and of passes of a dense network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np
from typing_extensions import assert_never

from edgespike.counting import Convention, Counts, LayerCounts, dense_connections
from edgespike.counting.exact import Whole, total
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
    Threshold,
)
from edgespike.graph.ops import Weighted

SRAM_SIZES = {"8k": 8 * 2**10, "32k": 32 * 2**10, "1m": 2**20}
"""Memory sizes in bytes for which access energies are published, smallest first."""


class Quantity(Enum):
    """Something that is counted; the value is its name in reports."""

    SYNAPTIC_OPERATIONS = "synaptic operations"
    MULTIPLY_ACCUMULATES = "multiply-accumulates"
    NEURON_UPDATES = "neuron updates"
    ACTIVE_UPDATES = "neuron updates that end in an event"
    QUIET_UPDATES = "neuron updates without an event"
    EVENTS = "event transport"
    POOL_OPERATIONS = "pool operations"
    WEIGHT_READS = "weight reads"
    POTENTIAL_READS = "potential reads"
    POTENTIAL_WRITES = "potential writes"
    DENSE_SPIKING_MACS = "dense multiply-accumulates of the layers that receive spikes"
    DENSE_MACS = "dense multiply-accumulates"
    DENSE_UPDATES = "dense neuron updates"


class MemoryKind(Enum):
    """A memory whose size determines the cost of an access; the value says what it holds."""

    WEIGHTS = "8-bit weights"
    POTENTIALS = "32-bit accumulators and potentials"
    ACTIVATIONS = "8-bit activations"


@dataclass(frozen=True)
class Work:
    """All quantities that energy models may charge for.

    Parameters
    ----------
    amounts
        Over all samples and steps. The dense quantities are those of one pass per sample.
    memory_bytes
        Size of each memory in bytes.
    """

    amounts: Mapping[Quantity, int]
    memory_bytes: Mapping[MemoryKind, int]

    def sram_size(self, memory: MemoryKind) -> str:
        """Return the name of the smallest of :data:`SRAM_SIZES` that is enough, else the largest.

        A larger memory is built from several of the largest; the wires between them are not
        counted.
        """
        needed = self.memory_bytes[memory]
        fitting = (name for name, size in SRAM_SIZES.items() if needed <= size)
        return next(fitting, list(SRAM_SIZES)[-1])


def measure(graph: Graph, counts: Counts, convention: Convention) -> Work:
    """Collect the quantities from the counts of a run and the shapes of the graph.

    Parameters
    ----------
    graph
        The graph that ran.
    counts
        What it did.
    convention
        Which synapses count. Memory accesses are always those of non-zero quantised weights.
    """
    totals = counts.total.totals()
    active, quiet = _updates_by_activity(graph, counts)
    amounts = {
        Quantity.SYNAPTIC_OPERATIONS: totals["synaptic_operations"][convention.value],
        Quantity.MULTIPLY_ACCUMULATES: totals["multiply_accumulates_by_convention"][
            convention.value
        ],
        Quantity.NEURON_UPDATES: totals["neuron_updates"],
        Quantity.ACTIVE_UPDATES: active,
        Quantity.QUIET_UPDATES: quiet,
        Quantity.EVENTS: totals["events"],
        Quantity.POOL_OPERATIONS: totals["pool_operations"],
        Quantity.WEIGHT_READS: totals["weight_reads"],
        Quantity.POTENTIAL_READS: totals["membrane_reads"],
        Quantity.POTENTIAL_WRITES: totals["membrane_writes"],
        **_dense_pass(graph, counts.samples),
    }
    return Work(amounts, _memory_bytes(graph))


def _dense_pass(graph: Graph, samples: int) -> dict[Quantity, int]:
    spiking = graded = 0
    for node, op in _weighted(graph):
        (tensor,) = graph.input_tensors(node)
        connections = dense_connections(op, tensor.shape)
        if tensor.signal is Signal.SPIKES:
            spiking += connections
        else:
            graded += connections
    graded += sum(graph.tensors[node.name].size for node, _ in graph.of_type(Multiply))
    return {
        Quantity.DENSE_SPIKING_MACS: samples * spiking,
        Quantity.DENSE_MACS: samples * (spiking + graded),
        Quantity.DENSE_UPDATES: samples * _neurons(graph),
    }


def _weighted(graph: Graph) -> Iterator[tuple[Node, Dense | Conv2d]]:
    for node in graph.nodes:
        if isinstance(node.op, Weighted):
            yield node, node.op


def _neurons(graph: Graph) -> int:
    return sum(graph.tensors[node.name].size for node in graph.nodes if node.op.has_neurons)


def _memory_bytes(graph: Graph) -> dict[MemoryKind, int]:
    neurons = _neurons(graph)
    currents = sum(
        graph.tensors[node.name].size
        for node, op in graph.of_type(Membrane)
        if op.decay_syn is not None
    )
    return {
        MemoryKind.WEIGHTS: sum(op.weight.size for _, op in _weighted(graph)),
        MemoryKind.POTENTIALS: 4 * (neurons + currents),
        MemoryKind.ACTIVATIONS: neurons,
    }


def _updates_by_activity(graph: Graph, counts: Counts) -> tuple[int, int]:
    """Return the number of neuron updates that end in an event, and of those that do not.

    The elements of max pools count as neurons here: a target that builds the OR from synapses
    needs them. Where a neuron emits several spikes in one step, the first number is an upper bound.
    """
    active = updates = 0
    for row in counts.layers:
        neurons = _updates(graph, row, counts.samples)
        active += total(np.minimum(row.events, neurons))
        updates += total(neurons)
    return active, updates - active


def _updates(graph: Graph, row: LayerCounts, samples: int) -> Whole:
    op = graph[row.name].op
    match op:
        case MaxPool2d():
            return np.full(graph.steps, graph.tensors[row.name].size * samples, np.int64)
        case Threshold() | Membrane() | Readout():
            return row.neuron_updates
        case (
            Input()
            | Dense()
            | Conv2d()
            | SumPool2d()
            | Add()
            | Multiply()
            | Concatenate()
            | Reshape()
            | Delay()
        ):
            return row.neuron_updates  # all zero: these have no neurons
        case _:
            assert_never(op)
