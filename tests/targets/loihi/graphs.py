"""Short ways to write the graphs of these tests, and to run them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgespike.graph import (
    Add,
    Conv2d,
    Delay,
    Dense,
    Graph,
    Input,
    Membrane,
    Node,
    Operation,
    Readout,
    ReadoutMode,
    Reshape,
    Signal,
    Threshold,
)
from edgespike.graph.tensor import Integers, Tensor
from edgespike.interpreter import interpret
from edgespike.targets.loihi import TARGET
from edgespike.trace import Trace
from tests.available import run_on

rng = np.random.default_rng


def dense(outputs: int, inputs: int, seed: int = 1, high: int = 5) -> Dense:
    random = rng(seed)
    weight = random.integers(-high, high + 1, (outputs, inputs))
    return Dense(weight, random.integers(-high, high + 1, outputs))


def conv(outputs: int, inputs: int, kernel: int = 3, seed: int = 1, **geometry: Any) -> Conv2d:
    random = rng(seed)
    weight = random.integers(-5, 6, (outputs, inputs, kernel, kernel))
    return Conv2d(weight, random.integers(-5, 6, outputs), **geometry)


def threshold(theta: Sequence[int], flipped: Sequence[int] = ()) -> Threshold:
    mask = np.isin(np.arange(len(theta)), flipped)
    return Threshold(np.array(theta)[:, None], mask)


def levels(
    channels: int, number: int, flipped: Sequence[int] = (), low: int = -20, high: int = 20
) -> Threshold:
    """Spread a number of thresholds over a range, for each channel a little differently."""
    theta = np.linspace(low, high, number, dtype=int) + np.arange(channels)[:, None]
    return Threshold(theta, np.isin(np.arange(channels), flipped))


def chain(source: Input, *ops: Operation, steps: int = 1, classes: int = 3) -> Graph:
    """Connect operations in a row; a flattening, dense layer and readout are put at the end."""
    nodes = [Node("input", source)]
    for index, op in enumerate(ops):
        nodes.append(Node(f"{op.kind}{index}", op, (nodes[-1].name,)))
    return ended(nodes, steps, classes)


def ended(
    nodes: Sequence[Node], steps: int = 1, classes: int = 3, mode: ReadoutMode = ReadoutMode.SUM
) -> Graph:
    """Put a flattening, a dense layer and a readout behind the last of some nodes."""
    last = nodes[-1].name
    size = _size(nodes, steps)
    end = (
        Node("flat", Reshape((size,)), (last,)),
        Node("last", dense(classes, size, seed=99), ("flat",)),
        Node("readout", Readout(np.ones(classes), mode), ("last",)),
    )
    return Graph("test", (*nodes, *end), steps)


def _size(nodes: Sequence[Node], steps: int) -> int:
    tensors: dict[str, Tensor] = {}
    for node in nodes:
        sources = () if isinstance(node.op, Delay) else node.inputs
        tensors[node.name] = node.op.infer([tensors[name] for name in sources], steps)
    return tensors[nodes[-1].name].size


def delayed(op: Threshold | Membrane, initial: int = 0) -> Delay:
    """Delay what neurons in a row give."""
    high = op.levels if isinstance(op, Threshold) else op.max_spikes
    signal = Signal.GRADED if isinstance(op, Threshold) and high > 1 else Signal.SPIKES
    return Delay((len(op.theta),), 0, high, signal, initial)


def loop(
    name: str, source: str, inputs: int, op: Threshold | Membrane, initial: int = 0
) -> list[Node]:
    """Return a layer of neurons that also take what they gave the step before."""
    size = len(op.theta)
    return [
        Node(f"{name}.before", delayed(op, initial), (name,)),
        Node(f"{name}.forward", dense(size, inputs, seed=len(name)), (source,)),
        Node(f"{name}.back", dense(size, size, seed=50 + len(name)), (f"{name}.before",)),
        Node(f"{name}.sum", Add(), (f"{name}.forward", f"{name}.back")),
        Node(name, op, (f"{name}.sum",)),
    ]


def samples(graph: Graph, count: int = 4, seed: int = 0) -> Integers:
    """Draw samples over the whole input range, a value of its own at each step."""
    op = graph.input.op
    assert isinstance(op, Input)
    drawn = rng(seed).integers(op.low, op.high + 1, (count, graph.steps, *op.shape))
    drawn[rng(seed + 1).random(drawn.shape) < 0.3] = max(0, op.low)
    return drawn


def run(graph: Graph, x: Any) -> Trace:
    """Run on Lava, and compare everything with the definition."""
    assert TARGET.violations(graph) == []
    expected, found = interpret(graph, x), run_on("loihi", graph, x)
    assert found.values.keys() == expected.values.keys()
    for name, values in expected.values.items():
        np.testing.assert_array_equal(found.values[name], values, err_msg=name)
    return found
