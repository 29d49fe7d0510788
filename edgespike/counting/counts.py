"""The result of a count: integers per layer and step, exact under any split of the samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import reduce
from typing import Any

import numpy as np

from edgespike.counting.exact import Whole, add, total
from edgespike.counting.fanout import Convention

PerConvention = Mapping[Convention, Whole]


@dataclass(frozen=True)
class LayerCounts:
    """What one node of a graph did. Every array is ``(steps,)``, summed over samples.

    The arrays are int64, or hold Python's integers (dtype object) where a number has more bits.

    Parameters
    ----------
    name
        The node's name.
    synaptic_operations
        Spikes arriving at existing synapses of this node, by convention.
    multiply_accumulates
        Events that carry a number (quantised input, levels) arriving at existing synapses of
        this node, by convention; of a product, the elements where both factors have an event.
    neuron_updates
        Neurons of this node times samples: each computes once a step.
    spikes
        Spikes that this node's neurons emit (thresholds of one level and membranes).
    events
        All events that leave this node: spikes, or values that are not zero. The input, max pools
        and products emit events too.
    pool_operations
        Events times the max-pooling windows of this node that they enter. These are not synaptic
        operations, since pooling has no weights; a target that builds the OR from synapses pays
        for them.
    current_updates
        Neurons of this node that keep a synaptic current, times samples: a second state, which
        each reads and writes once a step beside its potential.
    arrivals
        Events that enter this node's synapses or max-pooling windows, each once, however many it
        reaches.
    """

    name: str
    synaptic_operations: PerConvention
    multiply_accumulates: PerConvention
    neuron_updates: Whole
    spikes: Whole
    events: Whole
    pool_operations: Whole
    current_updates: Whole
    arrivals: Whole

    def __add__(self, other: LayerCounts) -> LayerCounts:
        if self.name != other.name:
            raise ValueError(f"counts of {self.name} and {other.name} are of different layers")
        sums = {
            field.name: _sum(getattr(self, field.name), getattr(other, field.name))
            for field in fields(self)
            if field.name != "name"
        }
        return replace(self, **sums)

    def totals(self) -> dict[str, Any]:
        """Return the sums over steps as plain integers, with the memory accesses they imply.

        Every synaptic operation or multiply-accumulate reads its weight, or a product its second
        factor, and reads and writes its neuron's accumulator; every neuron update reads and writes
        the neuron's potential, and its synaptic current if it keeps one.
        """
        operations = total(self.synaptic_operations[Convention.QUANTISED]) + total(
            self.multiply_accumulates[Convention.QUANTISED]
        )
        updates = total(self.neuron_updates)
        accesses = operations + updates + total(self.current_updates)
        return {
            "synaptic_operations": _by_convention(self.synaptic_operations),
            "multiply_accumulates": total(self.multiply_accumulates[Convention.QUANTISED]),
            "multiply_accumulates_by_convention": _by_convention(self.multiply_accumulates),
            "neuron_updates": updates,
            "spikes": total(self.spikes),
            "events": total(self.events),
            "pool_operations": total(self.pool_operations),
            "arrivals": total(self.arrivals),
            "weight_reads": operations,
            "membrane_reads": accesses,
            "membrane_writes": accesses,
        }

    def per_step(self) -> dict[str, list[int]]:
        """Return the main counts (quantised synapses) step by step."""
        return {
            "synaptic_operations": self.synaptic_operations[Convention.QUANTISED].tolist(),
            "multiply_accumulates": self.multiply_accumulates[Convention.QUANTISED].tolist(),
            "neuron_updates": self.neuron_updates.tolist(),
            "spikes": self.spikes.tolist(),
        }


@dataclass(frozen=True)
class Counts:
    """What a graph did on some samples.

    Counts of disjoint samples add up: ``count(a) + count(b)`` is the count of ``a`` and ``b``.
    """

    samples: int
    layers: tuple[LayerCounts, ...]

    def __add__(self, other: Counts) -> Counts:
        layers = tuple(a + b for a, b in zip(self.layers, other.layers, strict=True))
        return Counts(self.samples + other.samples, layers)

    @property
    def total(self) -> LayerCounts:
        """The sum over all layers, named ``total``."""
        return reduce(LayerCounts.__add__, (replace(row, name="total") for row in self.layers))

    def synaptic_operations(self, convention: Convention = Convention.QUANTISED) -> int:
        """Return the number of synaptic operations over all layers, steps and samples."""
        return sum(total(row.synaptic_operations[convention]) for row in self.layers)

    def multiply_accumulates(self, convention: Convention = Convention.QUANTISED) -> int:
        """Return the number of multiply-accumulates over all layers, steps and samples."""
        return sum(total(row.multiply_accumulates[convention]) for row in self.layers)

    def to_json(self) -> dict[str, Any]:
        """Return totals, layers and steps as plain numbers; see :class:`LayerCounts`."""
        layers = [
            {"name": row.name, **row.totals(), "per_step": row.per_step()} for row in self.layers
        ]
        return {"samples": self.samples, **self.total.totals(), "layers": layers}


def _by_convention(counts: PerConvention) -> dict[str, int]:
    return {convention.value: total(counts[convention]) for convention in Convention}


def _sum(left: Any, right: Any) -> Any:
    if isinstance(left, np.ndarray):
        return add(left, right)
    return {convention: add(left[convention], right[convention]) for convention in Convention}
