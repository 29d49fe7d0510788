"""Nodes that have sums: weighted layers, sums of two tensors, averages, and padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

import numpy as np

from edgespike.graph import Add, Conv2d, Dense, Reshape, SumPool2d
from edgespike.graph.tensor import CHANNEL_LIMIT, Integers
from edgespike.int8.additions import check_addition
from edgespike.int8.firing import StandIn, fire
from edgespike.int8.growing import Growing, Place, StoppedError
from edgespike.int8.net import (
    Int8Add,
    Int8AveragePool,
    Int8Conv2d,
    Int8Dense,
    Int8Node,
    Int8Pad,
)
from edgespike.int8.pairs import WeightedPair, weighted_pair
from edgespike.int8.rounding import INT32_MAX, Requantise
from edgespike.int8.thresholds import Rows

PAIRS_LIMIT = 2**20
"""Most pairs of numbers that a sum of two tensors is evaluated at."""


def lower_weighted(grow: Growing, node: Int8Node, op: Int8Dense | Int8Conv2d) -> None:
    """Add a weighted layer; an offset of its input that is not the zero point moves into biases."""
    place, zero = grow.places[node.inputs[0]], grow.stored(node.inputs[0]).zero_point
    if isinstance(op, Int8Conv2d) and any(op.padding):
        place = grow.at(node, place, zero)
    axes = tuple(range(1, op.weight.ndim))
    bias = op.bias + (place.offset - zero) * op.weight.sum(axis=axes)
    sums: Dense | Conv2d
    match op:
        case Int8Dense():
            sums = Dense(op.weight, bias)
        case Int8Conv2d():
            sums = Conv2d(op.weight, bias, None, op.stride, op.padding, op.dilation, op.groups)
    name = grow.add_part(node, "sums", sums, place.node)
    faults = list(_check_sums(grow, op, name))
    grow.violations += [f"{node.title}: {fault}" for fault in faults]
    if op.finish is None:
        grow.places[node.name] = Place(name, 0)
    else:
        fire(grow, node, name, StandIn(node.stored) if faults else op.finish)


def _check_sums(grow: Growing, op: Int8Dense | Int8Conv2d, sums: str) -> Iterator[str]:
    """Yield that sums do not fit into the 32 bits that runtimes compute them in."""
    tensor = grow.tensors[sums]
    reach = np.maximum(-tensor.low, tensor.high)
    if isinstance(op.finish, Requantise):
        yield from op.finish.check(reach)
    elif (largest := int(reach.max())) > INT32_MAX:
        yield (
            f"its sums can reach {largest}; the limit is {INT32_MAX}, beyond which a runtime's 32 "
            "bits wrap around: use smaller weights or fewer inputs"
        )


def lower_add(grow: Growing, node: Int8Node, op: Int8Add) -> None:
    """Add the sum of two tensors: of both times whole numbers, in the ratio of their scales.

    Raises
    ------
    StoppedError
        The tensors do not hold 8-bit numbers, or differ in shape.
    """
    places = [grow.places[name] for name in node.inputs]
    pair = _weighted_pair(grow, node, op, places)
    sides = (
        _times(grow, node, places[0], "first", pair.first),
        _times(grow, node, places[1], "second", pair.second),
    )
    sums = grow.add_part(node, "sums", Add(), *sides)
    shape = grow.tensors[places[0].node].shape
    if len(shape) == 1:
        sums = grow.add_part(node, "flat", Reshape(shape), sums)
    fire(grow, node, sums, pair.finish)


def _weighted_pair(
    grow: Growing, node: Int8Node, op: Int8Add, places: Sequence[Place]
) -> WeightedPair:
    """Return the weights of a sum of two tensors, or something in their stead."""
    bounds = [grow.tensors[place.node].bounds for place in places]
    if (pairs := prod(high - low + 1 for low, high in bounds)) > PAIRS_LIMIT:
        grow.violations.append(
            f"{node.title} adds numbers of {pairs} pairs; the limit is {PAIRS_LIMIT}, use 8-bit "
            "numbers"
        )
        raise StoppedError
    a, b = (np.arange(low, high + 1) for low, high in bounds)
    faults = list(check_addition(op.combine))
    if not faults:
        table = op.combine(a[:, None] + places[0].offset, b + places[1].offset)
        pair = weighted_pair(np.asarray(table, np.int64), a, b)
        if pair is not None:
            return pair
        faults = [
            "there are no whole weights m1 and m2 for which the result depends on m1 * a + m2 * b "
            "alone; use scales of a simpler ratio"
        ]
    grow.violations += [f"{node.title}: {fault}" for fault in faults]
    return WeightedPair(1, 1, StandIn(node.stored))


def _times(grow: Growing, node: Int8Node, place: Place, side: str, factor: int) -> str:
    """Add the product of all numbers of a tensor and one, and return its name."""
    source, shape = place.node, grow.tensors[place.node].shape
    if len(shape) == 1:
        source = grow.add_part(node, f"{side}_image", Reshape((*shape, 1, 1)), source)
    return grow.add_part(node, side, _each(shape[0], factor), source)


def _each(channels: int, factor: int, padding: tuple[int, ...] = (0, 0)) -> Conv2d:
    """Return the convolution that multiplies each number by one, one synapse each."""
    weight = np.full((channels, 1, 1, 1), factor, np.int64)
    return Conv2d(weight, np.zeros(channels, np.int64), padding=padding, groups=channels)


def lower_pad(grow: Growing, node: Int8Node, op: Int8Pad) -> None:
    """Add zero points around an image that no convolution can pad itself."""
    zero = grow.stored(node.inputs[0]).zero_point
    place = grow.at(node, grow.places[node.inputs[0]], zero)
    channels = grow.tensors[place.node].shape[0]
    sums = grow.add_part(node, "sums", _each(channels, 1, op.padding), place.node)
    fire(grow, node, sums, lambda values: values + zero)


def lower_average_pool(grow: Growing, node: Int8Node, op: Int8AveragePool) -> None:
    """Add an average; where windows at a border hold less, each place has thresholds of its own.

    Raises
    ------
    StoppedError
        There are too many such places.
    """
    place = grow.places[node.inputs[0]]
    tensor = grow.tensors[place.node]
    pool = SumPool2d(op.kernel, op.stride, op.padding)
    sums = grow.add_part(node, "sums", pool, place.node)
    shape = pool.output_shape(tensor.shape)
    sizes, which = np.unique(_window_sizes(pool, tensor.shape), return_inverse=True)

    def finish(values: Integers) -> Integers:
        rows = zip(values, sizes.tolist(), strict=True)
        return np.stack([op.finish(row + size * place.offset, size) for row, size in rows])

    low, high = (sizes * end for end in tensor.bounds)
    if len(sizes) == 1:
        fire(grow, node, sums, finish, Rows(low, high, np.zeros(shape[0], np.int64)))
        return
    if prod(shape) > CHANNEL_LIMIT:
        grow.violations.append(
            f"{node.title} averages fewer numbers at the border, and needs thresholds for each of "
            f"{prod(shape)} places; the limit is {CHANNEL_LIMIT}, pad less"
        )
        raise StoppedError
    flat = grow.add_part(node, "flat", Reshape((prod(shape),)), sums)
    last = fire(grow, node, flat, finish, Rows(low, high, np.tile(which.ravel(), shape[0])))
    fired = grow.places[last.name]
    name = grow.add_part(last, "image", Reshape(shape), fired.node)
    grow.places[last.name] = Place(name, fired.offset)


def _window_sizes(op: SumPool2d, shape: tuple[int, ...]) -> Integers:
    """Return how many places of the image each window holds, ``(height, width)``."""
    axes: Sequence[Integers] = [
        np.minimum(np.arange(count) * step - before + kernel, size)
        - np.maximum(np.arange(count) * step - before, 0)
        for size, kernel, step, (before, _), count in zip(
            shape[1:], op.kernel, op.stride, op.sides, op.output_size(shape), strict=True
        )
    ]
    return np.multiply.outer(*axes)
