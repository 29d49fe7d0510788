"""Lava's simulator computes every population, spike for spike, as the interpreter does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgespike.graph import (
    Add,
    Comparison,
    Conv2d,
    Dense,
    Graph,
    Input,
    MaxPool2d,
    Membrane,
    Node,
    Operation,
    Readout,
    Reset,
    ResetTime,
    Reshape,
    SumPool2d,
)
from tests.available import run_on
from tests.targets.loihi.graphs import chain, conv, dense, ended, run, samples, threshold

pytestmark = [pytest.mark.loihi, pytest.mark.usefixtures("lava")]

IMAGE = Input((2, 6, 5), 0, 255, 1 / 255)
SPIKES = Input((2, 6, 5), 0, 1, 1.0)
ROW = Input((12,), 0, 255, 1 / 255)
EVENTS = Input((12,), 0, 1, 1.0)


def assert_exact(graph: Graph, count: int = 4) -> None:
    run(graph, samples(graph, count))


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(EVENTS, id="spikes"),
        pytest.param(ROW, id="8 bits"),
        pytest.param(Input((12,), -128, 127, 1.0), id="8 bits with sign"),
        pytest.param(Input((12,), 0, 1000, 1.0), id="10 bits"),
        pytest.param(Input((12,), 5, 9, 1.0), id="never zero"),
        pytest.param(Input((12,), 0, 0, 1.0), id="always zero"),
    ],
)
def test_inputs(source: Input) -> None:
    assert_exact(chain(source, dense(6, 12), threshold([-20, 0, 1, 20, 100, 3000])))


@pytest.mark.parametrize(
    "op",
    [
        pytest.param(conv(4, 2), id="plain"),
        pytest.param(conv(4, 2, padding=(1, 2)), id="padding"),
        pytest.param(conv(4, 2, stride=(2, 2), padding=(0, 1, 2, 0)), id="one-sided padding"),
        pytest.param(conv(4, 2, stride=(2, 1)), id="stride"),
        pytest.param(conv(4, 2, kernel=2, dilation=(2, 3)), id="dilation"),
        pytest.param(conv(4, 1, groups=2), id="groups"),
        pytest.param(
            conv(6, 1, kernel=2, stride=(1, 2), padding=(2, 1), dilation=(2, 1), groups=2),
            id="all",
        ),
    ],
)
@pytest.mark.parametrize("source", [IMAGE, SPIKES], ids=["image", "spikes"])
def test_convolutions(op: Conv2d, source: Input) -> None:
    theta = np.linspace(-300 * source.high / 255, 300 * source.high / 255, len(op.weight))
    assert_exact(chain(source, op, threshold([int(value) for value in theta], flipped=[1])))


@pytest.mark.parametrize(
    "pool",
    [
        pytest.param(MaxPool2d((2, 2), (2, 2)), id="max"),
        pytest.param(MaxPool2d((3, 2), (1, 1), (1, 1)), id="max, overlapping"),
        pytest.param(MaxPool2d((2, 2), (2, 2), (0, 1, 1, 0)), id="max, one-sided padding"),
        pytest.param(SumPool2d((2, 2), (2, 2)), id="sum"),
        pytest.param(SumPool2d((3, 2), (2, 2), (0, 2, 1, 0)), id="sum, one-sided padding"),
        pytest.param(SumPool2d((3, 2), (1, 1), (1, 1)), id="sum, overlapping"),
    ],
)
def test_pools_of_spikes(pool: Operation) -> None:
    ops = (conv(2, 2, padding=(1, 1)), threshold([100, 200]), pool, conv(3, 2, kernel=2, seed=2))
    assert_exact(chain(IMAGE, *ops, threshold([2, 0, -3])))


def test_sum_pool_of_an_image() -> None:
    assert_exact(chain(IMAGE, SumPool2d((2, 2), (1, 1)), conv(2, 2), threshold([50, -50])))


def test_a_pool_of_pools_and_a_threshold_on_spikes() -> None:
    pool = MaxPool2d((2, 2), (1, 1))
    assert_exact(chain(SPIKES, pool, pool, SumPool2d((2, 2), (1, 1)), threshold([2, 4])))


def residual(join: str) -> Graph:
    """Spikes of one layer join those, or the accumulators, of two layers later."""
    same: dict[str, Any] = {"padding": (1, 1)}
    nodes = [
        Node("input", IMAGE),
        Node("conv1", conv(3, 2, seed=1, **same), ("input",)),
        Node("spike1", threshold([0, 100, 200]), ("conv1",)),
        Node("conv2", conv(3, 3, seed=2, **same), ("spike1",)),
        Node("spike2", threshold([-1, 0, 1]), ("conv2",)),
        Node("conv3", conv(3, 3, seed=3, **same), ("spike2",)),
    ]
    if join == "spikes":
        nodes += [
            Node("spike3", threshold([-1, 0, 1]), ("conv3",)),
            Node("sum", Add(), ("spike3", "spike1", "spike1")),
        ]
    else:
        nodes += [
            Node("short", conv(3, 3, seed=4, **same), ("spike1",)),
            Node("sum", Add(), ("conv3", "short", "conv1")),
            Node("spike3", threshold([0, 100, 200], flipped=[1]), ("sum",)),
        ]
    return ended(nodes)


@pytest.mark.parametrize("join", ["spikes", "accumulators"])
def test_residual_additions_of_paths_of_different_depth(join: str) -> None:
    assert_exact(residual(join))


def test_one_accumulator_feeds_two_thresholds() -> None:
    nodes = [
        Node("input", ROW),
        Node("dense", dense(4, 12), ("input",)),
        Node("low", threshold([-9, 0, 9, 99]), ("dense",)),
        Node("high", threshold([500, 0, 900, 99], flipped=[0, 1]), ("dense",)),
        Node("sum", Add(), ("low", "high")),
    ]
    assert_exact(ended(nodes))


@pytest.mark.parametrize(
    ("theta", "bias"),
    [
        pytest.param([1, 1, 1, 1], [0, 0, 0, 0], id="equal"),
        pytest.param([0, -1, -5000, -60000], [0, 0, 0, 0], id="not positive"),
        pytest.param([10, 4000, 30000, 60000], [0, 0, 0, 0], id="far apart"),
        pytest.param([0, 0, 0, 0], [4095, 4096, -4097, 30000], id="large biases"),
        pytest.param([10**9, -(10**9), 5, -5], [0, 0, 0, 0], id="never and always"),
    ],
)
@pytest.mark.parametrize("flipped", [(), (0, 1, 2, 3)], ids=["upright", "flipped"])
def test_thresholds_of_any_size(theta: list[int], bias: list[int], flipped: list[int]) -> None:
    weight = dense(4, 12, high=20).weight
    assert_exact(chain(ROW, Dense(weight, np.array(bias)), threshold(theta, flipped)))


@pytest.mark.parametrize("flipped", [(), (0, 1)], ids=["upright", "flipped"])
def test_sums_that_equal_the_threshold(flipped: list[int]) -> None:
    """All sums 0..12 of 12 spikes against a threshold of 6: reached means reached."""
    graph = chain(
        EVENTS, Dense(np.ones((2, 12), int), np.array([0, 1])), threshold([6, 7], flipped)
    )
    x = np.tri(13, 12, -1, dtype=int)
    found = run_on("loihi", graph, x).values["threshold1"][:, 0]
    np.testing.assert_array_equal(found[:, 0] ^ bool(flipped), np.arange(13) >= 6)
    np.testing.assert_array_equal(found[:, 1] ^ bool(flipped), np.arange(13) >= 6)


def test_extreme_weights() -> None:
    weight = np.array([[-128, 127, -127] * 4, [127] * 12, [-128] * 12])
    assert_exact(chain(EVENTS, Dense(weight, np.zeros(3, int)), threshold([-100, 1000, -1000])))


def test_layers_without_any_synapse() -> None:
    silent = Dense(np.zeros((3, 12), int), np.array([1, 0, -1]))
    assert_exact(chain(EVENTS, silent, threshold([1, 1, 1])))


def test_spikes_that_go_straight_to_the_readout() -> None:
    nodes = (
        Node("input", EVENTS),
        Node("dense", dense(3, 12), ("input",)),
        Node("spike", threshold([0, 3, -3]), ("dense",)),
        Node("readout", Readout(np.ones(3)), ("spike",)),
    )
    assert_exact(Graph("test", nodes, steps=3))


MEMBRANES = {
    "stock, no leak": Membrane(np.full(6, 9), reset=Reset.ZERO),
    "stock, leak": Membrane(
        np.full(6, 9), decay=700, reset=Reset.ZERO, comparison=Comparison.GREATER
    ),
    "leak and >=": Membrane(np.full(6, 9), decay=700, reset=Reset.ZERO),
    "thresholds of their own": Membrane(np.arange(4, 10), reset=Reset.ZERO),
    "subtract": Membrane(np.arange(4, 10), decay=300),
    "subtract, >": Membrane(np.full(6, 9), comparison=Comparison.GREATER),
    "no reset": Membrane(np.full(6, 30), decay=900, reset=Reset.NONE),
    "zero at the next step": Membrane(
        np.full(6, 9), decay=64, reset=Reset.ZERO, reset_time=ResetTime.NEXT_STEP
    ),
    "subtract at the next step": Membrane(np.full(6, 9), decay=64, reset_time=ResetTime.NEXT_STEP),
    "several spikes": Membrane(np.full(6, 3), decay=64, max_spikes=5),
    "very many spikes": Membrane(np.full(6, 1), max_spikes=1000),
    "forgets all": Membrane(np.arange(4, 10), decay=4096),
    "forgets all, next step": Membrane(
        np.full(6, 5), decay=4096, reset_time=ResetTime.NEXT_STEP, max_spikes=2
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 5])
@pytest.mark.parametrize("op", MEMBRANES.values(), ids=MEMBRANES.keys())
def test_membranes(op: Membrane, steps: int) -> None:
    """Two layers of membranes over samples back to back, whose input changes at every step."""
    graph = chain(EVENTS, dense(6, 12, seed=3), op, dense(6, 6, seed=4), op, steps=steps)
    assert_exact(graph, count=6)


def test_membranes_with_large_biases() -> None:
    strong = Dense(dense(6, 12).weight, np.array([0, 5000, -5000, 4095, -4096, 9000]))
    assert_exact(chain(EVENTS, strong, Membrane(np.full(6, 9999)), steps=4))


def test_membranes_of_images_with_pools_and_residuals() -> None:
    nodes = [
        Node("input", SPIKES),
        Node("conv1", conv(3, 2, padding=(1, 1)), ("input",)),
        Node("lif1", Membrane(np.full(3, 6), decay=200, max_spikes=3), ("conv1",)),
        Node("conv2", conv(3, 3, padding=(1, 1), seed=2), ("lif1",)),
        Node("lif2", Membrane(np.full(3, 8), reset=Reset.ZERO), ("conv2",)),
        Node("sum", Add(), ("lif1", "lif2")),
        Node("pool", SumPool2d((2, 2), (2, 2)), ("sum",)),
    ]
    assert_exact(ended(nodes, steps=4))


def test_reshapes_of_accumulators() -> None:
    ops = (dense(12, 12), Reshape((3, 2, 2)), threshold([0, 50, -50], flipped=[2]))
    assert_exact(chain(ROW, *ops))


def test_samples_do_not_depend_on_each_other() -> None:
    graph = chain(EVENTS, dense(6, 12), Membrane(np.full(6, 9)), steps=3)
    x = samples(graph, 5)
    forward, backward = run_on("loihi", graph, x), run_on("loihi", graph, x[::-1])
    for name, values in forward.values.items():
        np.testing.assert_array_equal(values, backward.values[name][::-1], err_msg=name)


def test_a_sample_without_steps_is_shown_at_every_step() -> None:
    graph = chain(EVENTS, dense(6, 12), Membrane(np.full(6, 9)), steps=3)
    x = samples(graph)[:, 0]
    once, thrice = run_on("loihi", graph, x), run_on("loihi", graph, np.stack([x] * 3, axis=1))
    np.testing.assert_array_equal(once.values["readout"], thrice.values["readout"])
