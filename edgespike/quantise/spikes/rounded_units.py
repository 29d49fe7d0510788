"""Units in which trained weights have few bits, and the whole weights that follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgespike.floats.net import FloatNeurons, FloatNode, Reals
from edgespike.floats.weighted import per_output
from edgespike.graph.tensor import Integers
from edgespike.quantise.dyadic import NO_BITS, fraction_bits, shifted
from edgespike.quantise.layer_rounding import rounded_layer
from edgespike.quantise.spikes.blocks import Block
from edgespike.quantise.spikes.events_seen import mean_for
from edgespike.quantise.spikes.units import (
    Units,
    fits,
    gain_along,
    layer,
    needs_whole_theta,
    too_long,
)

CLIPPED_BITS = 4
"""Weights of up to as many bits get the clip of the least squared error, others the largest."""

CLIP_SAMPLE = 1024
"""Most weights of an output channel among which the clip is sought."""

FINE_THETA = 16
"""A threshold below this many units is too coarse; units are then divided by 4."""

MOST_FACTOR = 2**7
"""Most that whole weights of a layer may be multiples of: Loihi's largest exponent, 7."""


@dataclass(frozen=True, eq=False)
class RoundedWeights:
    """Rounded weights of a block before their final unit, which may be a part of theirs.

    Parameters
    ----------
    block
        The layers.
    step
        Real value of 1 of each group, ``(groups,)``.
    weights
        Whole weights of each layer, by name, multiples of the layer's `multiples`.
    biases
        Real biases, by the layer's name.
    multiples
        Powers of two, by the layer's name: layers whose sums are added need not share a step.
    exact
        Whether the weights are the net's own.
    """

    block: Block
    step: Reals
    weights: Mapping[str, Integers]
    biases: Mapping[str, Reals]
    multiples: Mapping[str, int]
    exact: bool

    @property
    def most_factor(self) -> int:
        """The largest factor for `units` with which one exponent fits all weights of a layer."""
        return max(1, MOST_FACTOR // max(self.multiples.values()))

    def units(self, factor: int) -> Units:
        """Return units of ``step / factor``, in which thresholds and biases are finer."""
        unit, found = self.step / factor, {}
        for name, weight in self.weights.items():
            bias = np.rint(self.biases[name] / unit[self.block.groups[name]])
            found[name] = weight * factor, bias.astype(np.int64)
        zeros = np.zeros(self.block.size, np.int64)
        return Units(unit, found, self.exact, zeros, zeros + 1)

    def least_factor(self) -> int:
        """Return the factor, a power of 4, that makes all thresholds fine or whole."""
        factor = 1
        for taker in self.block.takers:
            if isinstance(taker.op, FloatNeurons) and needs_whole_theta(taker.op):
                groups, op = self.block.of_input(taker), taker.op
                own = self.step[groups].reshape(-1, *(1,) * (op.threshold.ndim - 1))
                theta = op.threshold / (gain_along(op) * own)
                coarse = theta[theta != np.rint(theta)]
                while factor < 64 and bool((coarse * factor < FINE_THETA).any()):
                    factor *= 4
        return min(factor, self.most_factor)


def rounded_weights(
    block: Block,
    widths: Mapping[str, int],
    coarser: Reals,
    seen: Mapping[str, Integers],
    apart: int,
) -> RoundedWeights:
    """Return weights in steps in which the largest of each group has as many bits as it may.

    Weights that are whole in a power of two, within their bits, stay what they are.

    Parameters
    ----------
    widths
        Bits of a weight of each weighted layer, sign included.
    coarser
        Factor of each group's step beyond that, ``(groups,)``.
    seen
        Events that reach a layer, by its name. Weights are rounded so that sums of these change
        little, and what changes of the mean sum is added to the bias.
    apart
        How many times larger the steps of a layer may be than those of another to whose sums its
        own are added, a power of two.
    """
    step = _kept_steps(block, widths) if (coarser == 1).all() else None
    exact, multiples = step is not None, dict.fromkeys((node.name for node in block.weighted), 1)
    if step is None:
        multiples = _multiples(block, widths, apart, seen)
        step = _fitting_steps(block, widths, multiples) * coarser
    weights, biases = {}, {}
    for node in block.weighted:
        op, most = layer(node), 2 ** (widths[node.name] - 1) - 1
        own = per_output(step[block.groups[node.name]] * multiples[node.name], op)
        weight, bias = np.clip(np.rint(op.weight / own), -most, most), op.bias
        if node.name in seen:
            found = rounded_layer(op, op.weight / own, seen[node.name], most)
            weight = np.where(op.weight == 0, 0, found)  # a pruned net stays pruned
            lost = (op.weight - weight * own) * mean_for(op, seen[node.name])
            bias = bias + lost.reshape(len(lost), -1).sum(axis=1)
        weights[node.name] = weight.astype(np.int64) * multiples[node.name]
        biases[node.name] = bias
    return RoundedWeights(block, step, weights, biases, multiples, exact)


def _kept_steps(block: Block, widths: Mapping[str, int]) -> Reals | None:
    """Return one power of two in which all weights are whole and within their bits, if any."""
    if any(too_long(layer(node).weight, widths[node.name]) for node in block.weighted):
        return None
    bits = max(int(fraction_bits(layer(node).weight).max()) for node in block.weighted)
    if bits == NO_BITS or not fits(block, np.full(block.size, bits), widths):
        return None
    theta = [
        (fraction_bits(taker.op.threshold) - fraction_bits(gain_along(taker.op))).max()
        for taker in block.takers
        if isinstance(taker.op, FloatNeurons)
    ]
    wanted = max([bits, *theta])
    while bits < wanted and fits(block, np.full(block.size, bits + 1), widths):
        bits += 1
    return shifted(np.ones(block.size), -bits)


def _own_steps(block: Block, widths: Mapping[str, int], node: FloatNode) -> Reals:
    """Return the steps, of each group, with which the weights of a layer have their bits."""
    op, steps = layer(node), np.zeros(block.size)
    largest = np.abs(op.weight).reshape(len(op.weight), -1).max(axis=1)
    np.maximum.at(steps, block.groups[node.name], largest / (2 ** (widths[node.name] - 1) - 1))
    return steps


def _multiples(
    block: Block, widths: Mapping[str, int], apart: int, seen: Mapping[str, Integers]
) -> dict[str, int]:
    """Return by which power of two the steps of each layer exceed the finest of its block.

    All channels of a layer have the same, since Loihi has one exponent for them. Of some they are
    those with the least sum of squared steps, and so of squared errors, over all weights, each as
    often as events arrive.
    """
    own = {node.name: _own_steps(block, widths, node) for node in block.weighted}
    sizes: dict[str, float] = {node.name: layer(node).weight[0].size for node in block.weighted}
    if seen and len(sizes) > 1:
        sizes = {name: size * _mean_square(seen[name]) for name, size in sizes.items()}
    least = np.min([np.where(steps > 0, steps, np.inf) for steps in own.values()], axis=0)
    best, smallest = dict.fromkeys(own, 1), np.inf
    for part in np.linspace(0, 1, 5):
        tried = {
            name: 2
            ** int(np.log2(min(apart, _quantile(steps[steps > 0] / least[steps > 0], part))))
            for name, steps in own.items()
        }
        unit = np.max([steps / tried[name] for name, steps in own.items()], axis=0)
        each = (sizes[name] * (unit * tried[name]) ** 2 * (own[name] > 0) for name in own)
        error = float(np.sum([errors.sum() for errors in each]))
        if error < smallest:
            best, smallest = tried, error
    return {name: multiple // min(best.values()) for name, multiple in best.items()}


def _mean_square(events: Integers) -> float:
    """Return the mean square of events; a little for a layer that none reached."""
    return max(float(np.square(events, dtype=np.float64).mean()), 1 / events.size)


def _quantile(values: Reals, part: float) -> float:
    return float(np.quantile(values, part)) if len(values) else 1.0


def _fitting_steps(block: Block, widths: Mapping[str, int], multiples: Mapping[str, int]) -> Reals:
    step = np.zeros(block.size)
    for node in block.weighted:
        np.maximum(step, _own_steps(block, widths, node) / multiples[node.name], out=step)
    empty = step == 0
    step[empty] = 1.0
    if min(widths[node.name] for node in block.weighted) <= CLIPPED_BITS:
        step = _clipped(block, widths, step, multiples)
    for taker in block.takers:
        if isinstance(taker.op, FloatNeurons):  # without weights, let the threshold be 127
            groups = block.of_input(taker)
            theta = (taker.op.threshold / gain_along(taker.op)).reshape(len(groups), -1).max(axis=1)
            step[groups] = np.where(empty[groups], theta / 127, step[groups])
    return step


def _clipped(
    block: Block, widths: Mapping[str, int], steps: Reals, multiples: Mapping[str, int]
) -> Reals:
    """Return the part of each step that makes the squared error of rounded weights least."""
    best, least = steps, np.full(block.size, np.inf)
    sampled = {node.name: _sampled(layer(node).weight) for node in block.weighted}
    for part in np.linspace(0.3, 1, 36):
        tried, errors = steps * part, np.zeros(block.size)
        for node in block.weighted:
            weight, groups = sampled[node.name], block.groups[node.name]
            most = 2 ** (widths[node.name] - 1) - 1
            step = tried[groups][:, None] * multiples[node.name]
            near = np.clip(np.rint(weight / step), -most, most) * step
            np.add.at(errors, groups, ((near - weight) ** 2).mean(axis=1))
        best = np.where(errors < least, tried, best)
        least = np.minimum(errors, least)
    return best


def _sampled(weight: Reals) -> Reals:
    """Return weights of each row at regular intervals, `CLIP_SAMPLE` or fewer."""
    rows = weight.reshape(len(weight), -1)
    return rows[:, :: -(-rows.shape[1] // CLIP_SAMPLE)]
