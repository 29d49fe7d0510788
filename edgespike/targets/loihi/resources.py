"""What a network takes of a chip: an estimate from its own populations and synapses.

Each population is split over cores of its own, until neither a core's neurons nor its synapses
are exceeded. Kernels are not shared between neurons, as Intel's compiler can for convolutions: of
cores that are full of synapses fewer may do. Of a core's input axons only one neuron's are looked
at, so that neurons with many different sources may take more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgespike.targets.loihi.limits import CHIPS, SYNAPSE_BITS, Chip
from edgespike.targets.loihi.network import Network, Population, bits


@dataclass(frozen=True)
class Use:
    """What one population takes.

    Parameters
    ----------
    population
        Its name.
    neurons, synapses
        How many; a population's synapses are those that end at it.
    constant_synapses
        How many of the synapses are from the always-on source, beyond the graph's own.
    largest_fan_in
        Most synapses that end at one neuron.
    weight_bits
        Bits that hold the largest weight, sign included.
    message_bits
        Bits of its spikes' payload, 0 for plain spikes.
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
    own_process: bool
    cores: dict[str, int]


def uses(network: Network) -> list[Use]:
    """Return what each population of neurons takes."""
    return [_use(network, population) for population in network.populations if population.neurons]


def _use(network: Network, population: Population) -> Use:
    arriving = [part for part in network.connections if part.target == population.name]
    fan_in = np.sum([np.diff(part.indptr) for part in arriving], axis=0, dtype=np.int64)
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
        own_process=population.own_process,
        cores={chip.name: _cores(population.size, synapses, chip) for chip in CHIPS},
    )


def _cores(neurons: int, synapses: int, chip: Chip) -> int:
    return max(-(-neurons // chip.neurons_per_core), -(-synapses // _synapses_per_core(chip)))


def _synapses_per_core(chip: Chip) -> int:
    if chip.synapse_bits_per_core is not None:
        return chip.synapse_bits_per_core // SYNAPSE_BITS
    return chip.synapses // chip.cores


def summary(network: Network) -> dict[str, Any]:
    """Return all figures as JSON can hold them."""
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
        f"{use.population}: a neuron has {use.largest_fan_in} synapses, a core takes "
        f"{chip.input_axons} inputs"
        for use in table
        if chip.input_axons is not None and use.largest_fan_in > chip.input_axons
    ]
    obstacles += [
        f"{population.name}: {obstacle}"
        for population in network.populations
        for obstacle in _obstacles(population, chip)
    ]
    obstacles += [
        f"{source}: what arrives a step later begins each sample at {initial}, which the program "
        "that sends the samples must see to"
        for source, initial in _beginnings(network)
    ]
    chips = -(-cores // chip.cores)
    return {**asdict(chip), "cores_used": cores, "chips_used": chips, "obstacles": obstacles}


def _beginnings(network: Network) -> list[tuple[str, int]]:
    """Return the delayed populations, each with what their axons begin a sample with."""
    found = ((part.source, part.initial) for part in network.connections)
    return sorted({(source, initial) for source, initial in found if initial is not None})


def _obstacles(population: Population, chip: Chip) -> Iterator[str]:
    """Yield what of a population's neurons and spikes the chip does not have by itself."""
    kind = "" if population.neurons is None else population.neurons.kind
    if not chip.graded_spikes:
        remedy = "; levels need --coding unary" if kind in ("levels", "maximum") else ""
        if population.message_bits:
            yield f"graded spikes of {population.message_bits} bits, the chip has none{remedy}"
        if population.own_process:
            yield f"a neuron model of its own, which the chip cannot be given{remedy}"
    elif kind == "maximum":
        yield "it takes the largest of its inputs, and the chip's synapses add them up"
    elif population.own_process:
        yield "a neuron model of its own, to be written as microcode"


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
