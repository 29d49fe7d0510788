"""A net of 784-256-10 leaky neurons with random 8-bit weights, most of which fire at any input."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import Dense, Graph, Input, Membrane, Node, Readout
from edgespike.graph.ops.membrane import DECAY_ONE

INPUTS, HIDDEN, CLASSES = 784, 256, 10
MEAN = 2.65
"""Mean of the first layer's weights, with which 73 % of the neurons fire at 10 % input spikes."""

SPREAD = 40
"""Standard deviation of the weights."""


def mlp(steps: int) -> Graph:
    """Build the net; the neurons forget half of their potential at each step."""
    rng = np.random.default_rng(0)
    first = np.rint(rng.normal(MEAN, SPREAD, (HIDDEN, INPUTS))).clip(-127, 127)
    second = np.rint(rng.normal(0, SPREAD, (CLASSES, HIDDEN))).clip(-127, 127)
    nodes = (
        Node("input", Input((INPUTS,), 0, 1, 1.0)),
        Node("hidden", _dense(first), ("input",)),
        Node("fire", Membrane(np.full(HIDDEN, 64), DECAY_ONE // 2), ("hidden",)),
        Node("classes", _dense(second), ("fire",)),
        Node("out", Readout(np.ones(CLASSES)), ("classes",)),
    )
    return Graph("mlp", nodes, steps)


def _dense(weight: NDArray[np.float64]) -> Dense:
    return Dense(weight.astype(np.int64), np.zeros(len(weight), np.int64))
