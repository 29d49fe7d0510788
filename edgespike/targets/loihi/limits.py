"""Limits of Lava's fixed-point processes and of the chips, each number once.

Sources: *LIF*, *Sparse* are the fixed-point process models of lava-nc 0.10.0
(``lava/proc/lif/models.py``, ``lava/proc/sparse/models.py``); *Davies 2018* is M. Davies et al.,
"Loihi: a neuromorphic manycore processor with on-chip learning", IEEE Micro 38 (1), 2018;
*Loihi 2 brief* is Intel's technology brief "Taking neuromorphic computing to the next level with
Loihi 2", 2021.
"""

from __future__ import annotations

from dataclasses import dataclass

WEIGHT_BITS = 8
"""Bits of a synapse's weight, including the sign (Sparse, Davies 2018)."""

WEIGHT_LOW, WEIGHT_HIGH = -(2 ** (WEIGHT_BITS - 1)), 2 ** (WEIGHT_BITS - 1) - 1
"""Range of a synapse's weight, or of its mantissa where the connection has an exponent."""

EXPONENT_HIGH = 8
"""Largest exponent of 2 that the weights of a connection share. Sparse's ``weight_exp``, 4 bits on
the chip, goes up to 7; it is lower by 1 where signs are mixed."""

SYNAPSE_BITS = WEIGHT_BITS + 10
"""Bits of a synapse: a weight, and the number of one of up to 1,024 neurons of the core."""

ACCUMULATOR_HIGH = 2**17 - 1
"""Largest magnitude of a neuron's input in one step: shifted left by 6 it must stay below the 24
bits at which the current wraps around (LIF)."""

POTENTIAL_HIGH = 2**23 - 1
"""Largest magnitude of a membrane potential or a synaptic current, each a state of 24 bits in 1/64.
A potential saturates there, a current wraps around (LIF)."""

THRESHOLD_HIGH = 2**17 - 1
"""Largest ``vth``, which a potential must exceed; 17 bits without sign (LIF)."""

BIAS_LOW, BIAS_HIGH = -4096, 4095
"""The bias mantissa, 13 bits with sign; with an exponent of 6 in the accumulator's unit (LIF)."""

BIAS_EXPONENT_HIGH = 7
"""Largest exponent of a bias, 3 bits (LIF)."""

DECAY_HIGH = 4095
"""Largest decay of the potential in 1/4096 that a stock neuron takes, 12 bits (LIF). Of a current,
1 to 4096 decays: its ``du`` is lower by 1."""

MESSAGE_BITS = 24
"""Bits of a graded spike, including the sign (``s_out`` of LIF, RingBuffer); Loihi 1 has none."""

PAYLOAD_HIGH = 2 ** (MESSAGE_BITS - 1) - 1
"""Largest number that a graded spike holds."""

DELAY_HIGH = 62
"""Maximum number of steps by which a spike can be delayed (Davies 2018: synaptic delays of 6
bits)."""


@dataclass(frozen=True)
class Chip:
    """Resources of one chip; ``None`` where no figure has been published.

    Parameters
    ----------
    name, source
        The chip, and the source of the figures.
    cores
        Neuromorphic cores of one chip.
    neurons_per_core
        Neurons that one core holds.
    synapses
        Synapses that one chip holds.
    synapse_bits_per_core
        Memory for synapses of one core, in bits.
    input_axons
        Sources of spikes that one core can tell apart.
    graded_spikes
        Whether spikes carry a payload, and neuron models can be programmed.
    """

    name: str
    source: str
    cores: int
    neurons_per_core: int
    synapses: int
    synapse_bits_per_core: int | None
    input_axons: int | None
    graded_spikes: bool


CHIPS = (
    Chip(
        name="Loihi 1",
        source="Davies 2018; synapse memory and axons as in nengo-loihi's block.py",
        cores=128,
        neurons_per_core=1024,
        synapses=130_000_000,
        synapse_bits_per_core=2**20,
        input_axons=4096,
        graded_spikes=False,
    ),
    Chip(
        name="Loihi 2",
        source="Loihi 2 brief (1 million neurons and 120 million synapses a chip)",
        cores=128,
        neurons_per_core=8192,
        synapses=120_000_000,
        synapse_bits_per_core=None,
        input_axons=None,
        graded_spikes=True,
    ),
)
