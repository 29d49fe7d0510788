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
from edgespike.quantise.spikes.rounded_units import FINE_THETA, RoundedWeights, rounded_weights
from edgespike.quantise.spikes.units import EXACT_WEIGHT_BITS, Units, exact_units, layer
from edgespike.quantise.spikes.widths import FEWEST_BITS, WEIGHT_BITS

MOST_COARSER = 4.0
"""How many times coarser a unit may become so that every target takes the neurons: two bits."""

FINE_DECAY_BITS = 24
"""Bits of the leaks of neurons that only the cpu target takes anyway."""

ROOM = 8
"""How many thresholds a potential may rise or fall, at least, before it saturates."""

MUCH_ROOM = 64
"""As `ROOM`, where units may be finer, or potentials coarser: what is beyond is hardly felt."""

FINE_POTENTIAL = FINE_THETA << FRACTION_BITS
"""Least threshold, in the unit of potentials, where these have fewer fraction bits than usual."""

MOST_APART = 2**5
"""How many times larger the steps of a layer's weights may be than those that they are added to."""


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
        self.wide = max(widths[node.name] for node in block.weighted) > WEIGHT_BITS
        self.kept, self.coarser, self.most = False, 1.0, 0
        self.form, self.fine = Format(), False
        self._known: tuple[Units, dict[str, Tensor]] | None = None

    def solved(self) -> tuple[Units, dict[str, Potentials]]:
        """Return units and neurons, in a format for more targets than the cpu if one can hold them.

        With much room for potentials if there is a way, and units as fine as that leaves.
        """
        tries = () if self.dyadic else (MOST_APART, 1)
        for apart in dict.fromkeys(tries):
            rounded = self._rounded(np.ones(self.block.size), apart)
            found = self._finest(rounded) or self._with_room(rounded, apart)
            if found is not None:
                break
        else:
            rounded = self._rounded(np.ones(self.block.size), MOST_APART)
            units = rounded.units(rounded.least_factor())
            self.fine, found = True, (units, self._fine_neurons(units))
        self.kept = found[0].exact
        self.most = max((int(each.most.max()) for each in found[1].values()), default=0)
        return found

    def _rounded(self, coarser: Reals, apart: int) -> RoundedWeights:
        self.coarser = float(coarser.max())
        self.rounded = rounded_weights(self.block, self.widths, coarser, self.seen.events, apart)
        return self.rounded

    def _forms(self) -> Iterator[Format]:
        """Yield formats that more targets than the cpu take, the one of most fraction bits first.

        Weights of more than 8 bits are not for Loihi, so leaks may be finer than there, and
        potentials coarser: TFLite holds as many bits of them, whatever these stand for.
        """
        if not self.wide:
            yield Format()
            return
        for bits in range(FRACTION_BITS, -1, -1):
            yield Format(bits, FINE_DECAY_BITS)

    def _finest(self, rounded: RoundedWeights) -> tuple[Units, dict[str, Potentials]] | None:
        """Return the finest units with which potentials have much room, if any have that."""
        least = rounded.least_factor()
        first = rounded.units(least)
        for form in self._forms():
            found = self._neurons(first, form)
            need = float(self._need(first, found, form, MUCH_ROOM).max())
            factor, most = least, rounded.most_factor if self._may_be_finer() else least
            while 2 * factor <= most and 2 * need <= 1:
                factor, need = 2 * factor, 2 * need
            while need <= 1 and self._is_fine(found, form):
                units = first if factor == least else rounded.units(factor)
                found = self._neurons(units, form)
                if factor == least or self._need(units, found, form, MUCH_ROOM).max() <= 1:
                    self.form = form
                    return units, found
                factor //= 2  # thresholds and biases are rounded anew, which may add a little
        return None

    def _may_be_finer(self) -> bool:
        """Return whether nothing but thresholds limits the sums: no answer, and no levels of sums.

        Targets hold these in numbers of other sizes.
        """
        ops = [taker.op for taker in self.block.takers]
        spiking = all(isinstance(op, FloatNeurons) and not op.emits_potential for op in ops)
        return spiking and not self.block.pools

    def _is_fine(self, found: Mapping[str, Potentials], form: Format) -> bool:
        """Return whether thresholds are fine enough where there are fewer fraction bits."""
        if form.fraction_bits == FRACTION_BITS:
            return True
        ops = [each.op for each in found.values() if each.op.emits_events]
        return all(int(op.theta.min()) << form.fraction_bits >= FINE_POTENTIAL for op in ops)

    def _with_room(
        self, rounded: RoundedWeights, apart: int
    ) -> tuple[Units, dict[str, Potentials]] | None:
        """Return units, up to 4 times coarser, with which potentials have room; they may saturate.

        The format is the last of `_forms`, which has most room.
        """
        *_, form = self._forms()
        coarser = np.ones(self.block.size)
        while True:
            units = rounded.units(rounded.least_factor())
            found = self._neurons(units, form)
            need = self._need(units, found, form, ROOM)
            if need.max() <= 1:
                self.form = form
                return (units, found) if self._is_fine(found, form) else None
            coarser = coarser * np.maximum(1, need * 1.01)  # rounding may make sums a little larger
            if coarser.max() > MOST_COARSER:
                return None
            rounded = self._rounded(coarser, apart)

    def _need(
        self, units: Units, found: Mapping[str, Potentials], form: Format, thresholds: int
    ) -> Reals:
        """Return how many times too large each group's sums are for Loihi and TFLite.

        A potential has room if it never saturates, or if so many thresholds fit.
        """
        need, limit = np.zeros(self.block.size), SATURATION >> form.fraction_bits
        for taker in self.block.takers:
            if taker.name in found:
                neurons, groups = found[taker.name], self.block.of_input(taker)
                tensor = self._sums(units)[taker.name]
                sums = np.maximum(-tensor.low, tensor.high)
                theta = neurons.op.theta.reshape(len(groups), -1).max(axis=1)
                room = neurons.most / SATURATION
                if neurons.op.emits_events:
                    room = np.minimum(room, theta * thresholds / limit)
                added = _added(neurons.op, tensor, self.folded.net.steps)
                parts = (sums / limit, room, added / (FLOAT32_LIMIT - SATURATION))
                np.maximum.at(need, groups, np.maximum.reduce(parts))
        return need

    def _sums(self, units: Units) -> dict[str, Tensor]:
        """Bound the sums that each of the neurons takes; many weights take a while."""
        if self._known is None or self._known[0] is not units:
            found = {
                taker.name: self.bounds.sums(taker.inputs[0], units.weights)
                for taker in self.block.takers
                if isinstance(taker.op, FloatNeurons)
            }
            self._known = units, found
        return self._known[1]

    def _neurons(self, units: Units, form: Format) -> dict[str, Potentials]:
        found = {}
        for taker in self.block.takers:
            if isinstance(taker.op, FloatNeurons):
                tensor = self._sums(units)[taker.name]
                unit, steps = units.unit[self.block.of_input(taker)], self.folded.net.steps
                found[taker.name] = rounded_neurons(taker.op, unit, tensor, steps, form)
        return found

    def _fine_neurons(self, units: Units) -> dict[str, Potentials]:
        """Return neurons of as many fraction bits as fit, which only the cpu target takes."""
        bits = MOST_FRACTION_BITS if self.dyadic else FINE_FRACTION_BITS
        while True:
            self.form = Format(bits, FINE_DECAY_BITS, MOST_SATURATION)
            found = self._neurons(units, self.form)
            self.most = max(int(each.most.max()) for each in found.values())
            if self.most <= MOST_SATURATION or bits == 0:
                return found
            bits = max(0, bits - max(1, self.most.bit_length() - MOST_SATURATION.bit_length()))

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
        targets = "TFLite" if self.wide else "Loihi and TFLite"
        yield f"{names}: {kept if self.kept else rounded}"
        if self.coarser > 1:
            yield (
                f"{names}: units are {self.coarser:.2g} times coarser than {bits} bits allow, so "
                f"that the neurons fit {targets}"
            )
        if self.dyadic:
            yield (
                f"{names}: weights and leaks are exact, but potentials would need more fraction "
                f"bits than a graph has for {self.folded.net.steps} steps and get "
                f"{self.form.fraction_bits}; only the cpu target takes these, give bits for the "
                "others"
            )
        elif self.fine:
            yield (
                f"{names}: potentials may reach {self.most}, more than Loihi and TFLite hold, so "
                f"the neurons have leaks of {FINE_DECAY_BITS} bits and potentials of "
                f"{self.form.fraction_bits} fraction bits, for the cpu target alone; for the "
                "others use fewer bits of weights, or fewer input levels"
            )
        elif self.wide and self.most:
            yield (
                f"{names}: weights of more than {WEIGHT_BITS} bits are not for Loihi, so the "
                f"neurons have leaks of {FINE_DECAY_BITS} bits and potentials of "
                f"{self.form.fraction_bits} fraction bits, which the cpu and TFLite take"
            )
        if self.most > SATURATION and not self.fine:
            one = 1 << self.form.fraction_bits
            yield (
                f"{names}: potentials may reach {self.most / one:.0f} units and saturate at "
                f"{SATURATION / one:.0f}, as {targets} need"
            )
        yield from self._leaks()

    def warnings(self) -> Iterator[str]:
        """Name layers of which rounding left little: their sums are added to much larger ones."""
        for node in self.block.weighted:
            bits, own = self.widths[node.name], layer(node).weight
            whole = self.rounded.weights[node.name] // self.rounded.multiples[node.name]
            used = (own != 0).reshape(len(own), -1).any(axis=1)
            small = used & (np.abs(whole).reshape(len(whole), -1).max(axis=1) < 2)
            if bits > FEWEST_BITS and 2 * small.sum() > used.sum():
                others = (each.title for each in self.block.weighted if each is not node)
                yield (
                    f"{node.title}: of {bits} bits, its weights use less than 2 in {small.sum()} "
                    f"of {used.sum()} output channels, since those of {', '.join(others)}, whose "
                    "sums are added, are much larger; give more bits, or train with weights of "
                    "one size"
                )

    def _leaks(self) -> Iterator[str]:
        one = 1 << self.form.decay_bits
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
