"""One node of a net in real numbers after the other becomes a part of a graph.

Affine maps and additions fold into the weighted sums before them. A sum is rounded where something
needs whole numbers: an activation, a pool, the answer, or several layers. Where a layer needs
events and there is no activation, levels of both signs are put in between. Why affine maps are not
folded before, see :mod:`edgespike.floats.fold`.
"""

from __future__ import annotations

import numpy as np
from typing_extensions import assert_never

from edgespike.errors import UnsupportedError
from edgespike.floats.net import (
    FloatAdd,
    FloatAffine,
    FloatConcatenate,
    FloatConv2d,
    FloatDelay,
    FloatDense,
    FloatInput,
    FloatNeurons,
    FloatNode,
    FloatPool2d,
    FloatReadout,
    FloatRelu,
    FloatReshape,
    FloatTanh,
    Pooling,
)
from edgespike.graph import Add, Concatenate, Input, MaxPool2d, Readout, Reshape, SumPool2d
from edgespike.quantise.levels.activation import activation, delay
from edgespike.quantise.levels.firing import Grid
from edgespike.quantise.levels.values import Events, Pending, Sums, Term, Value, identity
from edgespike.quantise.levels.values_so_far import Held
from edgespike.quantise.lines import Line, added, concatenated
from edgespike.quantise.rounding import WHOLE


def walk(held: Held, op: Input, samples: WHOLE) -> dict[str, str]:
    """Convert all nodes.

    Parameters
    ----------
    op, samples
        The graph's input and its whole numbers, ``(samples, *shape)``.

    Returns
    -------
    nodes
        Name of the graph's node that has a float node's values, by the float node's name.
    """
    nodes: dict[str, str] = {}
    grids: dict[str, Grid] = {}
    *before, last = held.state.net.nodes
    for node in before:
        value = held.values[node.name] = _start(held, op, samples) or _value(held, node, grids)
        if isinstance(value, Pending) and len(held.state.net.users[node.name]) > 1:
            value = held.values[node.name] = held.as_sums(node.name)
        if isinstance(value, Pending):
            continue
        # A map of events has no node of its own: its values stand for others than the events'.
        if value.node not in nodes.values() or not isinstance(node.op, FloatAffine):
            nodes[node.name] = value.node
    nodes[last.name] = _answer(held, last)
    return nodes


def _start(held: Held, op: Input, samples: WHOLE) -> Events | None:
    """Return the input's events, the first time."""
    if held.values:
        return None
    name = held.grow.start(op, samples)
    held.raw.add(name)
    return Events(name, Line.of(op.shape[0], op.scale))


def _value(held: Held, node: FloatNode, grids: dict[str, Grid]) -> Value:
    match node.op:
        case FloatAffine():
            return _affine(held, node.inputs[0], node.op)
        case FloatDense() | FloatConv2d():
            events = held.as_events(node.inputs[0])
            ones = np.ones(len(node.op.weight))
            return Pending((Term(events, node.op, ones),), 0 * ones)
        case FloatRelu() | FloatTanh():
            return activation(held, node, node.op, grids)
        case FloatDelay():
            return delay(held, node, node.op, grids)
        case FloatPool2d(Pooling.MAX):
            return _max_pool(held, node, node.op)
        case FloatPool2d():
            return _sum_pool(held, node, node.op)
        case FloatAdd():
            return _add(held, node)
        case FloatConcatenate():
            return _concatenate(held, node)
        case FloatReshape():
            return _reshape(held, node, node.op)
        case FloatInput() | FloatReadout() | FloatNeurons():
            raise TypeError(f"{node.name} has no levels, or is not between input and readout")
        case _:
            assert_never(node.op)


def _like(value: Events | Sums, node: str, line: Line) -> Events | Sums:
    """Return another node of the same kind."""
    return Events(node, line) if isinstance(value, Events) else Sums(node, line)


def _affine(held: Held, source: str, op: FloatAffine) -> Value:
    value = held.values[source]
    if isinstance(value, Pending) and value.base is None:
        return value.then(op)
    node = held.materialised(source)
    return _like(node, node.node, node.line.then_affine(op.scale, op.offset))


def _max_pool(held: Held, node: FloatNode, op: FloatPool2d) -> Events:
    events = _for_maximum(held, node.inputs[0])
    pool = MaxPool2d(op.kernel, op.stride, op.padding)
    return Events(_add_pool(held, node.name, pool, events.node), events.line)


def _for_maximum(held: Held, source: str) -> Events:
    """Return events whose largest level is the largest value, and none of which is negative."""
    value = held.values[source]
    if isinstance(value, Events):
        low = held.grow.tensors[value.node].low
        if (value.line.scale > 0).all() and low.min() >= 0:
            return value
    return held.as_events(source, from_zero=True, again=True)


def _sum_pool(held: Held, node: FloatNode, op: FloatPool2d) -> Value:
    source = node.inputs[0]
    value = held.materialised(source)
    if any(op.padding) and not value.line.through_zero:
        value = held.as_events(source, again=True)
    pool = SumPool2d(op.kernel, op.stride, op.padding)
    name = _add_pool(held, node.name, pool, value.node)
    return _like(value, name, value.line.then_sums(op))


def _add_pool(held: Held, name: str, op: MaxPool2d | SumPool2d, source: str) -> str:
    added = held.grow.add(held.path(name), "pool", op, [source])
    held.still_raw([source], added)
    return added


def _add(held: Held, node: FloatNode) -> Value:
    values = [held.values[name] for name in node.inputs]
    nodes = [value for value in values if not isinstance(value, Pending)]
    alike = len(nodes) == len(values) and len({type(value) for value in nodes}) == 1
    if alike and (line := added([x.line for x in nodes])) is not None:
        name = held.grow.add(held.path(node.name), "add", Add(), [x.node for x in nodes])
        return _like(nodes[0], name, line)
    return _sum_of(held, node)


def _sum_of(held: Held, node: FloatNode) -> Pending:
    """Return the sum of values of several kinds, of which one may keep its unit."""
    terms: list[Term] = []
    base: Sums | None = None
    offset = np.zeros(held.state.floats[node.name].shape[1])
    for name in node.inputs:
        value = held.values[name]
        if isinstance(value, Sums) and base is None and value.line.scale.all():
            base = value
        elif isinstance(value, Pending) and (base is None or value.base is None):
            terms += value.terms
            offset = offset + value.offset
            base = base or value.base
        else:
            terms.append(identity(held.as_events(name)))
    return Pending(tuple(terms), offset, base)


def _concatenate(held: Held, node: FloatNode) -> Value:
    found = [held.materialised(name) for name in node.inputs]
    if len({type(value) for value in found}) > 1:
        found = [held.as_sums(name) for name in node.inputs]
    sources = [value.node for value in found]
    name = held.grow.add(held.path(node.name), "concatenate", Concatenate(), sources)
    held.still_raw(sources, name)
    return _like(found[0], name, concatenated([value.line for value in found]))


def _reshape(held: Held, node: FloatNode, op: FloatReshape) -> Value:
    value, path = held.materialised(node.inputs[0]), held.path(node.name)
    line = value.line.then_reshape(held.state.floats[node.inputs[0]].shape[1:], op.shape)
    if line is None:
        raise UnsupportedError(
            "model cannot be quantised",
            [
                f"{path} puts channels whose units differ into one; reshape right behind an "
                "activation, or not at all"
            ],
        )
    name = held.grow.add(path, "reshape", Reshape(op.shape), [value.node])
    held.still_raw([value.node], name)
    return _like(value, name, line)


def _answer(held: Held, node: FloatNode) -> str:
    if not isinstance(node.op, FloatReadout):
        raise TypeError(f"{node.name} is no readout")
    path, sums = held.path(node.name), held.as_sums(node.inputs[0])
    if (sums.line.scale <= 0).any() or sums.line.offset.any():
        raise UnsupportedError(
            "model cannot be quantised",
            [
                f"{path}: an affine map follows the last sums, and a graph's answer has no offset "
                "there; move it before the last pool"
            ],
        )
    op = Readout(sums.line.scale, node.op.mode)
    return held.grow.add(path, "readout", op, [sums.node])
