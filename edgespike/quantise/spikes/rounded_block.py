"""Blocks whose numbers get rounded: units that let targets hold the neurons, and what is said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from edgespike.floats.net import FloatNeurons, Reals
from edgespike.graph import Membrane, Tensor
from edgespike.graph.ops.membrane import (
    DECAY_BITS,
    FRACTION_BITS,
    MOST_FRACTION_BITS,
    SATURATION,
)
from edgespike.graph.tensor import FLOAT32_LIMIT, Integers
from edgespike.quantise.dyadic import fraction_bits
from edgespike.quantise.spikes.blocks import Block
from edgespike.quantise.spikes.bounds import Bounds
from edgespike.quantise.spikes.events_seen import Seen
from edgespike.quantise.spikes.folded import Folded
from edgespike.quantise.spikes.neurons import (
    FINE_FRACTION_BITS,
    MOST_SATURATION,
    Format,
    Potentials,
    rounded_neurons,
)
from edgespike.quantise.spikes.rounded_units import rounded_units
from edgespike.quantise.spikes.units import EXACT_WEIGHT_BITS, Units, exact_units

MOST_COARSER = 4.0
"""How many times coarser a unit may become so that every target takes the neurons: two bits."""

FINE_DECAY_BITS = 24
"""Bits of the leaks of neurons that only the cpu target takes anyway."""

ROOM = 8
"""How many thresholds a potential may rise or fall, at least, before it saturates."""

INPUT_LIMIT = 2**17 - 1
"""Largest magnitude of a neuron's input that Loihi and TFLite take, see their targets' limits."""


class RoundedBlock:
    """A block whose numbers get rounded.

    Parameters
    ----------
    folded, block, bounds, seen
        The net, the block, bounds on all events so far, and what the net did on samples.
    widths
        Bits of a weight of each weighted layer.
    prefer_exact
        Whether dyadic numbers are kept at the cost of targets.
    """

    def __init__(
        self,
        folded: Folded,
        block: Block,
        widths: Mapping[str, int],
        bounds: Bounds,
        seen: Seen,
        prefer_exact: bool,
    ) -> None:
        self.folded, self.block, self.widths, self.bounds = folded, block, widths, bounds
        self.seen = seen
        self.dyadic = prefer_exact and self._is_dyadic()
        self.fine = False
        self.kept, self.coarser, self.most = False, 1.0, 0
        self.fraction_bits = FRACTION_BITS

    def solved(self) -> tuple[Units, dict[str, Potentials]]:
        """Return units and neurons, in the common format if it can hold them."""
        ones = np.ones(self.block.size)
        units = rounded_units(self.block, self.widths, ones, self.seen.events)
        found = {} if self.dyadic else self._neurons(units, Format())
        need = self._need(units, found)
        coarser = ones
        while (coarser * need).max() <= MOST_COARSER and need.max() > 1:
            coarser = coarser * np.maximum(1, need * 1.01)  # rounding may make sums a little larger
            self.coarser = float(coarser.max())
            units = rounded_units(self.block, self.widths, coarser, self.seen.events)
            found = self._neurons(units, Format())
            need = self._need(units, found)
        if self.dyadic or need.max() > 1:
            units, self.coarser = (
                rounded_units(self.block, self.widths, ones, self.seen.events),
                1.0,
            )
            self.fine = True
            found = self._fine_neurons(units)
        self.kept = units.exact
        self.most = max((int(each.most.max()) for each in found.values()), default=0)
        return units, found

    def _need(self, units: Units, found: Mapping[str, Potentials]) -> Reals:
        """Return how many times too large each group's sums are for Loihi and TFLite.

        A potential has room if it never saturates, or if `ROOM` thresholds fit.
        """
        need = np.zeros(self.block.size)
        for taker in self.block.takers:
            if taker.name in found:
                neurons, groups = found[taker.name], self.block.of_input(taker)
                tensor = self.bounds.sums(taker.inputs[0], units.weights)
                sums = np.maximum(-tensor.low, tensor.high)
                theta = neurons.op.theta.reshape(len(groups), -1).max(axis=1)
                room = neurons.most / SATURATION
                if neurons.op.emits_events:
                    room = np.minimum(room, theta * ROOM / INPUT_LIMIT)
                added = _added(neurons.op, tensor, self.folded.net.steps)
                parts = (sums / INPUT_LIMIT, room, added / (FLOAT32_LIMIT - SATURATION))
                np.maximum.at(need, groups, np.maximum.reduce(parts))
        return need

    def _neurons(self, units: Units, form: Format) -> dict[str, Potentials]:
        found = {}
        for taker in self.block.takers:
            if isinstance(taker.op, FloatNeurons):
                tensor = self.bounds.sums(taker.inputs[0], units.weights)
                unit, steps = units.unit[self.block.of_input(taker)], self.folded.net.steps
                found[taker.name] = rounded_neurons(taker.op, unit, tensor, steps, form)
        return found

    def _fine_neurons(self, units: Units) -> dict[str, Potentials]:
        """Return neurons of as many fraction bits as fit, which only the cpu target takes."""
        bits = MOST_FRACTION_BITS if self.dyadic else FINE_FRACTION_BITS
        while True:
            found = self._neurons(units, Format(bits, FINE_DECAY_BITS, MOST_SATURATION))
            self.most = max(int(each.most.max()) for each in found.values())
            if self.most <= MOST_SATURATION or bits == 0:
                break
            bits = max(0, bits - max(1, self.most.bit_length() - MOST_SATURATION.bit_length()))
        self.fraction_bits = bits
        return found

    def _is_dyadic(self) -> bool:
        """Return whether only the number of steps keeps the block from being exact."""
        widths = dict.fromkeys(self.widths, EXACT_WEIGHT_BITS)
        if exact_units(self.block, widths) is None:
            return False
        factors = [
            factor
            for taker in self.block.takers
            if isinstance(taker.op, FloatNeurons)
            for factor in (taker.op.beta, taker.op.alpha)
            if factor is not None
        ]
        return all(int(fraction_bits(factor).max()) <= DECAY_BITS for factor in factors)

    def said(self) -> Iterator[str]:
        """Say how the block was rounded, and what that means for targets."""
        paths = dict.fromkeys(node.title for node in self.block.weighted)
        names = ", ".join(paths)
        kept = "its weights are kept as they are"
        widths = sorted({self.widths[node.name] for node in self.block.weighted})
        bits = " and ".join(map(str, widths))
        rounded = f"its weights are rounded to {bits} bits, with a unit for each output channel"
        yield f"{names}: {kept if self.kept else rounded}"
        if self.coarser > 1:
            yield (
                f"{names}: units are {self.coarser:.2g} times coarser than {bits} bits allow, so "
                "that the neurons fit Loihi and TFLite"
            )
        if self.dyadic:
            yield (
                f"{names}: weights and leaks are exact, but potentials would need more fraction "
                f"bits than a graph has for {self.folded.net.steps} steps and get "
                f"{self.fraction_bits}; only the cpu target takes these, give bits for the others"
            )
        elif self.fine:
            yield (
                f"{names}: potentials may reach {self.most}, more than Loihi and TFLite hold, so "
                f"the neurons have leaks of {FINE_DECAY_BITS} bits and potentials of "
                f"{self.fraction_bits} fraction bits, for the cpu target alone; for the others "
                "use fewer bits of weights, or fewer input levels"
            )
        elif self.most > SATURATION:
            yield (
                f"{names}: potentials may reach {self.most / 64:.0f} units and saturate at "
                f"{SATURATION / 64:.0f}, as on Loihi"
            )
        yield from self._leaks()

    def _leaks(self) -> Iterator[str]:
        one = 1 << (FINE_DECAY_BITS if self.fine else DECAY_BITS)
        for taker in self.block.takers:
            if not isinstance(taker.op, FloatNeurons):
                continue
            for name, factor in (("beta", taker.op.beta), ("alpha", taker.op.alpha)):
                if factor is not None:
                    error = float(np.abs(np.rint(factor * one) / one - factor).max())
                    if error:
                        yield (
                            f"{taker.title}: {name} is rounded to multiples of "
                            f"1/{one}, which changes it by up to {error:.2g}"
                        )


def _added(op: Membrane, tensor: Tensor, steps: int) -> Integers:
    """Bound what a step adds to a saturated potential, and the distance from the threshold.

    TFLite computes these in float32.
    """
    if op.decay_syn is not None:
        return np.zeros(tensor.shape[0], np.int64)  # the current saturates before
    low, high = op.potential_range(tensor, steps)
    distance = np.maximum(-low, high) + (int(op.theta.max()) << op.fraction_bits)
    return np.asarray(np.maximum(distance - SATURATION, 0), np.int64)
