"""Every target runs an ensemble of four members, and gives what the members give."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgespike.counting import count
from edgespike.graph import Dense, Graph, Input, Node, Readout, Reshape, Threshold
from edgespike.interpreter import interpret
from edgespike.passes.ensemble import ensemble
from edgespike.targets import get_target
from edgespike.targets.cpu.litert_engine import plan_for
from edgespike.targets.tflite.devices.arena import run_on_tflite_micro
from edgespike.targets.tflite.lower import lower
from edgespike.targets.tflite.planning.numbers import layer_numbers
from edgespike.targets.tflite.planning.planner import make_plan
from edgespike.targets.tflite.run import encode_input
from edgespike.trace import log_probabilities, predictions, uncertainty
from tests.available import available, needs_tflm, run_on
from tests.ensembles import flat, siblings, side_by_side
from tests.example_graphs import (
    membrane_graph,
    recurrent_graph,
    residual_graph,
    samples_for,
    weights,
)


def levels_graph() -> Graph:
    """A dense network of levels on an image, which it flattens first: 2x3x3 input, 3 classes."""
    levels = np.array([[-12, 0, 12]] * 5) + np.arange(5)[:, None]
    return Graph(
        "levels",
        (
            Node("image", Input((2, 3, 3), 0, 7, 1 / 7)),
            Node("flat", Reshape((18,)), ("image",)),
            Node("dense1", Dense(weights(1, 5, 18), weights(2, 5)), ("flat",)),
            Node("levels1", Threshold(levels, np.arange(5) == 2), ("dense1",)),
            Node("dense2", Dense(weights(3, 5, 5), weights(4, 5)), ("levels1",)),
            Node("levels2", Threshold(levels, np.arange(5) == 0), ("dense2",)),
            Node("dense3", Dense(weights(5, 3, 5), weights(6, 3)), ("levels2",)),
            Node("out", Readout(np.ones(3)), ("dense3",)),
        ),
    )


EXAMPLES = (residual_graph(), levels_graph(), membrane_graph(), recurrent_graph())
GRAPHS = {graph.name: graph for graph in EXAMPLES}
TARGETS = [
    "cpu",
    "tflite",
    "tflite-reference",
    "onnx",
    pytest.param("tflite-runtime", marks=pytest.mark.tflite_runtime),
    pytest.param("loihi", marks=pytest.mark.loihi),
]


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest) -> str:
    return available(request.param).name


@pytest.mark.parametrize("name", GRAPHS)
def test_four_members_run_exactly(target: str, name: str) -> None:
    members = siblings(GRAPHS[name], 4)
    merged, samples = ensemble(members), samples_for(GRAPHS[name], 5)
    found, expected = run_on(target, merged, samples), side_by_side(members, samples)
    assert found.values.keys() == expected.keys()
    for layer, values in expected.items():
        assert np.array_equal(flat(found.values[layer]), values), layer
    counts = count(merged, samples, found)
    own = [count(member, samples, interpret(member, samples)) for member in members]
    assert counts.synaptic_operations() == sum(each.synaptic_operations() for each in own)
    assert counts.multiply_accumulates() == sum(each.multiply_accumulates() for each in own)


@pytest.mark.parametrize("name", ["residual", "levels"])
def test_an_ensemble_has_the_numbers_of_its_members(name: str) -> None:
    """Otherwise four members would take far more than four times as long."""
    graph = GRAPHS[name]
    merged = ensemble([graph] * 4)
    rows = layer_numbers(make_plan(merged))
    assert rows == layer_numbers(make_plan(graph))
    assert {row.numbers.split(",")[0] for row in rows} == {"int8", "int16"}
    assert plan_for(merged) is not None


@needs_tflm
@pytest.mark.parametrize("name", GRAPHS)
def test_tflite_micro_runs_an_ensemble(name: str) -> None:
    merged = ensemble(siblings(GRAPHS[name], 4))
    samples = samples_for(merged, 3)
    expected = interpret(merged, samples).accumulators(merged)
    lowered = lower(make_plan(merged))
    batch = encode_input(merged, lowered, samples)
    found, _ = run_on_tflite_micro(sys.executable, lowered, batch)
    assert np.array_equal(found, expected)


def test_the_runner_on_the_pi_tells_how_sure_the_ensemble_is(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    merged = ensemble(siblings(residual_graph(), 4))
    get_target("tflite").write(merged, tmp_path)
    folder = tmp_path / "raspberry-pi"
    assert json.loads((folder / "network.json").read_text())["members"] == 4
    command = [sys.executable, "run.py", "sample_input.npy"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    accumulators = np.load(folder / "expected_output.npy")
    doubts = uncertainty(merged, accumulators)
    expected = [
        predictions(merged, accumulators),
        np.exp(log_probabilities(merged, accumulators).max(axis=1)),
        doubts.entropy,
        doubts.expected_entropy,
        doubts.mutual_information,
    ]
    printed = np.loadtxt(done.stdout.splitlines())
    np.testing.assert_allclose(printed, np.stack(expected, axis=1), atol=1e-6)
