"""Bounds on the events and sums of a folded net, before its graph exists."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np

from edgespike.floats.net import (
    FloatAdd,
    FloatConcatenate,
    FloatConv2d,
    FloatDense,
    FloatNeurons,
    FloatPool2d,
    FloatReshape,
    Pooling,
    Reals,
)
from edgespike.graph import Signal, Tensor
from edgespike.graph.tensor import BEYOND, Integers
from edgespike.quantise.spikes.folded import Folded

Weights = Mapping[str, tuple[Integers, Integers]]
"""Whole weights and biases of weighted layers, by name."""


class Bounds:
    """Bounds on the events of a folded net; ``known`` are those of its input and neurons."""

    def __init__(self, folded: Folded, low: int, high: int) -> None:
        self.folded = folded
        self.known = {folded.net.nodes[0].name: (low, high)}

    def events(self, name: str) -> tuple[int, int]:
        """Return the smallest and largest event of a node.

        Neurons that are not known yet may emit as many spikes as they ever can.
        """
        if name in self.known:
            return self.known[name]
        node = self.folded.by_name[name]
        if isinstance(node.op, FloatNeurons):
            return 0, node.op.max_spikes
        ends = [self.events(source) for source in node.inputs]
        match node.op:
            case FloatPool2d(Pooling.SUM, kernel):
                area = prod(kernel)
                return min(0, ends[0][0]) * area, max(0, ends[0][1]) * area
            case FloatAdd():
                return sum(low for low, _ in ends), sum(high for _, high in ends)
            case FloatPool2d() | FloatReshape() | FloatConcatenate():
                return min(low for low, _ in ends), max(high for _, high in ends)
            case _:  # a delay, which begins with 0
                return min(0, ends[0][0]), max(0, ends[0][1])

    def sums(self, name: str, weights: Weights) -> Tensor:
        """Bound the whole sums of a node, for each channel."""
        return self._tensor(name, *self._sums(name, weights))

    def at_rest(self, name: str, weights: Weights) -> Integers:
        """Return the sums of a node where no event arrives, for each channel."""
        none = Bounds(self.folded, 0, 0)
        none.known = {node.name: (0, 0) for node in self.folded.net.of_type(FloatNeurons)}
        none.known[self.folded.net.nodes[0].name] = (0, 0)
        return none.sums(name, weights).high

    def _tensor(self, name: str, low: Reals, high: Reals) -> Tensor:
        # Where float64 rounds, bounds are far beyond what a graph may hold.
        least, most = (
            np.clip(end, -float(BEYOND), float(BEYOND)).astype(np.int64) for end in (low, high)
        )
        return Tensor(self.folded.shapes[name], least, most, Signal.ACCUMULATOR)

    def _sums(self, name: str, weights: Weights) -> tuple[Reals, Reals]:
        node = self.folded.by_name[name]
        if isinstance(node.op, FloatDense | FloatConv2d):
            low, high = self.events(node.inputs[0])
            low, high = min(low, 0), max(high, 0)
            weight, bias = weights[name]
            rows = weight.reshape(len(weight), -1).astype(np.float64)
            more, less = np.maximum(rows, 0).sum(axis=1), np.minimum(rows, 0).sum(axis=1)
            return more * low + less * high + bias, more * high + less * low + bias
        ends = [self._sums(source, weights) for source in node.inputs]
        lows, highs = [low for low, _ in ends], [high for _, high in ends]
        match node.op:
            case FloatPool2d(Pooling.MAX):
                return lows[0], highs[0]
            case FloatPool2d(_, kernel):
                area = prod(kernel)
                return np.minimum(lows[0], 0) * area, np.maximum(highs[0], 0) * area
            case FloatConcatenate():
                return np.concatenate(lows), np.concatenate(highs)
            case FloatReshape(shape):
                each = prod(self.folded.shapes[node.inputs[0]][1:])
                spread = [np.repeat(x, each).reshape(shape[0], -1) for x in (lows[0], highs[0])]
                return spread[0].min(axis=1), spread[1].max(axis=1)
            case _:
                return np.sum(lows, axis=0), np.sum(highs, axis=0)
