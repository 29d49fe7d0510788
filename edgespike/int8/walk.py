"""Node by node, the graph of a net of stored numbers."""

from __future__ import annotations

from collections.abc import Collection
from math import inf, prod

import numpy as np
from typing_extensions import assert_never

from edgespike.graph import Concatenate, Input, MaxPool2d, Readout, Reshape
from edgespike.graph.ops.windows import Padding, padded_twice, sides_of
from edgespike.int8.firing import LEVELS_LIMIT, fire, values_of
from edgespike.int8.growing import Growing, Place, StoppedError
from edgespike.int8.net import (
    Int8Add,
    Int8AveragePool,
    Int8Concatenate,
    Int8Conv2d,
    Int8Dense,
    Int8Function,
    Int8Input,
    Int8MaxPool,
    Int8Net,
    Int8Node,
    Int8Pad,
    Int8Readout,
    Int8Reshape,
)
from edgespike.int8.steps import Steps
from edgespike.int8.sums import lower_add, lower_average_pool, lower_pad, lower_weighted


def walk(net: Int8Net, apart: Collection[str] = ()) -> Growing:
    """Return the graph of a net, or as much of it as there is, and why not all of it."""
    grow = Growing(net, apart)
    grow.violations += [
        f"{node.title} has the scale {node.stored.scale}; it must be positive and finite"
        for node in net.nodes
        if not 0 < node.stored.scale < inf
    ]
    for node in () if grow.violations else net.nodes:
        # Else it is one with the node before it, or follows from what cannot be lowered.
        if node.name not in grow.places and all(name in grow.places for name in node.inputs):
            try:
                _lower(grow, node)
            except StoppedError:
                continue
    return grow


def _lower(grow: Growing, node: Int8Node) -> None:
    """Add what a node becomes to the graph, and say where its numbers are."""
    op, places = node.op, grow.places
    match op:
        case Int8Input():
            places[node.name] = _input(grow, node, op)
        case Int8Dense() | Int8Conv2d():
            lower_weighted(grow, node, op)
        case Int8Add():
            lower_add(grow, node, op)
        case Int8MaxPool():
            places[node.name] = _max_pool(grow, node, op)
        case Int8AveragePool():
            lower_average_pool(grow, node, op)
        case Int8Function():
            _function(grow, node, op)
        case Int8Pad():
            _check_same(grow, node)
            lower_pad(grow, node, op)
        case Int8Concatenate():
            places[node.name] = _concatenate(grow, node)
        case Int8Reshape():
            _check_same(grow, node)
            places[node.name] = _reshape(grow, node, op)
        case Int8Readout():
            places[node.name] = _readout(grow, node, op)
        case _:
            assert_never(op)


def _check_same(grow: Growing, node: Int8Node) -> None:
    """List inputs that are stored in another way than a node that changes no number."""
    for name in node.inputs:
        found, wanted = grow.stored(name), node.stored
        if (found.scale, found.zero_point) != (wanted.scale, wanted.zero_point):
            grow.violations.append(
                f"{node.title} has scale {wanted.scale:g} and zero point {wanted.zero_point}, its "
                f"input {grow.net.by_name[name].title} has {found.scale:g} and "
                f"{found.zero_point}; they must be equal, requantise the input"
            )


def _input(grow: Growing, node: Int8Node, op: Int8Input) -> Place:
    stored = node.stored
    low, high = stored.low - stored.zero_point, stored.high - stored.zero_point
    if high - low > LEVELS_LIMIT:
        grow.violations.append(
            f"{node.title} stores {low}..{high}; the limit is {LEVELS_LIMIT} numbers, use 8 bits"
        )
        raise StoppedError
    name = grow.add(node, node.name, Input(op.shape, low, high, stored.scale))
    return Place(name, stored.zero_point)


def _max_pool(grow: Growing, node: Int8Node, op: Int8MaxPool) -> Place:
    _check_same(grow, node)
    place, padding = _unpadded(grow, node, op)
    low, _ = grow.tensors[place.node].bounds
    if low < 0:
        place = grow.at(node, place, place.offset + low)
    pool = MaxPool2d(op.kernel, op.stride, padding)
    return Place(grow.add(node, node.name, pool, place.node), place.offset)


def _unpadded(grow: Growing, node: Int8Node, op: Int8MaxPool) -> tuple[Place, Padding]:
    """Return what a max pool reads, and its padding, which zero points can be if none is lower."""
    pad = grow.net.by_name[node.inputs[0]]
    if isinstance(pad.op, Int8Pad):
        place = grow.places[pad.inputs[0]]
        tensor = grow.tensors[place.node]
        padding = padded_twice(op.padding, pad.op.padding)
        lowest = tensor.bounds[0] + place.offset >= pad.stored.zero_point
        # Each window holds something of the image, and none is larger than it.
        fits = map(
            lambda k, n, side: max(side) < k <= n, op.kernel, tensor.shape[1:], sides_of(padding)
        )
        if lowest and all(fits):
            return place, padding
    return grow.places[node.inputs[0]], op.padding


def _function(grow: Growing, node: Int8Node, op: Int8Function) -> None:
    place = grow.places[node.inputs[0]]
    low, high = grow.tensors[place.node].bounds
    values = np.arange(low, high + 1)
    steps = values_of(grow, node, op, values + place.offset)
    if np.array_equal(steps.starts, steps.values):
        grow.places[node.name] = place
        return
    fire(grow, node, place.node, Steps(values, steps.values))


def _concatenate(grow: Growing, node: Int8Node) -> Place:
    _check_same(grow, node)
    places = [grow.places[name] for name in node.inputs]
    offsets = {place.offset for place in places}
    offset = offsets.pop() if len(offsets) == 1 else grow.zero(node)
    sources = [grow.at(node, place, offset).node for place in places]
    return Place(grow.add(node, node.name, Concatenate(), *sources), offset)


def _reshape(grow: Growing, node: Int8Node, op: Int8Reshape) -> Place:
    place = grow.places[node.inputs[0]]
    if grow.tensors[place.node].shape == op.shape:
        return place
    return Place(grow.add(node, node.name, Reshape(op.shape), place.node), place.offset)


def _readout(grow: Growing, node: Int8Node, op: Int8Readout) -> Place:
    _check_same(grow, node)
    place = grow.at(node, grow.places[node.inputs[0]], node.stored.zero_point)
    source, shape = place.node, grow.tensors[place.node].shape
    if len(shape) > 1:
        source = grow.add_part(node, "flat", Reshape((prod(shape),)), source)
    scale = np.full(prod(shape), node.stored.scale) if op.scale is None else op.scale
    return Place(grow.add(node, node.name, Readout(scale), source), place.offset)
