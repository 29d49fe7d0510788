"""The real value of one unit of each sum, and the whole weights that follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgespike.floats.net import FloatConv2d, FloatDense, FloatNeurons, FloatNode, Reals
from edgespike.floats.weighted import Weighted, per_output
from edgespike.graph import Reset
from edgespike.graph.tensor import ACCUMULATOR_LIMIT, Integers
from edgespike.quantise.dyadic import (
    NO_BITS,
    fraction_bits,
    odd_part,
    shifted,
    significant_bits,
    some,
)
from edgespike.quantise.spikes.blocks import Block

EXACT_WEIGHT_BITS = 16
"""Most bits of a weight, sign included, that is kept as it is where nobody asked for fewer."""

MOST_ODD = 4096
"""Most odd factor of a unit."""


@dataclass(frozen=True, eq=False)
class Units:
    """Units of a block's groups and its whole weights.

    Parameters
    ----------
    unit
        Real value of one unit of each group, ``(groups,)``; it is ``2**-bits / odd`` where exact.
    weights
        Weight and bias of each weighted layer, by name.
    exact
        Whether weights and biases are the net's own, in this unit.
    bits, odd
        See ``unit``; zeros and ones where not exact.
    """

    unit: Reals
    weights: Mapping[str, tuple[Integers, Integers]]
    exact: bool
    bits: Integers
    odd: Integers


def layer(node: FloatNode) -> Weighted:
    """Return the operation of a weighted node.

    Raises
    ------
    TypeError
        It has no weights.
    """
    if not isinstance(node.op, FloatDense | FloatConv2d):
        raise TypeError(f"{node.name} has no weights")
    return node.op


def exact_units(block: Block, widths: Mapping[str, int]) -> Units | None:
    """Return the coarsest unit in which a block is whole, or ``None`` if that is too fine.

    Parameters
    ----------
    widths
        Most bits of a weight of each weighted layer, sign included.
    """
    if any(too_long(layer(node).weight, widths[node.name]) for node in block.weighted):
        return None
    bits, weight_bits = (np.full(block.size, NO_BITS) for _ in range(2))
    odd = np.ones(block.size, np.int64)
    for node in block.weighted:
        op, groups = layer(node), block.groups[node.name]
        rows = fraction_bits(op.weight).reshape(len(op.weight), -1).max(axis=1)
        np.maximum.at(weight_bits, groups, rows)
        np.maximum.at(bits, groups, np.maximum(rows, fraction_bits(op.bias)))
    for taker in block.takers:
        if isinstance(taker.op, FloatNeurons):
            groups = block.of_input(taker)
            gain = np.ones(1) if taker.op.gain is None else taker.op.gain
            for index, part in enumerate(_each_channel(odd_part(gain), len(groups))):
                odd[groups[index]] = np.lcm.reduce([odd[groups[index]], *part.ravel().tolist()])
            if needs_whole_theta(taker.op):
                need = fraction_bits(taker.op.threshold) - fraction_bits(gain_along(taker.op))
                need = need.reshape(len(need), -1).max(axis=1)
                np.maximum.at(bits, groups, need)
    if odd.max() > MOST_ODD:
        return None
    for chosen, least in ((bits.max(), weight_bits.max()), (bits, weight_bits)):
        units = _in_unit(block, np.broadcast_to(chosen, bits.shape), odd)
        narrow = np.broadcast_to(least, bits.shape)
        if units is not None and fits(block, narrow, widths):
            return units
    return None


def too_long(weight: Reals, width: int) -> bool:
    """Return whether one of some weights has more bits than a weight may have.

    That is quickly seen, and true of most trained nets.
    """
    return significant_bits(some(weight)) > width - 1


def needs_whole_theta(op: FloatNeurons) -> bool:
    """Return whether a threshold between two units changes what neurons compute.

    It does not where potentials are whole and nothing but one comparison uses it.
    """
    whole = all(
        each is None or bool(np.isin(each, (0.0, 1.0)).all()) for each in (op.beta, op.alpha)
    )
    free = whole and op.bias is None and op.floor is None
    return not (free and op.max_spikes == 1 and op.reset is not Reset.SUBTRACT) and not (
        op.emits_potential and op.reset is Reset.NONE
    )


def gain_along(op: FloatNeurons) -> Reals:
    """Return the gain in a shape that broadcasts against the threshold; ones if there is none."""
    if op.gain is None:
        return np.ones((1,) * op.threshold.ndim)
    ndim = op.threshold.ndim
    return op.gain.reshape(op.gain.shape + (1,) * (ndim - op.gain.ndim))


def _each_channel(values: Integers, channels: int) -> Integers:
    return np.broadcast_to(values, (channels,)) if values.ndim == 1 else values


def fits(block: Block, bits: Integers, widths: Mapping[str, int]) -> bool:
    """Return whether weights in a unit of ``2**-bits`` have no more bits than they may."""
    for node in block.weighted:
        op = layer(node)
        whole = shifted(op.weight, per_output(bits[block.groups[node.name]], op))
        if float(np.abs(whole).max(initial=0)) >= 2.0 ** (widths[node.name] - 1):
            return False
    return True


def _in_unit(block: Block, bits: Integers, odd: Integers) -> Units | None:
    """Return the weights in units of ``2**-bits / odd``; ``None`` if they are too large."""
    bits = np.where(bits == NO_BITS, 0, bits)
    weights = {}
    for node in block.weighted:
        op, groups = layer(node), block.groups[node.name]
        with np.errstate(over="ignore"):
            weight = shifted(op.weight, per_output(bits[groups], op)) * per_output(odd[groups], op)
            bias = shifted(op.bias, bits[groups]) * odd[groups]
        if max(np.abs(weight).max(initial=0), np.abs(bias).max()) > ACCUMULATOR_LIMIT:
            return None
        weights[node.name] = weight.astype(np.int64), bias.astype(np.int64)
    return Units(shifted(1.0 / odd, -bits), weights, True, bits, odd)
