"""Connections as lists of edges, one for each synapse, made without loops over neurons.

Elements of a tensor are numbered in row-major order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from edgespike.graph import Conv2d, Dense, MaxPool2d, SumPool2d
from edgespike.graph.tensor import Integers
from edgespike.targets.loihi.rules import Synaptic

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Edges:
    """Edges from input elements to output elements; two may join the same two elements.

    Parameters
    ----------
    inputs, outputs
        Element at either end, one entry for each edge.
    weights
        Integer weight of each edge, never 0.
    """

    inputs: Indices
    outputs: Indices
    weights: Integers

    def __len__(self) -> int:
        return len(self.inputs)

    def at(self, places: Indices) -> Edges:
        """Return the edges at some places of the list."""
        return Edges(self.inputs[places], self.outputs[places], self.weights[places])

    def moved(self, start: int) -> Edges:
        """Return the edges with the outputs moved to ``start`` and after it."""
        return Edges(self.inputs, self.outputs + start, self.weights)

    def then(self, following: Edges) -> Edges:
        """Join with edges that start where these end: one edge for each pair that meets."""
        order = np.argsort(following.inputs, kind="stable")
        starts = np.searchsorted(following.inputs[order], self.outputs, side="left")
        ends = np.searchsorted(following.inputs[order], self.outputs, side="right")
        counts = ends - starts
        mine = np.repeat(np.arange(len(self)), counts)
        places = np.arange(len(mine)) - np.repeat(np.cumsum(counts) - counts - starts, counts)
        theirs = order[places]
        return Edges(
            self.inputs[mine],
            following.outputs[theirs],
            self.weights[mine] * following.weights[theirs],
        )


def identity(size: int) -> Edges:
    """Return one edge of weight 1 from each element to itself."""
    elements = np.arange(size)
    return Edges(elements, elements, np.ones(size, np.int64))


def concatenate(parts: list[Edges]) -> Edges:
    """Return the edges of several lists in one."""
    if len(parts) == 1:
        return parts[0]
    return Edges(
        np.concatenate([part.inputs for part in parts]),
        np.concatenate([part.outputs for part in parts]),
        np.concatenate([part.weights for part in parts]),
    )


def edges_of(op: Synaptic, shape: tuple[int, ...]) -> Edges:
    """Return the edges of an operation for an input of ``shape``; weights of 0 make none."""
    match op:
        case Dense():
            return _dense(op)
        case Conv2d():
            return _conv2d(op, shape)
        case SumPool2d() | MaxPool2d():
            return _pool2d(op, shape)
        case _:
            assert_never(op)


def _dense(op: Dense) -> Edges:
    outputs, inputs = np.nonzero(op.weight)
    return Edges(inputs, outputs, op.weight[outputs, inputs])


def _conv2d(op: Conv2d, shape: tuple[int, ...]) -> Edges:
    outputs_per_group = len(op.weight) // op.groups
    size = op.output_size(shape)
    parts = []
    for tap in np.ndindex(*op.weight.shape[2:]):
        outputs, inputs = np.nonzero(op.weight[(..., *tap)])
        weights = op.weight[(outputs, inputs, *tap)]
        inputs = inputs + outputs // outputs_per_group * op.weight.shape[1]
        axes = zip(tap, op.dilation, op.sides, strict=True)
        offsets = [k * d - before for k, d, (before, _) in axes]
        parts.append(_tap(inputs, outputs, weights, shape, size, op.stride, offsets))
    return concatenate(parts)


def _pool2d(op: SumPool2d | MaxPool2d, shape: tuple[int, ...]) -> Edges:
    channels, ones = np.arange(shape[0]), np.ones(shape[0], np.int64)
    size = op.output_size(shape)
    parts = []
    for tap in np.ndindex(*op.kernel):
        offsets = [k - before for k, (before, _) in zip(tap, op.sides, strict=True)]
        parts.append(_tap(channels, channels, ones, shape, size, op.stride, offsets))
    return concatenate(parts)


def _tap(
    inputs: Indices,
    outputs: Indices,
    weights: Integers,
    shape: tuple[int, ...],
    size: tuple[int, int],
    stride: tuple[int, int],
    offsets: list[int],
) -> Edges:
    """Return the edges of one place in a window, for pairs of channels, at all windows."""
    (out_y, in_y), (out_x, in_x) = (
        _places(count, limit, step, offset)
        for count, limit, step, offset in zip(size, shape[1:], stride, offsets, strict=True)
    )
    sources = (inputs[:, None, None] * shape[1] + in_y[:, None]) * shape[2] + in_x
    targets = (outputs[:, None, None] * size[0] + out_y[:, None]) * size[1] + out_x
    each = len(in_y) * len(in_x)
    return Edges(sources.ravel(), targets.ravel(), np.repeat(weights, each))


def _places(count: int, limit: int, step: int, offset: int) -> tuple[Indices, Indices]:
    """Return, along one axis, the windows whose place is not in the padding, and these places."""
    windows = np.arange(count)
    places = windows * step + offset
    inside = (places >= 0) & (places < limit)
    return windows[inside], places[inside]
