"""The share of a chip that a network occupies, estimated from its populations and synapses.

Each population is split over cores of its own; a core is filled with neurons in their order until
its neurons or its synapses are used up. Kernels are not shared between neurons, as Intel's compiler
can do for convolutions: where synapses fill the cores, fewer cores may suffice. Input axons are
checked for one neuron at a time; a core whose neurons have many different sources may need more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgespike.graph import ReadoutMode, Reset, ResetTime
from edgespike.graph.ops.membrane import DECAY_ONE
from edgespike.graph.tensor import Integers
from edgespike.targets.loihi.limits import CHIPS, SYNAPSE_BITS, Chip
from edgespike.targets.loihi.network import Network, Population, bits
from edgespike.targets.loihi.neurons import NeuronKind, Neurons
from edgespike.targets.loihi.stock import has_current


@dataclass(frozen=True)
class Use:
    """The resources of one population.

    Parameters
    ----------
    population
        Its name.
    neurons, synapses
        Numbers of both; a population's synapses are those that end at it.
    constant_synapses
        How many of the synapses come from the always-on source rather than from the graph.
    largest_fan_in
        Largest number of synapses that end at one neuron.
    weight_bits
        Bits that hold the largest weight's mantissa, including the sign.
    message_bits
        Bits of its spikes' payload, 0 for plain spikes.
    states
        Numbers that a neuron keeps from step to step, 24 bits each: a potential, a synaptic
        current, the spikes that it is reset for at the next step, an answer.
    own_process
        Whether it needs a neuron model other than Lava's stock one.
    cores
        Cores of each chip, by the chip's name.
    """

    population: str
    neurons: int
    synapses: int
    constant_synapses: int
    largest_fan_in: int
    weight_bits: int
    message_bits: int
    states: int
    own_process: bool
    cores: dict[str, int]


def uses(network: Network) -> list[Use]:
    """Return the resources of each population of neurons."""
    return [_use(network, population) for population in network.populations if population.neurons]


def _use(network: Network, population: Population) -> Use:
    arriving = [part for part in network.connections if part.target == population.name]
    fan_in: Integers = np.sum(
        np.stack([np.diff(part.indptr) for part in arriving]), axis=0, dtype=np.int64
    )
    weights = np.concatenate([part.weights for part in arriving])
    constant = sum(len(part.weights) for part in arriving if part.is_constant)
    synapses = int(fan_in.sum())
    return Use(
        population=population.name,
        neurons=population.size,
        synapses=synapses,
        constant_synapses=constant,
        largest_fan_in=int(fan_in.max()),
        weight_bits=bits(min(-1, int(weights.min(initial=0))), int(weights.max(initial=0))),
        message_bits=population.message_bits,
        states=_states(population.neurons),
        own_process=population.own_process,
        cores={chip.name: _cores(population, fan_in, chip) for chip in CHIPS},
    )


def _states(neurons: Neurons | None) -> int:
    if neurons is None or not neurons.memory:
        return 0
    own = neurons.dynamics
    if own is None:
        return 1 + (neurons.current_decay < DECAY_ONE)
    potential = own.op.keeps or own.op.reset_time is ResetTime.SAME_STEP_RAISED
    late = own.op.reset_time is ResetTime.NEXT_STEP and own.op.reset is not Reset.NONE
    answers = own.answer in (ReadoutMode.SUM, ReadoutMode.MAX)
    return potential + has_current(own.op) + late + answers


def _cores(population: Population, fan_in: Integers, chip: Chip) -> int:
    if len(fan_in) == population.size:
        return len(first_neurons(fan_in, chip))
    # A maximum, whose synapses end at the elements of its windows, which share its neurons' cores.
    by_synapses = -(-int(fan_in.sum()) // synapses_per_core(chip))
    return max(-(-population.size // chip.neurons_per_core), by_synapses)


def first_neurons(synapses: Integers, chip: Chip) -> tuple[int, ...]:
    """Return the first neuron of each core of a population.

    Parameters
    ----------
    synapses
        How many end at each neuron, ``(neurons,)``. A neuron with more than a core holds, which
        no placement allows, gets a core of its own.
    chip
        Whose cores.
    """
    before = np.concatenate([[0], np.cumsum(synapses)])
    limit = synapses_per_core(chip)
    first, start = [], 0
    while start < len(synapses):
        first.append(start)
        fitting = int(np.searchsorted(before, before[start] + limit, side="right")) - 1
        start = min(max(fitting, start + 1), start + chip.neurons_per_core)
    return tuple(first)


def synapses_per_core(chip: Chip) -> int:
    """Return how many synapses the memory of one core holds."""
    if chip.synapse_bits_per_core is not None:
        return chip.synapse_bits_per_core // SYNAPSE_BITS
    return chip.synapses // chip.cores


def summary(network: Network) -> dict[str, Any]:
    """Return all figures, for JSON."""
    table = uses(network)
    return {
        "populations": [asdict(use) for use in table],
        "neurons": sum(use.neurons for use in table),
        "synapses": sum(use.synapses for use in table),
        "synapse_bits": SYNAPSE_BITS,
        "chips": [_fit(network, table, chip) for chip in CHIPS],
    }


def _fit(network: Network, table: list[Use], chip: Chip) -> dict[str, Any]:
    cores = sum(use.cores[chip.name] for use in table)
    obstacles = [
        f"{use.population}: a neuron has {use.largest_fan_in} synapses; a core has "
        f"{chip.input_axons} input axons"
        for use in table
        if chip.input_axons is not None and use.largest_fan_in > chip.input_axons
    ]
    obstacles += [
        f"{population.name}: {obstacle}"
        for population in network.populations
        for obstacle in _obstacles(population, chip)
    ]
    obstacles += [
        f"{source}: its delayed spikes start each sample at {initial}, which the program that "
        "sends the samples must provide"
        for source, initial in _beginnings(network)
    ]
    chips = -(-cores // chip.cores)
    return {**asdict(chip), "cores_used": cores, "chips_used": chips, "obstacles": obstacles}


def _beginnings(network: Network) -> list[tuple[str, int]]:
    """Return the delayed populations, each with the value that starts a sample on their axons."""
    found = ((part.source, part.initial) for part in network.connections)
    return sorted({(source, initial) for source, initial in found if initial is not None})


def _obstacles(population: Population, chip: Chip) -> Iterator[str]:
    """Yield what a population's neurons and spikes need that the chip does not offer."""
    kind = None if population.neurons is None else population.neurons.kind
    if not chip.graded_spikes:
        graded = kind in (NeuronKind.LEVELS, NeuronKind.MAXIMUM)
        remedy = "; levels need --coding unary" if graded else ""
        if population.message_bits:
            size = population.message_bits
            yield f"graded spikes of {size} bits, which the chip does not have{remedy}"
        if population.own_process:
            yield f"a custom neuron model, which the chip cannot be given{remedy}"
    elif kind is NeuronKind.MAXIMUM:
        yield "it takes the largest of its inputs; the chip's synapses only add them up"
    elif population.own_process:
        yield "a custom neuron model, which must be written as microcode"


def as_text(figures: dict[str, Any]) -> str:
    """Lay out the figures of :func:`summary` for reading."""
    cores = [f"{chip.name} cores" for chip in CHIPS]
    rows = [("population", "neurons", "synapses", "fan-in", "weight bits", *cores)]
    for use in figures["populations"]:
        numbers = [use[key] for key in ("neurons", "synapses", "largest_fan_in", "weight_bits")]
        numbers += [use["cores"][chip.name] for chip in CHIPS]
        rows.append((use["population"], *(f"{number:,}" for number in numbers)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    for fit in figures["chips"]:
        lines.append(
            f"\n{fit['name']}: {fit['cores_used']:,} of {fit['cores']} cores, "
            f"{fit['chips_used']:,} chip(s). Limits: {fit['source']}."
        )
        lines += [f"  - {obstacle}" for obstacle in fit["obstacles"]]
    return "\n".join(lines) + "\n"
