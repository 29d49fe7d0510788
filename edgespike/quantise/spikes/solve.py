"""Choose each block's units and neurons: exact if that is certain, else what targets can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from edgespike.floats.net import (
    FloatNeurons,
    FloatNode,
    FloatReadout,
    Reals,
)
from edgespike.graph import Membrane, Tensor
from edgespike.graph.tensor import Integers
from edgespike.quantise.spikes.blocks import Block, blocks_of
from edgespike.quantise.spikes.bounds import Bounds
from edgespike.quantise.spikes.events_seen import Seen
from edgespike.quantise.spikes.exact_neurons import exact_neurons
from edgespike.quantise.spikes.folded import Folded
from edgespike.quantise.spikes.neurons import Format, Potentials
from edgespike.quantise.spikes.pool_levels import LEVELS, MOST_LEVELS, Levels, levels_for
from edgespike.quantise.spikes.rounded_block import RoundedBlock
from edgespike.quantise.spikes.units import (
    EXACT_WEIGHT_BITS,
    Units,
    exact_units,
)
from edgespike.quantise.spikes.widths import WEIGHT_BITS, widths_of


@dataclass
class Solution:
    """Whole numbers for every layer of a folded net.

    Parameters
    ----------
    weights
        Weight and bias of each weighted layer, by name.
    neurons
        By name.
    scale
        Real value of one unit of each channel of the readout's input.
    potentials
        Real value of one unit of a potential of each channel, by the neurons' names.
    pools
        Levels of sums of which the largest are taken, by the pool's name.
    bounds
        Of all events.
    exact
        Whether every layer is exact.
    assumed
        How numbers were rounded, sentences.
    warnings
        Layers of which rounding left little.
    """

    bounds: Bounds
    weights: dict[str, tuple[Integers, Integers]] = field(default_factory=dict)
    neurons: dict[str, Membrane] = field(default_factory=dict)
    scale: Reals = field(default_factory=lambda: np.ones(1))
    potentials: dict[str, Reals] = field(default_factory=dict)
    pools: dict[str, Levels] = field(default_factory=dict)
    exact: bool = True
    assumed: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def solve(folded: Folded, bounds: Bounds, bits: int | None, seen: Seen) -> Solution:
    """Return whole numbers for every layer.

    Parameters
    ----------
    bounds
        Of the input; those of neurons are added.
    bits
        Of a weight, at least 2, for a net that fits all targets; ``None`` to keep dyadic numbers at
        the cost of targets, and to round others to :data:`edgespike.quantise.widths.WEIGHT_BITS`.
    seen
        What the net did on samples.
    """
    solution = Solution(bounds, exact=folded.exact)
    blocks = blocks_of(folded)
    widths = widths_of(folded, blocks, bits)
    for block in blocks:
        names = [node.name for node in block.weighted]
        most = {name: EXACT_WEIGHT_BITS if bits is None else widths[name] for name in names}
        units = exact_units(block, most)
        found = None if units is None else _exact(folded, block, units, bounds)
        wide = sorted(name for name, each in (found or {}).items() if _is_wide(each.op))
        if wide and bits is not None:
            found = None  # who gives bits wants a net for all targets
        elif wide:
            paths = ", ".join(folded.by_name[name].title for name in wide)
            solution.assumed.append(
                f"{paths}: exact for all {folded.net.steps} steps, with more fraction bits than "
                "other targets than the cpu hold; give bits for those"
            )
        if units is None or found is None:
            solution.exact = False
            solver = RoundedBlock(folded, block, widths, bounds, seen, bits is None)
            units, found = solver.solved()
            solution.assumed += solver.said()
            solution.warnings += solver.warnings()
        _take(solution, block, units, found)
        for pool in block.pools:
            count = LEVELS if max(widths[name] for name in names) <= WEIGHT_BITS else MOST_LEVELS
            levels = _levels(block, pool, units, bounds, seen, count)
            solution.pools[pool.name] = levels
            if not levels.exact:
                solution.exact = False
                solution.assumed.append(
                    f"{pool.title}: a graph takes the largest of events alone, so the "
                    f"sums before this pool are rounded to {levels.count + 1} levels"
                )
    last = folded.net.nodes[-1]
    if last.inputs[0] not in folded.sums:
        solution.scale = _potential_scale(folded, last.inputs[0], solution)
    return solution


def _is_wide(op: Membrane) -> bool:
    """Return whether neurons need more than the common format, which all targets take."""
    common = Format()
    return (
        op.fraction_bits > common.fraction_bits
        or op.decay_bits > common.decay_bits
        or op.saturation > common.saturation
    )


def _take(solution: Solution, block: Block, units: Units, found: Mapping[str, Potentials]) -> None:
    solution.weights.update(units.weights)
    for name, neurons in found.items():
        solution.neurons[name] = neurons.op
        solution.potentials[name] = neurons.scale
        solution.bounds.known[name] = (0, neurons.op.max_spikes)
    for taker in block.takers:
        if isinstance(taker.op, FloatReadout):
            solution.scale = units.unit[block.of_input(taker)]


def _potential_scale(folded: Folded, name: str, solution: Solution) -> Reals:
    """Return the real value of potentials, which only reshapes part from the readout."""
    if name in solution.potentials:
        return solution.potentials[name]
    (source,) = folded.by_name[name].inputs
    scale, size = _potential_scale(folded, source, solution), folded.shapes[name][0]
    return np.repeat(scale, size // len(scale))


def _levels(
    block: Block, pool: FloatNode, units: Units, bounds: Bounds, seen: Seen, most: int
) -> Levels:
    """Return levels of sums before a pool: all if they are few, else ``most`` where sums were."""
    (source,) = pool.inputs
    tensor, rest = bounds.sums(source, units.weights), bounds.at_rest(source, units.weights)
    if int((tensor.high - tensor.low).max()) <= MOST_LEVELS:
        return levels_for(tensor, rest, MOST_LEVELS)
    if pool.name in seen.ranges:
        unit = units.unit[block.groups[source]]
        low, high = (np.rint(end / unit).astype(np.int64) for end in seen.ranges[pool.name])
        tensor = Tensor(tensor.shape, low, high, tensor.signal)
    return levels_for(tensor, rest, most)


def _exact(
    folded: Folded, block: Block, units: Units, bounds: Bounds
) -> dict[str, Potentials] | None:
    found = {}
    for taker in block.takers:
        if isinstance(taker.op, FloatNeurons):
            tensor = bounds.sums(taker.inputs[0], units.weights)
            groups = block.of_input(taker)
            steps = folded.net.steps
            own = units.bits[groups], units.odd[groups]
            neurons = exact_neurons(taker.op, *own, tensor, steps)
            if neurons is None:
                return None
            found[taker.name] = neurons
    return found
