"""Small graphs with fixed weights that many tests run."""

from __future__ import annotations

import numpy as np

from edgespike.graph import (
    Add,
    Conv2d,
    Delay,
    Dense,
    Graph,
    Input,
    MaxPool2d,
    Membrane,
    Node,
    Readout,
    ReadoutMode,
    Reshape,
    Signal,
    Threshold,
)
from edgespike.graph.tensor import Integers


def weights(seed: int, *shape: int) -> Integers:
    return np.random.default_rng(seed).integers(-3, 4, shape)


def residual_graph() -> Graph:
    """Return a single-step spiking graph with a residual addition: 1x6x6 input, 3 classes."""
    spike = np.array([[2]] * 4)
    upright = np.zeros(4, bool)
    return Graph(
        "residual",
        (
            Node("image", Input((1, 6, 6), 0, 15, 1 / 15)),
            Node(
                "conv1", Conv2d(weights(1, 4, 1, 3, 3), weights(2, 4), padding=(1, 1)), ("image",)
            ),
            Node("spike1", Threshold(spike, upright), ("conv1",)),
            Node("pool", MaxPool2d((2, 2), (2, 2)), ("spike1",)),
            Node("conv2", Conv2d(weights(3, 4, 4, 3, 3), weights(4, 4), padding=(1, 1)), ("pool",)),
            Node("spike2", Threshold(spike, ~upright), ("conv2",)),
            Node("sum", Add(), ("pool", "spike2")),
            Node("flat", Reshape((36,)), ("sum",)),
            Node("dense", Dense(weights(5, 3, 36), weights(6, 3)), ("flat",)),
            Node("out", Readout(np.full(3, 0.25)), ("dense",)),
        ),
    )


def membrane_graph(steps: int = 4) -> Graph:
    """Return a graph of two layers of leaky integrate-and-fire neurons: 5 inputs, 2 classes."""
    return Graph(
        "membranes",
        (
            Node("events", Input((5,), 0, 1, 1.0)),
            Node("dense1", Dense(weights(7, 8, 5), weights(8, 8)), ("events",)),
            Node("lif1", Membrane(np.full(8, 3), decay=512), ("dense1",)),
            Node("dense2", Dense(weights(9, 6, 8), weights(10, 6)), ("lif1",)),
            Node("lif2", Membrane(np.full(6, 2)), ("dense2",)),
            Node("dense3", Dense(weights(11, 2, 6), weights(12, 2)), ("lif2",)),
            Node("out", Readout(np.ones(2)), ("dense3",)),
        ),
        steps,
    )


def samples_for(graph: Graph, count: int, seed: int = 0) -> Integers:
    """Draw samples within a graph's input range, with different values at each step."""
    op = graph.input.op
    assert isinstance(op, Input)
    rng = np.random.default_rng(seed)
    return rng.integers(op.low, op.high + 1, (count, graph.steps, *op.shape))


def recurrent_graph(steps: int = 4) -> Graph:
    """Return a recurrent graph of levels, initially in the middle: 5 inputs, 6 units, 2 classes."""
    return Graph(
        "recurrent",
        (
            Node("rows", Input((5,), 0, 15, 1 / 15)),
            Node("before", Delay((6,), 0, 4, Signal.GRADED, initial=2), ("state",)),
            Node("input", Dense(weights(13, 6, 5), weights(14, 6)), ("rows",)),
            Node("recurrent", Dense(weights(15, 6, 6), weights(16, 6)), ("before",)),
            Node("sum", Add(), ("input", "recurrent")),
            Node("state", Threshold(np.array([[-9, -3, 2, 20]] * 6), np.eye(6)[1] > 0), ("sum",)),
            Node("dense", Dense(weights(17, 2, 6), weights(18, 2)), ("state",)),
            Node("out", Readout(np.full(2, 0.5), ReadoutMode.LAST), ("dense",)),
        ),
        steps,
    )
