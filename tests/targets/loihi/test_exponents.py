"""Weights beyond 8 bits that share a factor: mantissas and a weight exponent, exact on Lava."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
import pytest

from edgespike.graph import (
    Add,
    Comparison,
    Conv2d,
    Dense,
    Graph,
    Input,
    Membrane,
    Node,
    Readout,
    Reset,
    Threshold,
)
from edgespike.targets.loihi import TARGET
from edgespike.targets.loihi.limits import WEIGHT_HIGH, WEIGHT_LOW
from edgespike.targets.loihi.lower import lower
from edgespike.targets.loihi.network import Connection
from edgespike.targets.loihi.resources import summary
from tests.public_models import FOLDER
from tests.targets.loihi.graphs import chain, ended, run, samples, threshold

EVENTS = Input((12,), 0, 1, 1.0)
GRADED = Input((12,), -9, 9, 1.0)
OXFORD = FOLDER / "netx" / "oxford.net"


def layer(factor: int, low: int = WEIGHT_LOW, high: int = WEIGHT_HIGH, seed: int = 0) -> Dense:
    """Return random multiples of a factor that reach both ends of their range."""
    mantissas = np.random.default_rng(seed).integers(low, high + 1, (5, 12))
    mantissas[0, :2] = low, high
    return Dense(factor * mantissas, np.arange(5) - 2)


def into(graph: Graph, name: str) -> list[Connection]:
    return [connection for connection in lower(graph).connections if connection.target == name]


@pytest.mark.parametrize("factor", [1, 2, 4, 128])
def test_the_exponent_is_found(factor: int) -> None:
    graph = chain(EVENTS, layer(factor), threshold([1] * 5))
    assert TARGET.violations(graph) == []
    (found,) = into(graph, "threshold1")
    assert 1 << found.exponent == factor
    assert (found.weights.min(), found.weights.max()) == (WEIGHT_LOW, WEIGHT_HIGH)
    assert summary(lower(graph))["populations"][0]["weight_bits"] == 8
    assert lower(graph).describe()["connections"][0]["exponent"] == found.exponent


def test_small_weights_need_no_exponent() -> None:
    (found,) = into(chain(EVENTS, layer(2, -50, 50), threshold([1] * 5)), "threshold1")
    assert (found.exponent, found.weights.min()) == (0, -100)


@pytest.mark.loihi
@pytest.mark.usefixtures("lava")
@pytest.mark.parametrize(
    ("source", "factor"),
    [*((EVENTS, k) for k in (1, 2, 4, 128)), *((GRADED, k) for k in (1, 2, 4))],
)
@pytest.mark.parametrize("flipped", [[], [0, 3]], ids=["upright", "flipped"])
def test_layers_with_an_exponent_are_exact(source: Input, factor: int, flipped: list[int]) -> None:
    graph = chain(source, layer(factor), threshold([1, -3, 90 * factor, 0, 2], flipped))
    run(graph, samples(graph, 6))


@pytest.mark.loihi
@pytest.mark.usefixtures("lava")
def test_levels_and_membranes_with_an_exponent_are_exact() -> None:
    several = Threshold(np.tile([-200, 0, 200], (5, 1)), np.arange(5) == 2)
    leaky = Membrane(np.full(5, 300), 500, Reset.ZERO, comparison=Comparison.GREATER)
    run(graph := chain(EVENTS, layer(2), several), samples(graph))
    run(graph := chain(EVENTS, layer(2), leaky, steps=5), samples(graph))


def joined(first: Any, second: Any) -> Graph:
    """Return a graph of which two layers of the same input add up."""
    nodes = (
        Node("input", EVENTS),
        Node("a", first, ("input",)),
        Node("b", second, ("input",)),
        Node("sum", Add(), ("a", "b")),
        Node("spikes", threshold([1] * 5, flipped=[0]), ("sum",)),
    )
    return ended(nodes)


@pytest.mark.loihi
@pytest.mark.usefixtures("lava")
def test_layers_that_add_up_keep_exponents_of_their_own() -> None:
    graph = joined(layer(4), layer(1, -50, 50, seed=1))
    found = into(graph, "spikes")
    assert {connection.exponent for connection in found} >= {0, 2}
    assert sum(len(connection.weights) for connection in found) == sum(
        np.count_nonzero(op.weight) for node, op in graph.of_type(Dense) if node.name in "ab"
    )
    run(graph, samples(graph, 6))


@pytest.mark.loihi
@pytest.mark.usefixtures("lava")
def test_a_convolution_with_an_exponent_is_exact() -> None:
    weight = 2 * np.random.default_rng(3).integers(-128, 128, (3, 2, 2, 2))
    graph = chain(
        Input((2, 4, 4), 0, 20, 1.0), Conv2d(weight, np.arange(3)), threshold([1, 0, 500], [1])
    )
    run(graph, samples(graph))


@pytest.mark.loihi
@pytest.mark.usefixtures("lava")
def test_a_trained_net_of_intel_runs() -> None:
    """Its weights are even numbers of -178..192: trained with lava-dl, weights of step 2."""
    if not OXFORD.exists():
        pytest.skip(f"{OXFORD} is not on this machine")
    with h5py.File(OXFORD) as file:
        weights = [file[f"layer/{index}/weight"][()].astype(int) for index in range(2)]
        decays = [int(file[f"layer/{index}/neuron/vDecay"][()]) for index in range(2)]
        theta = int(file["layer/0/neuron/vThMant"][()])
    assert max(np.abs(weight).max() for weight in weights) > WEIGHT_HIGH
    fires = [
        Membrane(np.full(len(weight), theta), decay, Reset.ZERO, comparison=Comparison.GREATER)
        for weight, decay in zip(weights, decays, strict=True)
    ]
    nodes = [Node("input", Input((200,), 0, 1, 1.0))]
    for index, (weight, op) in enumerate(zip(weights, fires, strict=True)):
        dense = Dense(weight, np.zeros(len(weight), int))
        nodes.append(Node(f"dense{index}", dense, (nodes[-1].name,)))
        nodes.append(Node(f"fires{index}", op, (nodes[-1].name,)))
    last = Dense(np.eye(200, dtype=int)[:5], np.zeros(5, int))
    nodes.append(Node("last", last, (nodes[-1].name,)))
    nodes.append(Node("readout", Readout(np.ones(5)), ("last",)))
    graph = Graph("oxford", tuple(nodes), steps=8)
    x = (np.random.default_rng(0).random((2, 8, 200)) < 0.05).astype(int)
    found = run(graph, x)
    assert found.values["fires1"].any()
