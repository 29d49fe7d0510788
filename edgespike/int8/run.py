"""What a net of stored numbers computes: the definition, in int64."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from edgespike.errors import InputError
from edgespike.exact_factors import exact_factors
from edgespike.graph.ops.windows import Padding, sides_of
from edgespike.graph.tensor import Integers, per_channel
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
    PerChannel,
    Stored,
)


def run_int8(net: Int8Net, samples: NDArray[Any]) -> Mapping[str, Integers]:
    """Return the stored numbers of every node, each ``(samples, *shape)``, int64.

    Parameters
    ----------
    net
        The net.
    samples
        Stored numbers of the input, ``(samples, *shape)``.

    Raises
    ------
    InputError
        The samples do not have the input's shape, or are not whole numbers of its type.
    """
    values = {net.nodes[0].name: _checked(net.nodes[0], np.asarray(samples))}
    for node in net.nodes[1:]:
        inputs = [values[name] for name in node.inputs]
        stored = net.by_name[node.inputs[0]].stored
        values[node.name] = _evaluate(node, inputs, stored)
    return values


def _checked(node: Int8Node, samples: NDArray[Any]) -> Integers:
    shape = node.op.shape if isinstance(node.op, Int8Input) else ()
    if samples.shape[1:] != shape or samples.dtype.kind not in "iu":
        raise InputError(
            f"samples are {samples.dtype} of shape {samples.shape}; give whole numbers "
            f"(samples, {', '.join(map(str, shape))})"
        )
    low, high = node.stored.low, node.stored.high
    if samples.size and not low <= samples.min() <= samples.max() <= high:
        raise InputError(
            f"samples are {samples.min()}..{samples.max()}; give stored numbers, {low}..{high}"
        )
    return samples.astype(np.int64)


def _evaluate(node: Int8Node, inputs: Sequence[Integers], stored: Stored) -> Integers:
    """Compute one node; ``stored`` says how its first input is stored."""
    op, x = node.op, inputs[0]
    match op:
        case Int8Dense():
            weight, factors = exact_factors(op.weight, x - stored.zero_point)
            sums = (factors @ weight.T).astype(np.int64) + op.bias
            return _finished(op.finish, sums)
        case Int8Conv2d():
            sums = _convolved(op, x - stored.zero_point) + per_channel(op.bias, 3)
            return _finished(op.finish, sums)
        case Int8Add():
            return np.asarray(op.combine(*inputs), np.int64)
        case Int8MaxPool():
            return reduce(np.maximum, _windows(op, x, stored.low))
        case Int8AveragePool():
            return _averages(op, x)
        case Int8Function():
            return np.asarray(op.function(x), np.int64)
        case Int8Pad():
            return _padded(x, op.padding, stored.zero_point)
        case Int8Concatenate():
            return np.concatenate(inputs, axis=1)
        case Int8Reshape():
            return x.reshape(len(x), *op.shape)
        case Int8Readout():
            return x
        case Int8Input():
            raise TypeError(f"{node.name} is an input, whose numbers are given")
        case _:
            assert_never(op)


def _finished(finish: PerChannel | None, sums: Integers) -> Integers:
    """Return the stored numbers of sums ``(samples, channels, ...)``, or these."""
    if finish is None:
        return sums
    return np.asarray(np.moveaxis(finish(np.moveaxis(sums, 1, 0)), 0, 1), np.int64)


def _padded(x: Integers, padding: Padding, value: int) -> Integers:
    return np.pad(x, ((0, 0), (0, 0), *sides_of(padding)), constant_values=value)


def _convolved(op: Int8Conv2d, x: Integers) -> Integers:
    """Sum, over the places of the kernel, the weighted input as seen from there."""
    n = len(x)
    padded = _padded(x, op.padding, 0)
    outputs, per_group, *kernel = op.weight.shape
    height, width = (
        (size - gap * (places - 1) - 1) // step + 1
        for size, gap, places, step in zip(
            padded.shape[2:], op.dilation, kernel, op.stride, strict=True
        )
    )
    weight, padded = exact_factors(op.weight, padded)
    padded = padded.reshape(n, op.groups, per_group, *padded.shape[2:])
    weight = weight.reshape(op.groups, outputs // op.groups, *op.weight.shape[1:])
    sums = np.zeros((n, op.groups, outputs // op.groups, height * width), weight.dtype)
    for y, x_ in np.ndindex(*kernel):
        top, left = y * op.dilation[0], x_ * op.dilation[1]
        seen = padded[..., top :: op.stride[0], left :: op.stride[1]][..., :height, :width]
        part = np.ascontiguousarray(weight[..., y, x_])
        sums += part @ seen.reshape(n, op.groups, per_group, height * width)
    return sums.reshape(n, outputs, height, width).astype(np.int64)


def _windows(op: Int8MaxPool | Int8AveragePool, x: Integers, outside: int) -> list[Integers]:
    """Return, for each place of a window, the number there of all windows."""
    padded = _padded(x, op.padding, outside)
    height, width = (
        (size - kernel) // step + 1
        for size, kernel, step in zip(padded.shape[2:], op.kernel, op.stride, strict=True)
    )
    return [
        padded[..., y :: op.stride[0], x_ :: op.stride[1]][..., :height, :width]
        for y, x_ in np.ndindex(*op.kernel)
    ]


def _averages(op: Int8AveragePool, x: Integers) -> Integers:
    sums = reduce(np.add, _windows(op, x, 0))
    counts = reduce(np.add, _windows(op, np.ones_like(x[:1, :1]), 0))[0, 0]
    means = np.empty_like(sums)
    for count in np.unique(counts).tolist():
        means[..., counts == count] = op.finish(sums[..., counts == count], count)
    return means
