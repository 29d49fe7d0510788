"""Recurrent graphs on the numpy engine: what runs together, in which order, and exactly."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edgespike.graph import (
    Add,
    Delay,
    Dense,
    Graph,
    Input,
    Membrane,
    Node,
    Readout,
    ReadoutMode,
    Signal,
    Threshold,
)
from edgespike.targets.cpu.components import components
from edgespike.targets.cpu.numpy_engine import NumpyEngine
from tests.example_graphs import membrane_graph, recurrent_graph, samples_for, weights
from tests.targets.cpu.graphs import assert_exact

OUT = Readout(np.ones(3), ReadoutMode.LAST)


def dense(seed: int, outputs: int, inputs: int) -> Dense:
    return Dense(weights(seed, outputs, inputs), weights(seed + 1, outputs))


def levels(seed: int, channels: int) -> Threshold:
    return Threshold(np.sort(weights(seed, channels, 4) * 3, axis=1), np.eye(channels)[1] > 0)


def stacked_graph(steps: int = 5) -> Graph:
    """Two recurrent layers of levels, the upper one with membranes in its loop."""
    return Graph(
        "stacked",
        (
            Node("input", Input((4,), -3, 3, 1.0)),
            Node("delay1", Delay((6,), 0, 4, Signal.GRADED, initial=2), ("state1",)),
            Node("in1", dense(1, 6, 4), ("input",)),
            Node("back1", dense(3, 6, 6), ("delay1",)),
            Node("sum1", Add(), ("in1", "back1")),
            Node("state1", levels(5, 6), ("sum1",)),
            Node("in2", dense(7, 5, 6), ("state1",)),
            Node("delay2", Delay((5,), 0, 3, Signal.SPIKES, initial=1), ("membrane2",)),
            Node("back2", dense(9, 5, 5), ("delay2",)),
            Node("sum2", Add(), ("in2", "back2")),
            Node("membrane2", Membrane(np.full(5, 6), decay=700, max_spikes=3), ("sum2",)),
            Node("dense", dense(11, 3, 5), ("membrane2",)),
            Node("out", OUT, ("dense",)),
        ),
        steps,
    )


def delayed_graph(steps: int = 5) -> Graph:
    """Delays on no cycle, of the input and, standing before its source, of a layer."""
    return Graph(
        "delayed",
        (
            Node("input", Input((4,), 0, 9, 1.0)),
            Node("late", Delay((6,), 0, 4, Signal.GRADED, initial=3), ("state",)),
            Node("late-input", Delay((4,), -1, 9, Signal.GRADED, initial=-1), ("input",)),
            Node("now", dense(1, 6, 4), ("input",)),
            Node("before", dense(3, 6, 4), ("late-input",)),
            Node("sum", Add(), ("now", "before")),
            Node("state", levels(5, 6), ("sum",)),
            Node("both", Add(), ("state", "late")),
            Node("dense", dense(7, 3, 6), ("both",)),
            Node("out", OUT, ("dense",)),
        ),
        steps,
    )


def clock_graph(steps: int = 5) -> Graph:
    """A loop that nothing enters: a spike that comes every other step; its delay is read too."""
    return Graph(
        "clock",
        (
            Node("input", Input((3,), 0, 1, 1.0)),
            Node("late", Delay((3,), 0, 1, Signal.SPIKES), ("clock",)),
            Node("not", Dense(-np.eye(3, dtype=np.int64), np.ones(3, np.int64)), ("late",)),
            Node("clock", Threshold(np.ones((3, 1), np.int64), np.zeros(3, bool)), ("not",)),
            Node("all", Add(), ("input", "clock", "late")),
            Node("dense", dense(1, 3, 3), ("all",)),
            Node("out", OUT, ("dense",)),
        ),
        steps,
    )


GRAPHS = (recurrent_graph, stacked_graph, delayed_graph, clock_graph)


def test_only_what_is_on_a_cycle_runs_step_by_step() -> None:
    order = [[node.name for node in component] for component in components(stacked_graph())]
    assert order == [
        ["in1"],
        ["delay1", "back1", "sum1", "state1"],
        ["in2"],
        ["delay2", "back2", "sum2", "membrane2"],
        ["dense"],
        ["out"],
    ]


def test_a_delay_on_no_cycle_runs_behind_its_source() -> None:
    order = [node.name for (node,) in components(delayed_graph())]
    assert sorted(order) == sorted(node.name for node in delayed_graph().nodes[1:])
    assert order.index("state") < order.index("late") < order.index("both")


def test_without_delays_every_node_is_alone() -> None:
    graph = membrane_graph()
    assert components(graph) == [[node] for node in graph.nodes[1:]]


@pytest.mark.parametrize("make", GRAPHS)
@pytest.mark.parametrize("block_bytes", [1, 1000, 3000, 10**9])
@pytest.mark.parametrize("samples", [1, 7])
@pytest.mark.parametrize("constant", [False, True], ids=["changing", "constant"])
def test_blocks_cut_samples_and_steps_anywhere(
    make: Callable[..., Graph], block_bytes: int, samples: int, constant: bool
) -> None:
    graph = make(steps=9)
    batch = samples_for(graph, samples)
    batch = batch[:, 0] if constant else batch
    assert_exact(graph, batch, NumpyEngine(graph, block_bytes))


@pytest.mark.parametrize("make", GRAPHS)
def test_one_step(make: Callable[..., Graph]) -> None:
    graph = make(steps=1)
    assert_exact(graph, samples_for(graph, 5))


def test_every_batch_starts_again() -> None:
    graph = recurrent_graph()
    samples = samples_for(graph, 1100)
    samples[600:] = samples[:500]
    assert_exact(graph, samples)
