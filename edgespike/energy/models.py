"""Energy models: which counts are charged, and at which constant of a profile.

A model is a list of terms; its energy is the sum of count times constant. Beside it stands a
dense baseline under the same constants: a ReLU network of the same shape that computes every
connection, with no skipping of zeros. It is charged for the layers that the model charges for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgespike.counting import Convention
from edgespike.energy.work import SRAM_SIZES, Memory, Quantity


@dataclass(frozen=True)
class Term:
    """A count times a constant.

    Parameters
    ----------
    quantity
        What is counted.
    constant
        Name of the energy of one; for a memory access without its size.
    memory
        The memory that is accessed, ``None`` for an operation.
    """

    quantity: Quantity
    constant: str
    memory: Memory | None = None

    def constant_names(self) -> Iterator[str]:
        """Name every constant that the term may need, for all memory sizes."""
        if self.memory is None:
            yield self.constant
        else:
            yield from (f"{self.constant}_{size}" for size in SRAM_SIZES)


@dataclass(frozen=True)
class Model:
    """A named way from counts to energy.

    Parameters
    ----------
    name
        How profiles and reports call it.
    formula
        In one line.
    convention
        Which synapses it counts.
    terms
        What is charged.
    caveat
        What a reader must know to judge the figure.
    dense
        Name of the dense baseline; empty if there is none.
    dense_terms
        What the baseline's passes are charged for.
    inside
        What the constants of other terms already hold.
    """

    name: str
    formula: str
    convention: Convention
    terms: tuple[Term, ...]
    caveat: str
    dense: str = ""
    dense_terms: tuple[Term, ...] = ()
    inside: tuple[Quantity, ...] = ()

    def constant_names(self) -> set[str]:
        """Name the constants that a profile needs for this model."""
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
    Term(Quantity.WEIGHT_READS, "sram_8bit", Memory.WEIGHTS),
    Term(Quantity.POTENTIAL_READS, "sram_32bit", Memory.POTENTIALS),
    Term(Quantity.POTENTIAL_WRITES, "sram_32bit", Memory.POTENTIALS),
)
# A dense network keeps a neuron's accumulator in a register until its sum is complete, so it
# reads a weight and an activation for each operation and writes one activation for each neuron.
_DENSE_MEMORY = (
    Term(Quantity.DENSE_MACS, "sram_8bit", Memory.WEIGHTS),
    Term(Quantity.DENSE_MACS, "sram_8bit", Memory.ACTIVATIONS),
    Term(Quantity.DENSE_UPDATES, "sram_8bit", Memory.ACTIVATIONS),
)

_ALL = (
    Model(
        "fp32-spiking-only",
        "E = synaptic operations x E_add(fp32)",
        Convention.EVERY,
        (Term(Quantity.SYNAPTIC_OPERATIONS, "fp32_add"),),
        "The metric of the spiking synaptic penalty (arXiv 2302.01500): spiking layers only, "
        "float additions, no memory. It flatters: the first layer is left out.",
        "dense fp32 ReLU, the same layers",
        (Term(Quantity.DENSE_SPIKING_MACS, "fp32_multiply_accumulate"),),
    ),
    Model(
        "fp32-all-layers",
        "E = synaptic operations x E_add(fp32) + multiply-accumulates x E_MAC(fp32)",
        Convention.EVERY,
        (
            Term(Quantity.SYNAPTIC_OPERATIONS, "fp32_add"),
            Term(Quantity.MULTIPLY_ACCUMULATES, "fp32_multiply_accumulate"),
        ),
        "The field's metric with the layers that receive numbers, such as the first; float "
        "arithmetic, no memory.",
        "dense fp32 ReLU",
        (Term(Quantity.DENSE_MACS, "fp32_multiply_accumulate"),),
    ),
    Model(
        "int8-operations",
        "E = (synaptic operations + neuron updates + pool operations) x E_add(integer) "
        "+ multiply-accumulates x E_MAC(int8)",
        Convention.QUANTISED,
        _INTEGER,
        "The arithmetic of the integer graph that is deployed; no memory. The dense baseline's "
        "pooling is free.",
        "dense int8 ReLU",
        _DENSE_INTEGER,
    ),
    Model(
        "int8-with-memory",
        "E = int8-operations + weight reads x E_read(8 bit) "
        "+ (potential reads + potential writes) x E_access(32 bit)",
        Convention.QUANTISED,
        _INTEGER + _MEMORY,
        "Every synaptic operation reads its weight and reads and writes its accumulator; each "
        "memory is the smallest published SRAM that holds it. No weight is reused. The dense "
        "baseline reads a weight and an activation for each operation and keeps accumulators in "
        "registers.",
        "dense int8 ReLU, with memory",
        _DENSE_INTEGER + _DENSE_MEMORY,
    ),
    Model(
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
        "Memory is inside each constant. Max pools are ORs built from synapses and neurons. An "
        "event that carries a number is charged as one spike, which the first Loihi needs "
        "several for. Static power and the barrier between steps are in no constant. No dense "
        "baseline: none is published for this chip.",
        inside=(Quantity.WEIGHT_READS, Quantity.POTENTIAL_READS, Quantity.POTENTIAL_WRITES),
    ),
)

MODELS = {model.name: model for model in _ALL}
"""All energy models by name."""
