"""What a file declares is true: readers that know nothing else find the logits."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgespike.graph import Dense, Graph, Input, Node, Readout
from edgespike.interpreter import interpret
from edgespike.models import shipped_images, shipped_model
from edgespike.targets.tflite.check import violations
from edgespike.targets.tflite.environment import environment_python
from edgespike.targets.tflite.lower import lower, lower_unrolled
from edgespike.targets.tflite.planning.planner import make_plan
from edgespike.targets.tflite.planning.requantise import unit_ratio
from edgespike.targets.tflite.planning.storage import ACTIVATION_SCALE
from edgespike.targets.tflite.running import execute
from tests.available import available
from tests.targets.tflite import reader
from tests.targets.tflite.kernels import ONE_CHANNEL
from tests.targets.tflite.networks import NETWORKS, samples_of
from tests.targets.tflite.recurrent import RECURRENT

pytest.importorskip("ai_edge_litert")

SCALES = {
    "one scale": np.full(4, 0.0371),
    "a scale for each class": np.array([0.01, 3.0, 0.7, 1.9]),
    "accumulators are logits": np.ones(4),
}


@pytest.fixture(params=["litert", pytest.param("runtime", marks=pytest.mark.tflite_runtime)])
def python(request: pytest.FixtureRequest) -> str:
    """A Python with ai-edge-litert, and one with tflite-runtime."""
    if request.param == "litert":
        return sys.executable
    available("tflite-runtime")
    return str(environment_python())


def read(python: str, content: bytes, real: NDArray[Any], folder: Path) -> Mapping[str, Any]:
    """Read samples in real units, ``(samples, steps or nothing, ...)``, channels first."""
    (folder / "model.tflite").write_bytes(content)
    np.save(folder / "samples.npy", np.moveaxis(real, -3, -1) if real.ndim > 3 else real)
    names = [str(folder / name) for name in ("model.tflite", "samples.npy", "found.npz")]
    subprocess.run([python, reader.__file__, *names], check=True, capture_output=True)
    with np.load(folder / "found.npz") as found:
        return dict(found)


def assert_logits(found: NDArray[Any], graph: Graph, accumulators: NDArray[Any]) -> None:
    expected = accumulators * graph.readout_op.scale
    assert np.abs(found - expected).max() <= 2.0**-22 * np.abs(expected).max()
    assert np.array_equal(found.argmax(axis=1), expected.argmax(axis=1))


def with_scales(graph: Graph, scale: float, scales: NDArray[np.float64]) -> Graph:
    """Return a graph whose input has another unit, and whose classes have other scales."""
    first, *others, last = graph.nodes
    source = replace(first, op=replace(graph.input_op, scale=scale))
    readout = replace(last, op=replace(graph.readout_op, scale=scales))
    return Graph(graph.name, (source, *others, readout), graph.steps)


@pytest.mark.parametrize("name", ["fashion_s3nn", "fashion_maqd", "fashion_rnn"])
def test_200_images_have_the_classes_of_the_interpreter(
    python: str, name: str, tmp_path: Path
) -> None:
    graph, (images, _) = shipped_model(name), shipped_images(name)
    accumulators = interpret(graph, images).accumulators(graph)
    plan = make_plan(graph)
    found = read(python, lower(plan).content, images / np.float32(255), tmp_path)
    assert_logits(found["by_name"], graph, accumulators)
    if graph.steps > 1:
        unrolled = lower_unrolled(plan).content
        found = read(python, unrolled, images / np.float32(255), tmp_path)
    else:
        assert np.array_equal(found["stored"], accumulators)
    assert_logits(found["plainly"], graph, accumulators)


@pytest.mark.parametrize("scales", SCALES.values(), ids=SCALES)
@pytest.mark.parametrize(
    "name",
    [
        "graded input in int8",
        "graded input in float32",
        "sum pooled input in int8",
        "max pooled input in float32",
        "16 states, input to 255",
        "large readout",
        "membrane decay 410",
        "recurrent layers of equal levels",
        "recurrent layer of spikes, summed",
        "recurrent membranes, late reset",
    ],
)
def test_every_form_is_read_in_real_units(
    python: str, name: str, scales: NDArray[np.float64], tmp_path: Path
) -> None:
    graph = NETWORKS[name]()
    classes = np.resize(scales, graph.tensors[graph.readout.name].shape)
    graph = with_scales(graph, 0.0217, classes)
    samples = samples_of(graph, 30)
    accumulators = interpret(graph, samples).accumulators(graph)
    plan = make_plan(graph)
    real = samples * graph.input_op.scale
    if name in RECURRENT:
        if all(state.initial == state.tensor.storage.zero_point for state in lower(plan).states):
            found = read(python, lower(plan).content, real, tmp_path)
            assert_logits(found["by_name"], graph, accumulators)
        content = lower_unrolled(plan).content
    else:
        content = lower(plan).content
        real = real if graph.steps > 1 else real[:, 0]
    found = read(python, content, real, tmp_path)
    assert_logits(found["by_name"], graph, accumulators)
    assert_logits(found["plainly"], graph, accumulators)


@pytest.mark.parametrize("high", [2**20, 1000])
@pytest.mark.parametrize("scale", [1 / 255, 1 / 3, 7e-20, 1.9e12])
def test_real_inputs_in_float32_become_the_nearest_whole_number(
    high: int, scale: float, tmp_path: Path
) -> None:
    one = np.ones((1, 1), int)
    nodes = (
        Node("input", Input((1,), -high, high, scale)),
        Node("copy", Dense(one, np.zeros(1, int)), ("input",)),
        Node("readout", Readout(np.ones(1)), ("copy",)),
    )
    samples = np.concatenate([np.arange(-high, high, 101), [high]])[:, None]
    real = (samples * scale).astype(np.float32)
    found = read(sys.executable, lower(make_plan(Graph("copy", nodes, 1))).content, real, tmp_path)
    assert np.array_equal(found["plainly"], samples)


def test_the_multiplier_of_sums_is_one_for_every_kernel() -> None:
    rng = np.random.default_rng(0)
    sums = np.concatenate([np.arange(-(2**15) + 1, 2**15, 7), [2**15 - 1]])
    for source, output in np.exp(rng.uniform(-30, 30, (200, 2))).astype(np.float32).tolist():
        (ratio,) = unit_ratio(source, output).tolist()
        multiplier = source * ratio / output
        assert 1 <= multiplier <= 1 + 2.0**-22
        for name, kernel in ONE_CHANNEL.items():
            assert np.array_equal(kernel(sums, np.float32(multiplier)), sums), name
        mantissa, exponent = np.frexp(multiplier)
        fifteen = (round(float(mantissa) * 2**31) + 2**15) >> 16
        total = 15 - int(exponent)
        assert np.array_equal((sums * fifteen + (1 << (total - 1))) >> total, sums)


def test_every_kernel_turns_every_input_into_the_same_whole_number() -> None:
    """A product with 1 in other units has a multiplier that is 1 up to the rounding of float32."""
    stored = np.arange(-255, 256)
    for scale in np.exp(np.random.default_rng(0).uniform(-60, 60, 500)).astype(np.float32):
        unit = np.float32(ACTIVATION_SCALE / float(scale))
        for multiplier in (
            scale * unit / np.float32(ACTIVATION_SCALE),
            np.float32(float(scale) * float(unit) / ACTIVATION_SCALE),
        ):
            assert abs(multiplier - 1) < 2.0**-22
            for name, kernel in ONE_CHANNEL.items():
                assert np.array_equal(kernel(stored, multiplier), stored), name


def test_states_mean_the_same_before_and_after_a_step() -> None:
    for build in RECURRENT.values():
        interpreter = execute.make_interpreter(lower(make_plan(build())).content, "default")
        run = interpreter.get_signature_runner()
        taken, given = run.get_input_details(), run.get_output_details()
        states = set(taken) - {"input"}
        assert states == {name for name in given if name.startswith("state.")}
        for name in states:
            assert taken[name]["quantization"] == given[name]["quantization"]
            assert taken[name]["dtype"] == given[name]["dtype"]


@pytest.mark.parametrize("scale", [1e-60, 2.0**101])
def test_units_beyond_float32_are_refused(scale: float) -> None:
    graph = NETWORKS["two levels"]()
    (line,) = violations(with_scales(graph, scale, np.ones(4)))
    assert line.startswith(f"input has a scale of {scale:g}; the file holds")
    (line,) = violations(with_scales(graph, 1.0, np.array([1, 1, scale, scale])))
    assert line.startswith(f"readout has a scale of {scale:g}; the file holds")
    assert "cpu target" in line


def test_real_inputs_that_float32_cannot_tell_apart_are_refused() -> None:
    graph = NETWORKS["graded input in float32"]()
    source = replace(graph.input_op, high=2**20 + 1, scale=0.5)
    _, *others = graph.nodes
    large = Graph("large", (Node("input", source), *others), 1)
    assert any("input is 0..1048577 in units of 0.5" in line for line in violations(large))
