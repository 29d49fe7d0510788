"""Small graphs for each kind of kernel with samples whose accumulators are close to thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import (
    Concatenate,
    Conv2d,
    Dense,
    Emits,
    Graph,
    Input,
    MaxPool2d,
    Membrane,
    Node,
    Operation,
    Readout,
    ReadoutMode,
    Reset,
    Reshape,
    Threshold,
)
from edgespike.graph.tensor import Integers
from edgespike.interpreter import evaluate, interpret


@dataclass(frozen=True)
class Check:
    """A graph, samples for it, and the exact values of its observed nodes."""

    graph: Graph
    samples: Integers
    expected: Mapping[str, NDArray[Any]]


def one_sum() -> Graph:
    """Make the smallest graph that every kernel computes."""
    ones = np.ones((1, 1), np.int64)
    nodes = (
        Node("input", Input((1,), 0, 1, 1.0)),
        Node("dense", Dense(ones, ones[0]), ("input",)),
        Node("readout", Readout(np.ones(1)), ("dense",)),
    )
    return Graph("one-sum", nodes)


def spikes_and_levels() -> Check:
    """Make a graph for the int8 and int16 kernels."""
    chain = _Chain((3, 6, 6), 255, 16)
    chain.add(Conv2d(chain.weights(8, 3, 3, 3), chain.weights(8), padding=(1, 1))).levels(1)
    chain.add(MaxPool2d((2, 2), (2, 2)))
    chain.add(Conv2d(chain.weights(8, 1, 2, 2), chain.weights(8), groups=8)).levels(3)
    chain.add(Reshape((32,))).add(Dense(chain.weights(24, 32), chain.weights(24))).levels(7)
    chain.add(Dense(chain.weights(16, 24), chain.weights(16))).levels(1)
    chain.add(Dense(chain.weights(5, 16), chain.weights(5))).add(Readout(np.full(5, 0.01)))
    return chain.check("spikes-and-levels", steps=1)


def membranes() -> Check:
    """Make a graph for the float32 kernels."""
    chain = _Chain((9,), 7, 16)
    chain.add(Dense(chain.weights(32, 9), chain.weights(32)))
    theta = np.maximum(np.median(chain.values, axis=0).astype(np.int64), 1)
    chain.add(Membrane(theta, decay=410, max_spikes=3))
    chain.add(Dense(chain.weights(5, 32), chain.weights(5))).add(Readout(np.full(5, 0.01)))
    return chain.check("membranes", steps=2)


def signed_levels() -> Check:
    """Make a graph for the int8 kernels that only signed levels, and values side by side, need."""
    chain = _Chain((7,), 4, 32)
    names = []
    for levels, offset, unit in ((3, -2, 1), (1, -1, 2), (15, -8, 1)):
        chain.add(Dense(chain.weights(12, 7), chain.weights(12)), "input")
        names.append(chain.levels(levels, offset, unit).last)
    chain.add(Concatenate(), "input", *names)
    chain.add(Dense(chain.weights(16, 43), chain.weights(16))).levels(3)
    chain.add(Dense(chain.weights(5, 16), chain.weights(5))).add(Readout(np.full(5, 0.01)))
    return chain.check("signed-levels", steps=1)


def currents() -> Check:
    """Make a graph for the float32 kernels that only currents and long decays need."""
    chain = _Chain((9,), 7, 16)
    chain.add(Dense(chain.weights(32, 9), chain.weights(32)))
    decay = np.arange(32) * 33_333
    op = Membrane(np.full(32, 5), decay, decay_bits=20, decay_syn=99_999, bias=-7, floor=-300)
    chain.add(op).add(Dense(chain.weights(5, 32), chain.weights(5)))
    sums = Membrane(np.ones(5, np.int64), 300, Reset.NONE, emits=Emits.POTENTIAL)
    chain.add(sums).add(Readout(np.full(5, 0.01), ReadoutMode.MAX))
    return chain.check("currents", steps=3)


class _Chain:
    """A graph whose thresholds are set on accumulators that occur in its samples."""

    def __init__(self, shape: tuple[int, ...], high: int, count: int) -> None:
        self.rng = np.random.default_rng(0)
        # Few different values: many sums are equal, and thresholds are hit.
        self.samples = self.rng.choice([0, 1, high], (count, *shape))
        self.nodes = [Node("input", Input(shape, 0, high, 1 / high))]
        self.known = {"input": self.samples}

    @property
    def last(self) -> str:
        """The last node's name."""
        return self.nodes[-1].name

    @property
    def values(self) -> Integers:
        """The last node's values."""
        return self.known[self.last]

    def add(self, op: Operation, *sources: str) -> _Chain:
        sources = sources or (self.last,)
        inputs = [self.known[source] for source in sources]
        self.nodes.append(Node(f"{op.kind}{len(self.nodes)}", op, sources))
        self.known[self.last], _ = evaluate(op, inputs)
        return self

    def weights(self, *shape: int) -> Integers:
        return self.rng.integers(-3, 4, shape)

    def levels(self, count: int, offset: int = 0, unit: int = 1) -> _Chain:
        """Add even thresholds, the middle one on the median accumulator of each channel."""
        accumulators = np.moveaxis(self.values, 1, 0).reshape(self.values.shape[1], -1)
        middle = np.median(accumulators, axis=1).astype(np.int64)[:, None]
        step = np.maximum(accumulators.std(axis=1).astype(np.int64), 1)[:, None]
        theta = middle + step * (np.arange(count) - count // 2)
        return self.add(Threshold(theta, np.arange(len(theta)) % 3 == 1, offset, unit))

    def check(self, name: str, steps: int) -> Check:
        graph = Graph(name, tuple(self.nodes), steps)
        return Check(graph, self.samples, interpret(graph, self.samples).values)
