"""Collect what energy models charge for from the counts of a run and the shapes of its graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from typing_extensions import assert_never

from edgespike.counting import Convention, Counts, LayerCounts
from edgespike.counting.exact import Whole, times, total
from edgespike.counting.instructions import Instructions
from edgespike.energy.dense import dense_accesses, dense_pass
from edgespike.energy.quantities import Accesses, MemoryKind, Quantity, Work
from edgespike.energy.shapes import WORD_BYTES, neurons, parameter_bytes, weighted
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
    Reset,
    Reshape,
    SumPool2d,
    Threshold,
)
from edgespike.graph.ops import Weighted

__all__ = ["Quantity", "Work", "measure"]

QUEUE_BYTES = 1000 * WORD_BYTES
"""Size of a layer's queue of events: 1,000, as in Lemaire et al.'s experiments, according to
SpikingJelly 2.0."""


def measure(
    graph: Graph,
    counts: Counts,
    convention: Convention,
    instructions: Mapping[str, Instructions] | None = None,
) -> Work:
    """Collect the quantities from the counts of a run and the shapes of the graph.

    Parameters
    ----------
    graph
        The graph that ran.
    counts
        What it did.
    convention
        Which synapses count. Accesses to one memory for the whole net are always those of non-zero
        quantised weights; accesses to memories of single layers follow the convention.
    instructions
        Of each core for which they are known, for a sample.
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
        Quantity.EVENT_READS: totals["arrivals"],
        **_states(graph, counts),
        **_addresses(graph, counts, convention),
        **dense_pass(graph, counts.samples),
    }
    accesses = {**_layer_accesses(graph, counts, convention), **dense_accesses(graph, counts)}
    for quantity, rows in accesses.items():
        amounts.setdefault(quantity, sum(each.number for each in rows))
    known = {
        core: replace(
            each,
            typical=each.typical * counts.samples,
            low=each.low * counts.samples,
            high=each.high * counts.samples,
        )
        for core, each in (instructions or {}).items()
    }
    return Work(amounts, _memory_bytes(graph), accesses, known)


def _states(graph: Graph, counts: Counts) -> dict[Quantity, int]:
    """Return the leaks and resets of membranes, which other neurons do not have."""
    leaks = resets = 0
    for row in counts.layers:
        op = graph[row.name].op
        if isinstance(op, Membrane):
            leaks += total(row.neuron_updates) if np.any(op.decay) else 0
            leaks += total(row.current_updates)
            resets += total(row.spikes) if op.reset is not Reset.NONE else 0
    return {Quantity.LEAKS: leaks, Quantity.RESETS: resets}


def _addresses(graph: Graph, counts: Counts, convention: Convention) -> dict[Quantity, int]:
    """Return the address arithmetic of event-driven layers.

    One addition for each synapse or window that an event reaches, and in layers with windows two
    multiply-accumulates for each event, which find the first of them.
    """
    additions = multiplications = 0
    for row in counts.layers:
        op = graph[row.name].op
        if isinstance(op, Weighted | MaxPool2d):
            additions += _reached(row, convention) + total(row.pool_operations)
        if isinstance(op, Conv2d | MaxPool2d):
            multiplications += 2 * total(row.arrivals)
    return {
        Quantity.ADDRESS_ADDITIONS: additions,
        Quantity.ADDRESS_MULTIPLICATIONS: multiplications,
    }


def _reached(row: LayerCounts, convention: Convention) -> int:
    return total(row.synaptic_operations[convention]) + total(row.multiply_accumulates[convention])


def _layer_accesses(
    graph: Graph, counts: Counts, convention: Convention
) -> dict[Quantity, tuple[Accesses, ...]]:
    """Return the accesses to each layer's memories of weights, potentials and events."""
    found: dict[Quantity, list[Accesses]] = {
        quantity: []
        for quantity in (
            Quantity.WEIGHT_READS,
            Quantity.BIAS_READS,
            Quantity.POTENTIAL_READS,
            Quantity.POTENTIAL_WRITES,
            Quantity.EVENT_READS,
            Quantity.EVENT_WRITES,
        )
    }
    for row in counts.layers:
        op, size = graph[row.name].op, graph.tensors[row.name].size
        reached, states = _reached(row, convention), size * WORD_BYTES
        if isinstance(op, Weighted):
            weights = parameter_bytes(op)
            found[Quantity.WEIGHT_READS].append(Accesses(reached, weights))
            read = size * graph.steps * counts.samples if np.any(op.bias) else 0
            found[Quantity.BIAS_READS].append(Accesses(read, weights))
        elif isinstance(op, Multiply):
            found[Quantity.WEIGHT_READS].append(Accesses(reached, states))
        updates = total(row.neuron_updates) + total(row.current_updates)
        potentials = states * (2 if total(row.current_updates) else 1)
        for quantity in (Quantity.POTENTIAL_READS, Quantity.POTENTIAL_WRITES):
            found[quantity].append(Accesses(reached + updates, potentials))
        found[Quantity.EVENT_READS].append(Accesses(total(row.arrivals), QUEUE_BYTES))
        if not isinstance(op, Input):  # the sensor or host writes the input
            found[Quantity.EVENT_WRITES].append(Accesses(total(row.events), QUEUE_BYTES))
    return {quantity: tuple(rows) for quantity, rows in found.items()}


def _memory_bytes(graph: Graph) -> dict[MemoryKind, int]:
    count = neurons(graph)
    currents = sum(
        graph.tensors[node.name].size
        for node, op in graph.of_type(Membrane)
        if op.decay_syn is not None
    )
    return {
        MemoryKind.WEIGHTS: sum(op.weight.size for _, op in weighted(graph)),
        MemoryKind.POTENTIALS: 4 * (count + currents),
        MemoryKind.ACTIVATIONS: count,
    }


def _updates_by_activity(graph: Graph, counts: Counts) -> tuple[int, int]:
    """Return the number of neuron updates that end in an event, and of those that do not.

    The elements of max pools count as neurons here: a target that builds the OR from synapses
    needs them. Where a neuron emits several spikes in one step, the first number is an upper bound.
    """
    active = updates = 0
    for row in counts.layers:
        at_each_step = _updates(graph, row, counts.samples)
        active += total(np.minimum(row.events, at_each_step))
        updates += total(at_each_step)
    return active, updates - active


def _updates(graph: Graph, row: LayerCounts, samples: int) -> Whole:
    op = graph[row.name].op
    match op:
        case MaxPool2d():
            return times(np.full(graph.steps, graph.tensors[row.name].size, np.int64), samples)
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
