"""The analytical model of Lemaire et al. (ICONIP 2022, arXiv 2210.13107), with exact counts.

The paper's text could not be read while this was written. Its equations are taken from two public
implementations that quote them: Qualia (``EnergyEstimationMetric``, with equation numbers) and
SpikingJelly 2.0 (``lemaire_2022_runtime_v1``). For a layer with theta_in events at its input and
theta_out at its output, in T steps:

- operations: an addition for each synapse that an event reaches, an addition for each neuron and
  step, an addition for each reset, a multiply-accumulate for each leak;
- memory, 32-bit words, a memory for each layer: a weight for each synapse that an event reaches,
  a bias for each neuron and step, the potential read and written at both, theta_in events read from
  a queue and theta_out written to one;
- addresses: an addition for each synapse that an event reaches, and in layers with windows two
  multiply-accumulates for each event.

The energy of an access is linear in the size of the memory between 0 B, 8 KiB, 32 KiB and 1 MiB; a
larger memory costs as much as one of 1 MiB (SpikingJelly).

What differs from the paper, on purpose:

- It multiplies theta_in by the size of the kernel and the number of output channels; here synapses
  are counted exactly, so that borders and strides reach fewer.
- Leaks and resets are charged where a neuron leaks and resets; a bias is read where there is one.
- Max pools, residual sums, levels and recurrent layers are not in the paper. The windows of a max
  pool that an event enters cost an addition and an address each; a level is a multiply-accumulate.
- The dense net's address arithmetic of a dense layer is inputs plus outputs, as in SpikingJelly;
  Qualia has their product.
"""

from __future__ import annotations

from edgespike.counting import Convention
from edgespike.energy.model import EnergyModel, Term
from edgespike.energy.quantities import Hierarchy, MemoryKind, Quantity


def _access(quantity: Quantity, memory: MemoryKind) -> Term:
    return Term(quantity, "sram_32bit", memory, Hierarchy.INTERPOLATED)


LEMAIRE = EnergyModel(
    "lemaire",
    "E = operations + addresses + reads and writes of weights, biases, potentials and events, each "
    "at the energy of the layer's own memory",
    Convention.EVERY,
    (
        Term(Quantity.SYNAPTIC_OPERATIONS, "int32_add"),
        Term(Quantity.MULTIPLY_ACCUMULATES, "int32_multiply_accumulate"),
        Term(Quantity.NEURON_UPDATES, "int32_add"),
        Term(Quantity.POOL_OPERATIONS, "int32_add"),
        Term(Quantity.RESETS, "int32_add"),
        Term(Quantity.LEAKS, "int32_multiply_accumulate"),
        Term(Quantity.ADDRESS_ADDITIONS, "int32_add"),
        Term(Quantity.ADDRESS_MULTIPLICATIONS, "int32_multiply_accumulate"),
        _access(Quantity.WEIGHT_READS, MemoryKind.WEIGHTS),
        _access(Quantity.BIAS_READS, MemoryKind.WEIGHTS),
        _access(Quantity.POTENTIAL_READS, MemoryKind.POTENTIALS),
        _access(Quantity.POTENTIAL_WRITES, MemoryKind.POTENTIALS),
        _access(Quantity.EVENT_READS, MemoryKind.ACTIVATIONS),
        _access(Quantity.EVENT_WRITES, MemoryKind.ACTIVATIONS),
    ),
    "32-bit arithmetic and words, although weights have 8 bits here. Every layer has its own "
    "memories for weights, potentials and a queue of 1,000 events. From two public "
    "implementations, since the paper could not be read; synapses are counted exactly where it "
    "multiplies by the size of the kernel.",
    "dense 32-bit ReLU, with memory and addresses",
    (
        Term(Quantity.DENSE_MACS, "int32_multiply_accumulate"),
        Term(Quantity.DENSE_UPDATES, "int32_add"),
        Term(Quantity.DENSE_ADDRESS_ADDITIONS, "int32_add"),
        _access(Quantity.DENSE_WEIGHT_READS, MemoryKind.WEIGHTS),
        _access(Quantity.DENSE_BIAS_READS, MemoryKind.WEIGHTS),
        _access(Quantity.DENSE_INPUT_READS, MemoryKind.ACTIVATIONS),
        _access(Quantity.DENSE_OUTPUT_WRITES, MemoryKind.ACTIVATIONS),
    ),
    inside=(Quantity.EVENTS,),
    omits="Transport between chips or cores, control, leakage, DRAM, reuse of weights.",
    source="Lemaire et al., An analytical estimation of spiking neural networks energy efficiency, "
    "ICONIP 2022",
    link="https://arxiv.org/abs/2210.13107",
)
