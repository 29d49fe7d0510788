"""From a weighted sum of real numbers to nodes of a graph.

All terms of a sum share one unit a channel, so that they can be added. Where that is:

- The unit is the one in which the weights of all layers of the sum lose least.
- Events that are passed on, as by the identity branch of a residual block, get a whole factor
  ``m``, a depthwise convolution of 1x1. If they are alone beside layers, the unit is changed until
  ``m`` is exact, by a part of ``1 / (2 m)`` at most; then only the layers are rounded, as they
  would be anyway. Of several, each factor is rounded, by half a unit at most.
- Where the events' value is the smaller one, the weights are multiplied by a whole number instead.
- A sum that is a node already keeps its unit, and the new weights are whole multiples of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edgespike.errors import UnsupportedError
from edgespike.floats.net import FloatConv2d, FloatDense, Reals
from edgespike.floats.weighted import per_input, per_output, sums_of_constants
from edgespike.graph import Add, Conv2d, Dense, Threshold
from edgespike.graph.tensor import ACCUMULATOR_LIMIT, Integers
from edgespike.quantise.layer_rounding import rounded_layer
from edgespike.quantise.levels.correction import corrected
from edgespike.quantise.levels.graph_so_far import Growing
from edgespike.quantise.levels.values import Events, Pending, Sums, Term
from edgespike.quantise.lines import Line
from edgespike.quantise.rounding import best_units, largest

PASSED_ON = 127
"""Largest factor of events that are passed on beside others, without a layer."""


@dataclass(frozen=True, eq=False)
class _Units:
    """Of each channel: the sum's unit, and how many of it are one unit of a weight."""

    unit: Reals
    multiple: Reals


def weigh(
    grow: Growing, path: str, pending: Pending, target: Reals, bits: int, *, with_bias: bool
) -> Sums:
    """Round a weighted sum, add its nodes to a graph, and correct what rounding did in the mean.

    Parameters
    ----------
    path
        Of the layer, for messages.
    target
        The float net's values of this sum on the samples for calibration.
    bits
        Of a weight.
    with_bias
        Put the offset into the graph's bias, rounded half up to whole units, because no threshold
        will take it.
    """
    layers = [term for term in pending.terms if term.op is not None]
    passed = [term for term in pending.terms if term.op is None]
    scales = _units(pending, layers, passed, largest(bits))
    nodes, offset = [], pending.offset.copy()
    if pending.base is not None:
        nodes.append(pending.base.node)
        offset += pending.base.line.offset
    for term in layers:
        nodes += _add_layer(grow, path, term, scales, largest(bits))
        offset += _offset(term)
    for term in passed:
        nodes.append(_pass_on(grow, path, term, scales.unit))
        offset += term.factor * term.events.line.offset
    weighted = nodes[-1]
    name = weighted if len(nodes) == 1 else grow.add(path, "add", Add(), nodes)
    line = corrected(Line(scales.unit, offset), grow.seen[name], target)
    if with_bias and isinstance(_op(grow, weighted), Dense | Conv2d):
        grow.add_bias(weighted, name, _whole(path, line.offset / line.scale))
        line = Line(line.scale, np.zeros(len(line.scale)))
    return Sums(name, line)


def _whole(path: str, units: Reals) -> Integers:
    """Round half up what must fit into an accumulator."""
    largest_unit = float(np.abs(units).max())
    if not largest_unit <= ACCUMULATOR_LIMIT:
        raise UnsupportedError(
            "model cannot be quantised",
            [
                f"{path} adds {largest_unit:.3g} units of its accumulator to its sums; the limit "
                f"is {ACCUMULATOR_LIMIT}, so its weights are too small beside its bias, or beside "
                "what else is added"
            ],
        )
    return np.floor(units + 0.5).astype(np.int64)


def _op(grow: Growing, name: str) -> object:
    return next(node.op for node in grow.nodes if node.name == name)


def _units(pending: Pending, layers: list[Term], passed: list[Term], most: int) -> _Units:
    ones = np.ones(len(pending.offset))
    factors = [np.abs(term.factor * term.events.line.scale) for term in passed]
    if layers:
        found = best_units(np.concatenate([_rows(term) for term in layers], axis=1), most)
    elif len(factors) == 1:
        found = np.where(factors[0] > 0, factors[0], 1.0)
    else:
        found = best_units(np.stack(factors, axis=1), PASSED_ON)
    if pending.base is not None:
        unit = pending.base.line.scale
        return _Units(unit, np.maximum(np.floor(found / np.abs(unit) + 0.5), 1))
    if not layers or len(factors) != 1:
        return _Units(found, ones)
    factor = np.where(factors[0] > 0, factors[0], found)
    whole = np.maximum(np.floor(factor / found + 0.5), 1)
    multiple = np.where(factor < 0.75 * found, np.floor(found / factor + 0.5), 1)
    return _Units(factor / whole, multiple)


def _real(term: Term) -> Reals:
    """Return a layer's weights as multipliers of its events' levels."""
    op = _layer(term)
    return op.weight * per_input(term.events.line.scale, op)


def _rows(term: Term) -> Reals:
    return _real(term).reshape(len(term.factor), -1)


def _layer(term: Term) -> FloatConv2d | FloatDense:
    if term.op is None:
        raise TypeError("the term has no layer")
    return term.op


def _padded(term: Term) -> bool:
    """Whether a layer adds zeros around events whose 0 does not stand for 0."""
    op = term.op
    return isinstance(op, FloatConv2d) and any(op.padding) and not term.events.line.through_zero


def _offset(term: Term) -> Reals:
    """Return what a layer adds whatever its events are."""
    op, offset = _layer(term), term.events.line.offset
    if _padded(term) or not offset.any():
        return op.bias
    return op.bias + sums_of_constants(op, offset)


def _add_layer(grow: Growing, path: str, term: Term, scales: _Units, most: int) -> list[str]:
    op, events = _layer(term), term.events
    unit = per_output(scales.unit * scales.multiple, op)
    whole = rounded_layer(op, _real(term) / unit, grow.seen[events.node], most)
    whole = whole * per_output(_whole(path, scales.multiple), op)
    nodes = [_weighted(grow, path, op, whole, events.node)]
    if _padded(term) and isinstance(op, FloatConv2d):
        nodes.insert(0, _constant(grow, path, op, events, scales.unit))
    return nodes


def _weighted(
    grow: Growing, path: str, op: FloatConv2d | FloatDense, whole: Integers, source: str
) -> str:
    bias, trained = np.zeros(len(whole), np.int64), (op.weight != 0) | (whole != 0)
    if isinstance(op, FloatDense):
        return grow.add(path, "dense", Dense(whole, bias, trained), [source])
    conv = Conv2d(whole, bias, trained, op.stride, op.padding, op.dilation, op.groups)
    return grow.add(path, "conv", conv, [source])


def _constant(grow: Growing, path: str, op: FloatConv2d, events: Events, unit: Reals) -> str:
    """Add what a layer's offsets of its inputs are, except where a window sees the padding.

    Levels that always fire stand for the offset: a threshold that every value reaches, whose level
    is as large as the weights need it to be to stay small. (A spiking net has neurons that always
    fire instead, see `edgespike.quantise.spikes.inserted`: the plane is added before units are
    known.)
    """
    each = (op.weight * per_input(events.line.offset, op)).sum(axis=1) / unit[:, None, None]
    size = max(1, int(np.ceil(np.abs(each).max() / PASSED_ON)))
    low = grow.tensors[events.node].low
    always = Threshold(low[:, None], np.zeros(len(low), np.bool_), 0, size)
    source = grow.add(path, "levels", always, [events.node])
    weight = np.zeros(op.weight.shape, np.int64)
    weight[:, 0] = np.floor(each / size + 0.5)
    return _weighted(grow, path, replace(op, weight=weight.astype(np.float64)), weight, source)


def _pass_on(grow: Growing, path: str, term: Term, unit: Reals) -> str:
    """Add events, times a whole factor in each channel, as sums."""
    whole = _whole(path, term.factor * term.events.line.scale / unit)
    bias = np.zeros(len(whole), np.int64)
    if len(grow.tensors[term.events.node].shape) == 1:
        return grow.add(path, "dense", Dense(np.diag(whole), bias), [term.events.node])
    conv = Conv2d(whole.reshape(-1, 1, 1, 1), bias, groups=len(whole))
    return grow.add(path, "conv", conv, [term.events.node])
