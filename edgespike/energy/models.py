"""The energy models that edgespike knows: which counts are charged, and at which constant.

They are Python tables rather than files, so that the type checker holds every quantity and memory.
A profile file can define models of its own with the same entries, see
:mod:`edgespike.energy.own_models`.
"""

from __future__ import annotations

from edgespike.counting import Convention
from edgespike.energy.lemaire import LEMAIRE
from edgespike.energy.model import EnergyModel, Term
from edgespike.energy.quantities import MemoryKind, Quantity

_HOROWITZ = "Horowitz, Computing's energy problem (and what we can do about it), ISSCC 2014"
_HOROWITZ_LINK = "https://doi.org/10.1109/ISSCC.2014.6757323"
_MEMORY_READS = (Quantity.WEIGHT_READS, Quantity.POTENTIAL_READS, Quantity.POTENTIAL_WRITES)

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
# A multiplier of 8 by b bits adds up b rows of 8 bits, so its energy is taken as proportional to b.
_FAIR_INTEGER = (
    Term(Quantity.DENSE_MACS, "integer_add"),
    Term(Quantity.DENSE_MULTIPLIED_BITS, "integer_multiply_bit"),
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
_FAIR_MEMORY = (
    Term(Quantity.DENSE_MACS, "sram_8bit", MemoryKind.WEIGHTS),
    Term(Quantity.DENSE_ACTIVATION_BYTES, "sram_8bit", MemoryKind.ACTIVATIONS),
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
        omits="The layers that receive numbers, neuron updates, all memory accesses, transport of "
        "events, control, leakage.",
        source="Spiking synaptic penalty, with the addition and multiplication of Horowitz (2014)",
        link="https://arxiv.org/abs/2302.01500",
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
        omits="Neuron updates, all memory accesses, transport of events, control, leakage.",
        source=_HOROWITZ,
        link=_HOROWITZ_LINK,
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
        omits="All memory accesses, transport of events, control, leakage.",
        source=_HOROWITZ,
        link=_HOROWITZ_LINK,
        fair_terms=_FAIR_INTEGER,
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
        omits="Transport and queues of events, addresses, reuse of weights, DRAM, control, "
        "leakage.",
        source=_HOROWITZ,
        link=_HOROWITZ_LINK,
        fair_terms=_FAIR_INTEGER + _FAIR_MEMORY,
    ),
    LEMAIRE,
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
        inside=_MEMORY_READS,
        target="loihi",
        omits="Static power, the barrier between steps, longer routes of spikes, the host, the "
        "transfer of the input to the chip.",
        source="Davies et al., Loihi: a neuromorphic manycore processor with on-chip learning, "
        "IEEE Micro 38 (1), 2018, table 2",
        link="https://doi.org/10.1109/MM.2018.112130359",
    ),
    EnergyModel(
        "synaptic-operations-only",
        "E = (synaptic operations + multiply-accumulates) x E_synapse",
        Convention.QUANTISED,
        (
            Term(Quantity.SYNAPTIC_OPERATIONS, "synaptic_operation"),
            Term(Quantity.MULTIPLY_ACCUMULATES, "synaptic_operation"),
        ),
        "Nothing but the synaptic operation of the chip is published: everything else is not "
        "included. What a publication puts into a synaptic operation differs from chip to chip. An "
        "event that carries a number is charged as one operation, although chips with plain spikes "
        "need several. Whether the chip can run the graph was not examined.",
        inside=_MEMORY_READS,
        omits="Everything but synaptic operations: neuron updates, pools, transport of events, "
        "control, static power, the host.",
        source="One figure for each chip; see the constants of the profile",
    ),
    EnergyModel(
        "dense-operations-only",
        "E = multiply-accumulates of a dense run x E_MAC",
        Convention.QUANTISED,
        (Term(Quantity.DENSE_RUN, "multiply_accumulate"),),
        "An accelerator that computes every connection once a sample, of a recurrent net once a "
        "step: events save nothing on it. "
        "The constant is a measured energy over the multiply-accumulates of a net, so it includes "
        "memories and control. Whether the accelerator can run the graph was not examined.",
        inside=(
            *_MEMORY_READS,
            Quantity.SYNAPTIC_OPERATIONS,
            Quantity.MULTIPLY_ACCUMULATES,
            Quantity.NEURON_UPDATES,
            Quantity.EVENTS,
            Quantity.POOL_OPERATIONS,
        ),
        omits="What a net of this shape takes more or less than the nets that were measured; idle "
        "power between samples.",
        source="One figure for each chip; see the constants of the profile",
    ),
    EnergyModel(
        "instructions-only",
        "E = instructions x cycles an instruction x E_cycle",
        Convention.QUANTISED,
        (Term(Quantity.INSTRUCTIONS, "instruction"),),
        "The program that target c writes, on a microcontroller: instructions by a model that is "
        "fitted to an emulator, whose error is in the range; cycles an instruction as a range; and "
        "the energy of a cycle, measured on a board with other programs. The memories are inside.",
        inside=(
            *_MEMORY_READS,
            Quantity.SYNAPTIC_OPERATIONS,
            Quantity.MULTIPLY_ACCUMULATES,
            Quantity.NEURON_UPDATES,
            Quantity.EVENTS,
            Quantity.POOL_OPERATIONS,
        ),
        target="c",
        omits="Sleep between samples, the sensor, the transfer of the input, interrupts.",
        source="One board for each profile; see the constants of the profile",
    ),
)

ENERGY_MODELS = {model.name: model for model in _ALL}
"""All energy models by name."""
