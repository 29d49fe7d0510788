"""Potentials that saturate, or would without a reset, on every target."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest

from edgespike.graph import (
    Comparison,
    Conv2d,
    Dense,
    Graph,
    Input,
    Membrane,
    Node,
    Operation,
    Readout,
    ReadoutMode,
    Reset,
    ResetTime,
    Reshape,
)
from edgespike.graph.ops.membrane import SATURATION
from edgespike.interpreter import evaluate, interpret
from edgespike.targets import get_target, prepare
from edgespike.trace import observed_names
from tests.available import available

RUNTIMES = [
    "cpu",
    "tflite",
    "tflite-reference",
    "onnx",
    pytest.param("tflite-runtime", marks=pytest.mark.tflite_runtime),
    pytest.param("loihi", marks=pytest.mark.loihi),
]


def chain(source: Input, *ops: Operation, last: Dense, steps: int) -> Graph:
    nodes = [Node("input", source)]
    for op in (*ops, last):
        nodes.append(Node(f"{op.kind}{len(nodes)}", op, (nodes[-1].name,)))
    readout = Readout(np.ones(len(last.bias)), ReadoutMode.LAST)
    return Graph("saturation", (*nodes, Node("readout", readout, (nodes[-1].name,))), steps)


def spikes(shape: Sequence[int], seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 2, shape).astype(np.uint8)


def assert_equal(name: str, graph: Graph, samples: Any) -> None:
    available(name)
    assert get_target(name).violations(graph) == []
    expected, found = interpret(graph, samples), prepare(graph, name).trace(samples)
    for node in observed_names(graph):
        np.testing.assert_array_equal(found.values[node], expected.values[node], err_msg=node)


def potentials(graph: Graph, samples: Any) -> Any:
    """Return the first membrane's potentials after each step, by the definition."""
    node, op = next(graph.of_type(Membrane))
    inputs = interpret(graph, samples, keep=[node.inputs[0]]).values[node.inputs[0]]
    state, found = None, []
    for t in range(graph.steps):
        _, state = evaluate(op, [inputs[:, t]], state)
        found.append(state[0])
    return np.stack(found)


def leak_free(steps: int) -> Graph:
    """Convolutions of 8 bits with resets by subtraction, like those that other simulators train."""
    random = np.random.default_rng(3)
    first, second = (random.integers(-127, 128, (2, inputs, 3, 3)) for inputs in (1, 2))
    last = random.integers(-127, 128, (3, 8))
    return chain(
        Input((1, 4, 4), 0, 1, 1.0),
        Conv2d(first, np.array([40, 90]), padding=(1, 1)),
        Membrane(np.array([127, 100])),
        Conv2d(second, np.array([-50, 60])),
        Membrane(np.array([90, 127])),
        Reshape((8,)),
        last=Dense(last, np.array([1, 2, 3])),
        steps=steps,
    )


@pytest.mark.parametrize("name", RUNTIMES)
@pytest.mark.parametrize("steps", [20, 100, 300])
def test_a_leak_free_net_of_any_number_of_steps(name: str, steps: int) -> None:
    """Without its resets, a potential of the first layer alone could reach 300 * 9 * 127."""
    graph = leak_free(steps)
    if steps > 256 and name.startswith("tflite"):
        assert get_target(name).violations(graph) == [
            "steps is 300; the limit is 256, since every step is written into the file: use fewer "
            "steps or the cpu target"
        ]
        return
    assert_equal(name, graph, spikes((2, steps, 1, 4, 4)))


@pytest.mark.parametrize("name", RUNTIMES)
def test_potentials_of_24_bits(name: str) -> None:
    """Weights as large as accumulators of 18 bits allow, upwards and then downwards."""
    weight = np.array([[127] * 500, [-127] * 500, [100, -127] * 250])
    op = Membrane(np.array([1, 1, 20_000]), comparison=Comparison.GREATER)
    graph = chain(
        Input((500,), 0, 1, 1.0),
        Dense(weight, np.array([0, 9, 5])),
        op,
        last=Dense(np.array([[1, 2, 4]]), np.array([0])),
        steps=9,
    )
    samples = np.ones((2, 9, 500), np.uint8)
    samples[1, 4:, ::2] = 0
    samples[1, 7:] = 0
    seen = potentials(graph, samples)
    assert seen.min() == -SATURATION
    assert seen.max() == SATURATION - 64  # one spike took 1 away
    assert_equal(name, graph, samples)


USUAL = (ResetTime.SAME_STEP, ResetTime.NEXT_STEP)
RAISED = (ResetTime.SAME_STEP_RAISED,)  # needs a reset by subtraction, and one spike at most
CASES = [
    *product(Reset, USUAL, (640, 641, 1000), (0,), (Comparison.GREATER_EQUAL,), (1,)),
    *product(Reset, USUAL, (641,), (0, 200), (Comparison.GREATER,), (2,)),
    *product((Reset.SUBTRACT,), RAISED, (640, 641, 1000), (0,), (Comparison.GREATER_EQUAL,), (1,)),
    *product((Reset.SUBTRACT,), RAISED, (641,), (0, 200), (Comparison.GREATER,), (1,)),
]


@pytest.mark.parametrize("name", RUNTIMES)
@pytest.mark.parametrize(
    ("reset", "reset_time", "saturation", "decay", "comparison", "max_spikes"), CASES
)
def test_potentials_that_saturate_often(
    name: str,
    reset: Reset,
    reset_time: ResetTime,
    saturation: int,
    decay: int,
    comparison: Comparison,
    max_spikes: int,
) -> None:
    theta = np.array([1, 3, 5, 4])
    op = Membrane(theta, decay, reset, reset_time, comparison, max_spikes, saturation)
    random = np.random.default_rng(5)
    first, second = random.integers(-9, 10, (4, 6)), random.integers(-9, 10, (2, 4))
    graph = chain(
        Input((6,), 0, 1, 1.0),
        Dense(first, np.array([2, -1, 0, 3])),
        op,
        last=Dense(second, np.zeros(2, int)),
        steps=12,
    )
    samples = spikes((8, 12, 6))
    seen = potentials(graph, samples)
    assert seen.min() == -saturation
    assert_equal(name, graph, samples)
