"""A source, the net that was read from it, and its graph: who differs from whom is told apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgespike.converters.checking import check_source
from edgespike.errors import InputError, UnsupportedError
from edgespike.floats.net import (
    FloatDense,
    FloatInput,
    FloatNet,
    FloatNeurons,
    FloatNode,
    FloatReadout,
    Reals,
)
from edgespike.floats.run import run_steps
from edgespike.graph import Comparison, Dense, Graph, Input, Membrane, Node, Readout, ResetTime
from edgespike.quantise.result import Quantised, Source

STEPS = 4
WEIGHT = np.array([[3, -1], [1, 2], [2, 2]])

NET = FloatNet(
    (
        FloatNode("input", FloatInput((2,)), (), "the input"),
        FloatNode("dense", FloatDense(WEIGHT / 4, np.zeros(3)), ("input",), "fc1"),
        FloatNode(
            "neurons",
            FloatNeurons(
                np.ones(3),
                np.ones(3),
                reset_time=ResetTime.SAME_STEP,
                comparison=Comparison.GREATER_EQUAL,
            ),
            ("dense",),
            "lif1",
        ),
        FloatNode("last", FloatDense(WEIGHT.T / 4, np.zeros(2)), ("neurons",), "fc2"),
        FloatNode("readout", FloatReadout(), ("last",), "the readout"),
    ),
    STEPS,
)
GRAPH = Graph(
    "spiking",
    (
        Node("x", Input((2,), 0, 3, 1.0)),
        Node("dense1", Dense(WEIGHT, np.zeros(3, int)), ("x",)),
        Node("spikes1", Membrane(np.full(3, 4)), ("dense1",)),
        Node("dense2", Dense(WEIGHT.T, np.zeros(2, int)), ("spikes1",)),
        Node("out", Readout(np.full(2, 0.25)), ("dense2",)),
    ),
    STEPS,
)
NODES = {"dense": "dense1", "neurons": "spikes1", "readout": "out"}
SAMPLES = np.random.default_rng(0).integers(0, 4, (70, 2))


def source(x: Reals) -> Mapping[str, Reals]:
    """What the net computes, as the source would show it."""
    steps = list(run_steps(NET, x))
    values = {name: np.stack([step[name] for step in steps], 1) for name in ("dense", "neurons")}
    return {**values, "readout": steps[-1]["readout"]}


def quantised(run: Any = source, graph: Graph = GRAPH, *, exact: bool = True) -> Quantised:
    return Quantised(graph, NET, NODES, exact, source=Source(NET, run))


def test_an_exact_graph_has_the_sources_spikes_and_answers() -> None:
    found = check_source(quantised(), SAMPLES)
    assert not found.failed
    assert (found.flipped, found.samples) == (0, 70)
    assert [(part.path, part.values, part.different) for part in found.parts] == [
        ("fc1", 70 * STEPS * 3, None),
        ("lif1", 70 * STEPS * 3, 0),
        ("the readout", 140, None),
    ]
    assert all(part.distance == 0 for part in found.parts)


def test_real_samples_are_the_sources_and_their_integers_the_graphs() -> None:
    whole = check_source(quantised(), SAMPLES)
    assert check_source(quantised(), SAMPLES.astype(float)) == whole
    steps = np.repeat(SAMPLES[:, None], STEPS, axis=1)
    assert check_source(quantised(), steps) == whole


def test_a_layer_that_was_read_wrongly_is_a_failure() -> None:
    def other(x: Reals) -> Mapping[str, Reals]:
        return {**source(x), "dense": source(x)["dense"] * 1.01}

    found = check_source(quantised(other, exact=False), SAMPLES)
    assert found.failed
    assert [part.path for part in found.parts if part.misread] == ["fc1"]


@pytest.mark.parametrize("exact", [True, False])
def test_spikes_that_differ_are_counted_and_fail_an_exact_graph(exact: bool) -> None:
    nodes = list(GRAPH.nodes)
    nodes[2] = replace(nodes[2], op=Membrane(np.full(3, 5)))
    graph = replace(GRAPH, nodes=tuple(nodes))
    found = check_source(quantised(graph=graph, exact=exact), SAMPLES)
    (spikes,) = (part for part in found.parts if part.path == "lif1")
    assert spikes.different
    assert not spikes.misread
    assert found.failed == exact


def test_answers_of_another_kind_are_compared_by_their_order() -> None:
    def softmax(x: Reals) -> Mapping[str, Reals]:
        return {"readout": np.exp(source(x)["readout"])}

    plain = quantised(softmax)
    assert plain.source is not None
    found = check_source(replace(plain, source=replace(plain.source, same_answers=False)), SAMPLES)
    assert (found.parts, found.flipped, found.failed) == ((), 0, False)


def test_a_source_that_cannot_be_run_is_not_compared() -> None:
    with pytest.raises(UnsupportedError, match="this source cannot be run"):
        check_source(Quantised(GRAPH, NET, NODES, exact=True), SAMPLES)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((3, 5)), r"have shape \(3, 5\); give \(samples, 2\)"),
        (np.zeros((0, 2)), "at least one"),
        (np.full((3, 2), np.nan), "not finite"),
        (np.full((3, 2), 9), "outside 0..3"),
    ],
)
def test_samples_that_do_not_fit_are_refused(samples: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_source(quantised(), samples)
