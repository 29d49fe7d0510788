"""Units in which trained weights have few bits, and the whole weights that follow."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgespike.floats.net import FloatNeurons, Reals
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


def rounded_units(
    block: Block, widths: Mapping[str, int], coarser: Reals, seen: Mapping[str, Integers]
) -> Units:
    """Return units in which the largest weight of each group has as many bits as it may.

    Weights that are whole in a power of two, within their bits, stay what they are.

    Parameters
    ----------
    widths
        Bits of a weight of each weighted layer, sign included.
    coarser
        Factor of each group's unit beyond that, ``(groups,)``.
    seen
        Events that reach a layer, by its name. Weights are rounded so that sums of these change
        little, and what changes of the mean sum is added to the bias.
    """
    kept = _kept_units(block, widths) if (coarser == 1).all() else None
    unit = (_fitting_units(block, widths) if kept is None else kept) * coarser
    factor = _finer(block, unit)
    weights = {}
    for node in block.weighted:
        op, groups = layer(node), block.groups[node.name]
        most, step = 2 ** (widths[node.name] - 1) - 1, per_output(unit[groups], op)
        weight = np.clip(np.rint(op.weight / step), -most, most) * factor
        bias = op.bias
        if node.name in seen:
            weight = rounded_layer(op, op.weight / step, seen[node.name], most) * factor
            weight = np.where(op.weight == 0, 0, weight)  # a pruned net stays pruned
            lost = (op.weight - weight / factor * step) * mean_for(op, seen[node.name])
            bias = bias + lost.reshape(len(lost), -1).sum(axis=1)
        bias = np.rint(bias / unit[groups] * factor)
        weights[node.name] = weight.astype(np.int64), bias.astype(np.int64)
    zeros, ones = np.zeros(block.size, np.int64), np.ones(block.size, np.int64)
    return Units(unit / factor, weights, kept is not None, zeros, ones)


def _kept_units(block: Block, widths: Mapping[str, int]) -> Reals | None:
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


def _fitting_units(block: Block, widths: Mapping[str, int]) -> Reals:
    unit = np.zeros(block.size)
    for node in block.weighted:
        op, most = layer(node), 2 ** (widths[node.name] - 1) - 1
        largest = np.abs(op.weight).reshape(len(op.weight), -1).max(axis=1)
        np.maximum.at(unit, block.groups[node.name], largest / most)
    empty = unit == 0
    unit[empty] = 1.0
    if min(widths[node.name] for node in block.weighted) <= CLIPPED_BITS:
        unit = _clipped(block, widths, unit)
    for taker in block.takers:
        if isinstance(taker.op, FloatNeurons):  # without weights, let the threshold be 127
            groups = block.of_input(taker)
            theta = (taker.op.threshold / gain_along(taker.op)).reshape(len(groups), -1).max(axis=1)
            unit[groups] = np.where(empty[groups], theta / 127, unit[groups])
    return unit


def _clipped(block: Block, widths: Mapping[str, int], unit: Reals) -> Reals:
    """Return the part of each unit that makes the squared error of rounded weights least."""
    best, least = unit, np.full(block.size, np.inf)
    sampled = {node.name: _sampled(layer(node).weight) for node in block.weighted}
    for part in np.linspace(0.3, 1, 36):
        tried, errors = unit * part, np.zeros(block.size)
        for node in block.weighted:
            weight, groups = sampled[node.name], block.groups[node.name]
            most, step = 2 ** (widths[node.name] - 1) - 1, tried[groups][:, None]
            near = np.clip(np.rint(weight / step), -most, most) * step
            np.add.at(errors, groups, ((near - weight) ** 2).mean(axis=1))
        best = np.where(errors < least, tried, best)
        least = np.minimum(errors, least)
    return best


def _sampled(weight: Reals) -> Reals:
    """Return weights of each row at regular intervals, `CLIP_SAMPLE` or fewer."""
    rows = weight.reshape(len(weight), -1)
    return rows[:, :: -(-rows.shape[1] // CLIP_SAMPLE)]


def _finer(block: Block, unit: Reals) -> int:
    """Return the factor, a power of 4, that makes all thresholds fine or whole."""
    factor = 1
    for taker in block.takers:
        if isinstance(taker.op, FloatNeurons) and needs_whole_theta(taker.op):
            groups, op = block.of_input(taker), taker.op
            own = unit[groups].reshape(-1, *(1,) * (op.threshold.ndim - 1))
            theta = op.threshold / (gain_along(op) * own)
            coarse = theta[theta != np.rint(theta)]
            while factor < 64 and bool((coarse * factor < FINE_THETA).any()):
                factor *= 4
    return factor
