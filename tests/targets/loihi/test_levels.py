"""Levels on Lava's simulator: graded spikes, counted as such, and unary spikes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgespike.counting import count
from edgespike.graph import (
    Add,
    Conv2d,
    Dense,
    Graph,
    Input,
    MaxPool2d,
    Membrane,
    Node,
    Operation,
    SumPool2d,
    Threshold,
)
from edgespike.graph.inputs import as_samples
from edgespike.interpreter import interpret
from edgespike.passes.unary import unary
from edgespike.targets.loihi.lower import lower
from tests.available import run_on
from tests.targets.loihi.graphs import chain, conv, dense, ended, levels, run, samples
from tests.unary import assert_decodes

pytestmark = [pytest.mark.loihi, pytest.mark.usefixtures("lava")]

IMAGE = Input((2, 6, 5), 0, 255, 1 / 255)
ROW = Input((12,), 0, 255, 1 / 255)
EVENTS = Input((12,), 0, 1, 1.0)


@pytest.mark.slow
@pytest.mark.parametrize("states", [*range(2, 17), 256])
def test_every_number_of_states(states: int) -> None:
    """A layer with upright and flipped neurons, then one of upright neurons only."""
    number = states - 1
    graph = chain(EVENTS, dense(5, 12), levels(5, number, (0, 2)), dense(4, 5), levels(4, number))
    run(graph, samples(graph, 6))


@pytest.mark.parametrize("flipped", [False, True], ids=["upright", "flipped"])
def test_sums_that_equal_a_threshold(flipped: bool) -> None:
    """All sums 0..12 of 12 spikes, plus a bias of 1: reached means reached."""
    theta = np.array([[3, 3, 8, 13, 14]])
    op = Threshold(theta, np.array([flipped]))
    graph = chain(EVENTS, Dense(np.ones((1, 12), int), np.array([1])), op)
    found = run(graph, np.tri(13, 12, -1, dtype=int)).values["threshold1"][:, 0, 0]
    reached = (np.arange(1, 14)[:, None] >= theta).sum(axis=1)
    np.testing.assert_array_equal(found, 5 - reached if flipped else reached)


@pytest.mark.parametrize("bias", [0, 4096, -30000, 100_000])
def test_biases_and_thresholds_of_any_size(bias: int) -> None:
    theta = np.array([[-(2**63), -90_000, 0, bias, bias + 5, 2**63 - 1]] * 4)
    first = Dense(dense(4, 12, high=20).weight, np.full(4, bias))
    op = Threshold(theta.clip(max=2**62), np.array([False, True] * 2))
    graph = chain(ROW, first, Threshold(np.sort(op.theta), op.flipped))
    run(graph, samples(graph))


@pytest.mark.parametrize(
    "pool",
    [
        pytest.param(MaxPool2d((2, 2), (2, 2)), id="max"),
        pytest.param(MaxPool2d((3, 2), (1, 1), (1, 1)), id="max, overlapping"),
        pytest.param(MaxPool2d((2, 1), (3, 2)), id="max, with gaps"),
        pytest.param(SumPool2d((3, 2), (1, 1), (1, 1)), id="sum, overlapping"),
    ],
)
def test_pools_of_levels(pool: Operation) -> None:
    first = conv(2, 2, padding=(1, 1)), levels(2, 5, [1], -500, 500), pool
    graph = chain(IMAGE, *first, conv(3, 2, kernel=2, seed=2), levels(3, 3, low=-9, high=9))
    x = samples(graph)
    graded, single = run(graph, x), run(unary(graph), x)
    assert_decodes(graph, graded, single)


def test_the_largest_of_images_of_sums_and_of_several_spikes() -> None:
    pool = MaxPool2d((2, 2), (1, 1))
    graph = chain(IMAGE, pool, SumPool2d((2, 1), (1, 1)), pool, conv(2, 2), levels(2, 3))
    run(graph, samples(graph))
    spikes = chain(IMAGE, conv(2, 2), Membrane(np.array([99, 9]), max_spikes=5), pool, steps=3)
    run(spikes, samples(spikes))


def residual(join: str) -> Graph:
    """Levels of one layer join those, or the accumulators, of two layers later."""
    same: dict[str, Any] = {"padding": (1, 1)}
    nodes = [
        Node("input", IMAGE),
        Node("conv1", conv(3, 2, seed=1, **same), ("input",)),
        Node("level1", levels(3, 3, [0], -500, 500), ("conv1",)),
        Node("conv2", conv(3, 3, seed=2, **same), ("level1",)),
        Node("level2", levels(3, 3), ("conv2",)),
        Node("conv3", conv(3, 3, seed=3, **same), ("level2",)),
    ]
    if join == "levels":
        nodes += [
            Node("level3", levels(3, 3), ("conv3",)),
            Node("sum", Add(), ("level3", "level1", "level1")),
            Node("conv4", conv(2, 3, seed=5, **same), ("sum",)),
        ]
    else:
        nodes += [
            Node("short", conv(3, 3, seed=4, **same), ("level1",)),
            Node("conv4", Add(), ("conv3", "short", "conv1")),
        ]
    channels = 2 if join == "levels" else 3
    return ended([*nodes, Node("level4", levels(channels, 2, [1]), ("conv4",))])


@pytest.mark.parametrize("join", ["levels", "accumulators"])
def test_residual_additions_of_paths_of_different_depth(join: str) -> None:
    graph = residual(join)
    x = samples(graph)
    assert_decodes(graph, run(graph, x), run(unary(graph), x))


def test_the_largest_of_added_levels_of_different_depth() -> None:
    nodes = [node for node in residual("levels").nodes if node.name != "flat"][:8]
    graph = ended([*nodes, Node("pool", MaxPool2d((2, 2), (1, 1)), ("sum",))])
    run(graph, samples(graph))


def test_levels_forget_from_step_to_step() -> None:
    lif = Membrane(np.full(4, 9), decay=300)
    graph = chain(EVENTS, dense(6, 12), levels(6, 4), dense(4, 6), lif, steps=4)
    x = samples(graph, 5)
    assert_decodes(graph, run(graph, x), run(unary(graph), x))


STRIDED = conv(4, 1, kernel=2, stride=(1, 2), padding=(2, 1), groups=2)


@pytest.mark.parametrize(
    "graph",
    [
        residual("levels"),
        chain(IMAGE, conv(2, 2), levels(2, 5), SumPool2d((3, 2), (1, 1)), STRIDED, levels(4, 3)),
    ],
    ids=["residual", "sum pool, groups, strides"],
)
def test_lava_s_own_spikes_and_synapses_give_the_counts(graph: Graph) -> None:
    """Each event that Lava recorded, at each synapse that Lava was given, is one operation."""
    x = samples(graph)
    found = run_on("loihi", graph, x)
    values = {"input": as_samples(graph, x), **found.values}
    operations = 0
    for connection in lower(graph).connections:
        events = np.count_nonzero(values[connection.source], axis=(0, 1)).ravel()
        fan_out = np.bincount(connection.indices, minlength=events.size)
        operations += 0 if connection.is_constant else int(events @ fan_out)
    counts = count(graph, x, found).total.totals()
    assert counts == count(graph, x, interpret(graph, x)).total.totals()
    assert counts["multiply_accumulates"] == operations
    assert counts["synaptic_operations"]["quantised"] == 0


def test_a_convolution_s_payload_is_multiplied() -> None:
    """A level of 3 at a weight of 5 adds 15."""
    identity = Conv2d(np.ones((1, 1, 1, 1), int), np.zeros(1, int))
    graph = chain(
        Input((1, 1, 1), 0, 9, 1.0),
        identity,
        Threshold(np.array([[2, 4, 6]]), np.array([False])),
        Conv2d(np.full((1, 1, 1, 1), 5), np.zeros(1, int)),
        Threshold(np.arange(1, 21)[None], np.array([False])),
    )
    found = run(graph, np.arange(10).reshape(10, 1, 1, 1, 1))
    np.testing.assert_array_equal(
        found.values["threshold3"].ravel(), 5 * np.array([0, 0, 1, 1, 2, 2, 3, 3, 3, 3])
    )
