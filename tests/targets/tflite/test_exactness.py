"""What the three sets of kernels compute equals the interpreter, tie for tie."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgespike.graph import (
    Add,
    Conv2d,
    Dense,
    Graph,
    Input,
    Membrane,
    Node,
    Readout,
    Reshape,
    SumPool2d,
    Threshold,
)
from edgespike.interpreter import interpret
from edgespike.targets import prepare
from edgespike.targets.tflite import run
from edgespike.targets.tflite.lower import lower
from edgespike.targets.tflite.planning.planner import make_plan
from edgespike.targets.tflite.planning.storage import Form
from edgespike.trace import observed_names
from tests.available import available, run_on
from tests.targets.tflite.networks import NETWORKS, Chain, samples_of

RUNTIMES = [
    "tflite",
    "tflite-reference",
    pytest.param("tflite-runtime", marks=pytest.mark.tflite_runtime),
]


@pytest.fixture(params=RUNTIMES)
def target(request: pytest.FixtureRequest) -> str:
    return available(request.param).name


def assert_equal(target: str, graph: Graph, samples: NDArray[Any]) -> None:
    expected, found = interpret(graph, samples), run_on(target, graph, samples)
    assert found.values.keys() == expected.values.keys()
    for name, values in expected.values.items():
        assert np.array_equal(found.values[name], values), name


@pytest.mark.parametrize("name", NETWORKS)
def test_every_operation_and_geometry(target: str, name: str) -> None:
    graph = NETWORKS[name]()
    assert_equal(target, graph, samples_of(graph))


def same_of_tensorflow(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return the padding before and after, as TensorFlow's documentation defines SAME."""
    missing = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return missing // 2, missing - missing // 2


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [2, 3, 5])
@pytest.mark.parametrize("high", [1, 255])
def test_same_of_tensorflow_needs_no_operator_that_pads(
    high: int, kernel: int, stride: int, target: str
) -> None:
    for height, width in ((5, 6), (6, 6), (7, 8), (8, 5)):
        places = (same_of_tensorflow(size, kernel, stride) for size in (height, width))
        padding = tuple(number for side in places for number in side)
        chain = Chain((2, height, width), high)
        chain.conv(3, 2, kernel, kernel, stride=(stride, stride), padding=padding).threshold(3)
        out = -(-height // stride), -(-width // stride)
        graph = chain.finish(3 * out[0] * out[1])
        assert graph.tensors["threshold2"].shape == (3, *out)
        assert "PAD" not in lower(make_plan(graph)).operators
        assert_equal(target, graph, samples_of(graph))


def test_the_networks_fire_and_meet_their_thresholds() -> None:
    """The test above would be easy if spikes were rare or no accumulator met a threshold."""
    fired, ties = [], 0
    for build in NETWORKS.values():
        graph = build()
        samples = samples_of(graph)
        trace = interpret(graph, samples, keep=[node.name for node in graph.nodes])
        for node, op in graph.of_type(Threshold):
            accumulators = np.moveaxis(trace.values[node.inputs[0]], 2, -1)
            ties += int((accumulators[..., None] == op.theta).sum())
            fired.append(trace.values[node.name].mean() / op.levels)
    assert 0.2 < np.mean(fired) < 0.8
    assert ties > 1000


@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize(("low", "high"), [(0, 255), (-128, 127), (-255, 0), (0, 1), (-3, 7)])
def test_every_input_value_against_every_threshold(
    target: str, low: int, high: int, flipped: bool
) -> None:
    theta = np.arange(low - 1, high + 3)
    graph = Graph(
        "comparisons",
        (
            Node("input", Input((1,), low, high, 1.0)),
            Node(
                "copy", Dense(np.ones((len(theta), 1), int), np.zeros(len(theta), int)), ("input",)
            ),
            Node("spikes", Threshold(theta[:, None], np.full(len(theta), flipped)), ("copy",)),
            Node("sum", Dense(np.ones((1, len(theta)), int), np.zeros(1, int)), ("spikes",)),
            Node("readout", Readout(np.ones(1)), ("sum",)),
        ),
    )
    assert_equal(target, graph, np.arange(low, high + 1)[:, None])


@pytest.mark.parametrize("offset", [2**24 - 60, 2**29, 2**30 - 400])
def test_thresholds_far_from_zero(target: str, offset: int) -> None:
    """Float32 could not distinguish these accumulators; folding leaves only the differences."""
    theta = offset + np.arange(-50, 51)
    graph = Graph(
        "far",
        (
            Node("input", Input((1,), 0, 100, 1.0)),
            Node("shift", Dense(np.ones((101, 1), int), np.full(101, offset - 50)), ("input",)),
            Node("spikes", Threshold(theta[:, None], np.zeros(101, bool)), ("shift",)),
            Node("sum", Dense(np.ones((1, 101), int), np.zeros(1, int)), ("spikes",)),
            Node("readout", Readout(np.ones(1)), ("sum",)),
        ),
    )
    assert_equal(target, graph, np.arange(101)[:, None])


def test_every_pair_of_int8_summands(target: str) -> None:
    """Sums of two inputs, added in int8 with a zero point that is not 0."""
    high = 100
    one = np.eye(2, dtype=int)
    graph = Graph(
        "summands",
        (
            Node("input", Input((2, 1, 1), 0, high, 1.0)),
            Node("twice", Add(), ("input", "input")),
            Node("pool", SumPool2d((1, 1), (1, 1)), ("input",)),
            Node("sum", Add(), ("pool", "input")),
            Node("spikes", Threshold(np.array([[high], [37]]), np.zeros(2, bool)), ("sum",)),
            Node("others", Threshold(np.array([[50], [2]]), np.zeros(2, bool)), ("twice",)),
            Node("all", Add(), ("spikes", "others")),
            Node("flat", Reshape((2,)), ("all",)),
            Node("copy", Dense(one, np.zeros(2, int)), ("flat",)),
            Node("readout", Readout(np.ones(2)), ("copy",)),
        ),
    )
    left, right = np.meshgrid(np.arange(high + 1), np.arange(high + 1))
    samples = np.stack([left.ravel(), right.ravel()], axis=1)[:, :, None, None]
    assert_equal(target, graph, samples)


@pytest.mark.parametrize("summands", sorted(set(permutations(["many", "many", "first"]))))
@pytest.mark.parametrize(
    ("low", "high", "theta", "width", "form"),
    [(-100, -50, -70, 75, Form.INT8), (-250, -200, -250, 150, Form.FLOAT)],
    ids=["another zero point", "too wide for int8"],
)
def test_partial_sums_may_leave_the_range_of_the_sum(
    target: str,
    summands: tuple[str, ...],
    low: int,
    high: int,
    theta: int,
    width: int,
    form: Form,
) -> None:
    graph = Graph(
        "partial",
        (
            Node("input", Input((1, 1, width), low, high, 1.0)),
            Node("same", Conv2d(np.ones((1, 1, 1, 1), int), np.zeros(1, int)), ("input",)),
            Node("spikes", Threshold(np.array([[theta]]), np.array([False])), ("same",)),
            Node("many", SumPool2d((1, width), (1, 1)), ("spikes",)),
            Node("first", SumPool2d((1, 1), (1, width)), ("input",)),
            Node("sum", Add(), summands),
            Node("flat", Reshape((1,)), ("sum",)),
            Node("copy", Dense(np.array([[1]]), np.array([0])), ("flat",)),
            Node("readout", Readout(np.ones(1)), ("copy",)),
        ),
    )
    if summands[0] == summands[1]:
        assert make_plan(graph).forms["sum"] is form
    all_fire = np.full((1, 1, 1, width), high)
    assert_equal(target, graph, np.concatenate([samples_of(graph, 20)[:, 0], all_fire]))


@pytest.mark.parametrize("extreme", [32767, -32767, 32768, 2**24 - 1])
def test_accumulators_at_the_edge_of_their_form(target: str, extreme: int) -> None:
    """Up to 16 bits the readout is int16, beyond it float32."""
    graph = Graph(
        "edge",
        (
            Node("input", Input((1,), 0, 1, 1.0)),
            Node("copy", Dense(np.array([[1]]), np.array([0])), ("input",)),
            Node("spike", Threshold(np.array([[1]]), np.array([False])), ("copy",)),
            Node("dense", Dense(np.array([[1]]), np.array([extreme - (extreme > 0)])), ("spike",)),
            Node("readout", Readout(np.ones(1)), ("dense",)),
        ),
    )
    assert_equal(target, graph, np.array([[0], [1]]))


@pytest.mark.parametrize(
    "name", ["residual of spikes", "membrane decay 410", "recurrent membranes, late reset"]
)
def test_a_runner_runs_batches_of_any_size_anew(target: str, name: str) -> None:
    """Nothing of a batch is left in the next one, though it may run in the same memory."""
    graph = NETWORKS[name]()
    runner, samples = prepare(graph, target), samples_of(graph, 600)
    expected = interpret(graph, samples).values
    for some in (slice(0, 7), slice(7, 14), slice(14, 15), slice(15, 600), slice(0, 7)):
        for layer, values in runner.trace(samples[some]).values.items():
            assert np.array_equal(values, expected[layer][some]), layer


@pytest.mark.parametrize("name", ["two levels", "recurrent membranes, late reset"])
def test_models_that_take_much_memory_run_a_batch_in_parts(
    target: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = NETWORKS[name]()
    bytes_each = lower(make_plan(graph), observed_names(graph)).activation_bytes
    monkeypatch.setattr(run, "MODEL_BYTES", 3 * bytes_each)
    assert_equal(target, graph, samples_of(graph, 8))


def test_a_sample_shown_at_every_step(target: str) -> None:
    graph = NETWORKS["membrane decay 410"]()
    assert_equal(target, graph, samples_of(graph)[:, 0])


@pytest.mark.parametrize("decay", [0, 1, 37, 410, 1365, 2048, 4000, 4095])
@pytest.mark.parametrize("most", [1, 200])
def test_potentials_as_large_as_float32_holds(target: str, decay: int, most: int) -> None:
    """Potential times decay would not fit into float32, and the quotient must not round."""
    weight, theta = np.array([[1], [3], [-2]]), np.array([7, 613, 5000])
    op = Membrane(theta, decay=decay, max_spikes=most, saturation=2**53)
    graph = Graph(
        "potentials",
        (
            Node("input", Input((1,), -20_000, 20_000, 1.0)),
            Node("scaled", Dense(weight, np.array([0, 11, -5])), ("input",)),
            Node("membrane", op, ("scaled",)),
            Node("sum", Dense(np.array([[1, 1, 1]]), np.array([0])), ("membrane",)),
            Node("readout", Readout(np.ones(1)), ("sum",)),
        ),
        steps=4,
    )
    assert_equal(target, graph, samples_of(graph, 200))
