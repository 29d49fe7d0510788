"""What energy models multiply by constants: names of quantities and memories, and their amounts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from edgespike.counting.instructions import Instructions

SRAM_SIZES = {"8k": 8 * 2**10, "32k": 32 * 2**10, "1m": 2**20}
"""Memory sizes in bytes for which access energies are published, smallest first."""


class Quantity(Enum):
    """Something that is counted; the value is its name in reports and profile files."""

    SYNAPTIC_OPERATIONS = "synaptic operations"
    MULTIPLY_ACCUMULATES = "multiply-accumulates"
    NEURON_UPDATES = "neuron updates"
    ACTIVE_UPDATES = "neuron updates that end in an event"
    QUIET_UPDATES = "neuron updates without an event"
    LEAKS = "leaks"
    RESETS = "resets"
    EVENTS = "event transport"
    POOL_OPERATIONS = "pool operations"
    INSTRUCTIONS = "instructions"
    WEIGHT_READS = "weight reads"
    BIAS_READS = "bias reads"
    POTENTIAL_READS = "potential reads"
    POTENTIAL_WRITES = "potential writes"
    EVENT_READS = "event reads"
    EVENT_WRITES = "event writes"
    ADDRESS_ADDITIONS = "address additions"
    ADDRESS_MULTIPLICATIONS = "address multiply-accumulates"
    DENSE_SPIKING_MACS = "dense multiply-accumulates of the layers that receive spikes"
    DENSE_MACS = "dense multiply-accumulates"
    DENSE_UPDATES = "dense neuron updates"
    DENSE_RUN = "multiply-accumulates of a dense run"
    DENSE_MULTIPLIED_BITS = "dense activation bits multiplied"
    DENSE_ACTIVATION_BYTES = "dense activation bytes read"
    DENSE_WEIGHT_READS = "dense weight reads"
    DENSE_BIAS_READS = "dense bias reads"
    DENSE_INPUT_READS = "dense input reads"
    DENSE_OUTPUT_WRITES = "dense output writes"
    DENSE_ADDRESS_ADDITIONS = "dense address additions"


class MemoryKind(Enum):
    """A memory whose size determines the cost of an access; the value says what it holds."""

    WEIGHTS = "8-bit weights"
    POTENTIALS = "32-bit accumulators and potentials"
    ACTIVATIONS = "8-bit activations"


class Hierarchy(Enum):
    """How the energy of an access follows from the size of the memory."""

    SMALLEST_THAT_FITS = "one memory, the smallest of 8 KiB, 32 KiB and 1 MiB that is large enough"
    INTERPOLATED = "a memory for each layer, linear between 0 B, 8 KiB, 32 KiB and 1 MiB"


@dataclass(frozen=True)
class Accesses:
    """Accesses to the memory of one layer.

    Parameters
    ----------
    number
        How many, over all samples and steps.
    memory_bytes
        Size of the memory in bytes.
    """

    number: int
    memory_bytes: int


@dataclass(frozen=True)
class Work:
    """All quantities that energy models may charge for.

    Parameters
    ----------
    amounts
        Over all samples and steps. The dense quantities are those of one pass per sample.
    memory_bytes
        Size of each memory in bytes, for models with one memory for the whole net.
    accesses
        Accesses layer by layer, for models where each layer has a memory of its own, with words of
        32 bits.
    instructions
        Of each core for which they are known, over all samples.
    """

    amounts: Mapping[Quantity, int]
    memory_bytes: Mapping[MemoryKind, int]
    accesses: Mapping[Quantity, tuple[Accesses, ...]]
    instructions: Mapping[str, Instructions] = field(default_factory=dict)

    def sram_size(self, memory: MemoryKind) -> str:
        """Return the name of the smallest of :data:`SRAM_SIZES` that is enough, else the largest.

        A larger memory is built from several of the largest; the wires between them are not
        counted.
        """
        needed = self.memory_bytes[memory]
        fitting = (name for name, size in SRAM_SIZES.items() if needed <= size)
        return next(fitting, list(SRAM_SIZES)[-1])


def interpolated(memory_bytes: int) -> dict[str, float]:
    """Return the parts of the published access energies that an access to a memory takes.

    The energy is linear in the size between 0 bytes (no energy) and the sizes of
    :data:`SRAM_SIZES`; a larger memory costs as much as the largest.
    """
    below, size_below = "", 0
    for name, size in SRAM_SIZES.items():
        if memory_bytes <= size:
            part = (memory_bytes - size_below) / (size - size_below)
            return {name: part, **({below: 1 - part} if below else {})}
        below, size_below = name, size
    return {below: 1.0}
