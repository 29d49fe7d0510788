"""Energy models: which counts are charged, and at which constant of a profile.

A model is a list of terms; its energy is the sum of count times constant. For comparison it may
have a dense baseline with the same constants: a ReLU network of the same shape that computes every
connection, without skipping zeros. It is charged for the same layers as the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgespike.counting import Convention
from edgespike.energy.work import SRAM_SIZES, MemoryKind, Quantity


@dataclass(frozen=True)
class Term:
    """A count times a constant.

    Parameters
    ----------
    quantity
        What is counted.
    constant
        Name of the constant; for a memory access, without the memory's size.
    memory
        The memory that is accessed; ``None`` for an operation.
    """

    quantity: Quantity
    constant: str
    memory: MemoryKind | None = None

    def constant_names(self) -> Iterator[str]:
        """Yield the name of every constant that the term may need, for all memory sizes."""
        if self.memory is None:
            yield self.constant
        else:
            yield from (f"{self.constant}_{size}" for size in SRAM_SIZES)


@dataclass(frozen=True)
class EnergyModel:
    """A named way from counts to energy.

    Parameters
    ----------
    name
        Its name in profiles and reports.
    formula
        The energy, in one line for people.
    convention
        Which synapses it counts.
    terms
        What it charges for.
    caveat
        What a reader must know to judge the figure.
    dense
        Name of the dense baseline; empty if there is none.
    dense_terms
        What a pass of the baseline is charged for.
    inside
        What the constants of other terms already include.
    target
        Name of the target whose hardware the constants are of; empty if they are of none.
    """

    name: str
    formula: str
    convention: Convention
    terms: tuple[Term, ...]
    caveat: str
    dense: str = ""
    dense_terms: tuple[Term, ...] = ()
    inside: tuple[Quantity, ...] = ()
    target: str = ""

    def constant_names(self) -> set[str]:
        """Return the names of the constants that a profile needs for this model."""
        return {name for term in self.terms + self.dense_terms for name in term.constant_names()}


_INTEGER = (
    Term(Quantity.SYNAPTIC_OPERATIONS, "integer_add"),
    Term(Quantity.MULTIPLY_ACCUMULATES, "integer_multiply_accumulate"),
    Term(Quantity.NEURON_UPDATES, "integer_add"),
    Term(Quantity.POOL_OPERATIONS, "integer_add"),
)
_DENSE_INTEGER = (
    Term(Quantity.DENSE_MACS, "integer_multiply_accumulate"),
    Term(Quantity.DENSE_UPDATES, "integer_add"),
)
_MEMORY = (
    Term(Quantity.WEIGHT_READS, "sram_8bit", MemoryKind.WEIGHTS),
    Term(Quantity.POTENTIAL_READS, "sram_32bit", MemoryKind.POTENTIALS),
    Term(Quantity.POTENTIAL_WRITES, "sram_32bit", MemoryKind.POTENTIALS),
)
# A dense network keeps a neuron's accumulator in a register until its sum is complete, so it
# reads a weight and an activation for each operation and writes one activation for each neuron.
_DENSE_MEMORY = (
    Term(Quantity.DENSE_MACS, "sram_8bit", MemoryKind.WEIGHTS),
    Term(Quantity.DENSE_MACS, "sram_8bit", MemoryKind.ACTIVATIONS),
    Term(Quantity.DENSE_UPDATES, "sram_8bit", MemoryKind.ACTIVATIONS),
)

_ALL = (
    EnergyModel(
        "fp32-spiking-only",
        "E = synaptic operations x E_add(fp32)",
        Convention.EVERY,
        (Term(Quantity.SYNAPTIC_OPERATIONS, "fp32_add"),),
        "The metric of the spiking synaptic penalty (arXiv 2302.01500): spiking layers only, "
        "float additions, no memory. Optimistic: the first layer is not counted.",
        "dense fp32 ReLU, the same layers",
        (Term(Quantity.DENSE_SPIKING_MACS, "fp32_multiply_accumulate"),),
    ),
    EnergyModel(
        "fp32-all-layers",
        "E = synaptic operations x E_add(fp32) + multiply-accumulates x E_MAC(fp32)",
        Convention.EVERY,
        (
            Term(Quantity.SYNAPTIC_OPERATIONS, "fp32_add"),
            Term(Quantity.MULTIPLY_ACCUMULATES, "fp32_multiply_accumulate"),
        ),
        "The field's usual metric, including layers that receive numbers, such as the first; "
        "float arithmetic, no memory.",
        "dense fp32 ReLU",
        (Term(Quantity.DENSE_MACS, "fp32_multiply_accumulate"),),
    ),
    EnergyModel(
        "int8-operations",
        "E = (synaptic operations + neuron updates + pool operations) x E_add(integer) "
        "+ multiply-accumulates x E_MAC(int8)",
        Convention.QUANTISED,
        _INTEGER,
        "The arithmetic of the deployed integer graph; no memory. Pooling is free in the dense "
        "baseline.",
        "dense int8 ReLU",
        _DENSE_INTEGER,
    ),
    EnergyModel(
        "int8-with-memory",
        "E = int8-operations + weight reads x E_read(8 bit) "
        "+ (potential reads + potential writes) x E_access(32 bit)",
        Convention.QUANTISED,
        _INTEGER + _MEMORY,
        "Every synaptic operation reads its weight, and reads and writes its accumulator; each "
        "memory is the smallest published SRAM that is large enough. Weights are not reused. The "
        "dense baseline reads a weight and an activation for each operation and keeps "
        "accumulators in registers.",
        "dense int8 ReLU, with memory",
        _DENSE_INTEGER + _DENSE_MEMORY,
    ),
    EnergyModel(
        "loihi",
        "E = (synaptic operations + multiply-accumulates + pool operations) x E_synapse "
        "+ active updates x E_active + other updates x E_inactive + events x E_spike",
        Convention.QUANTISED,
        (
            Term(Quantity.SYNAPTIC_OPERATIONS, "synaptic_operation"),
            Term(Quantity.MULTIPLY_ACCUMULATES, "synaptic_operation"),
            Term(Quantity.POOL_OPERATIONS, "synaptic_operation"),
            Term(Quantity.ACTIVE_UPDATES, "neuron_update_active"),
            Term(Quantity.QUIET_UPDATES, "neuron_update_inactive"),
            Term(Quantity.EVENTS, "spike"),
        ),
        "The constants include memory accesses. Max pools are ORs built from synapses and "
        "neurons. An event that carries a number is charged as one spike, although the first "
        "Loihi needs several for it. Static power and the barrier between steps are not included. "
        "No dense baseline: none is published for this chip.",
        inside=(Quantity.WEIGHT_READS, Quantity.POTENTIAL_READS, Quantity.POTENTIAL_WRITES),
        target="loihi",
    ),
)

ENERGY_MODELS = {model.name: model for model in _ALL}
"""All energy models by name."""
