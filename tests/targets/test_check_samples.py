"""Check samples: what values they take, what damage they notice, and how large they may get."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgespike.errors import InputError, UnsupportedError
from edgespike.graph import (
    Conv2d,
    Dense,
    Emits,
    Graph,
    Input,
    MaxPool2d,
    Membrane,
    Node,
    Readout,
    Reset,
    Reshape,
    SumPool2d,
    Threshold,
    save_graph,
)
from edgespike.graph.inputs import as_samples
from edgespike.interpreter import interpret
from edgespike.models import shipped_model
from edgespike.targets.cpu import CpuRunner
from edgespike.targets.shared import check_samples as module
from edgespike.targets.shared.candidates import draw
from edgespike.targets.shared.check_samples import check_samples
from edgespike.targets.shared.near_thresholds import closeness, reachable
from edgespike.targets.shared.sample_limits import work
from tests.example_graphs import membrane_graph, residual_graph


def chain(*ops: Any, steps: int = 1) -> Graph:
    names = ["input", *(f"op{index}" for index in range(1, len(ops)))]
    nodes = [
        Node(name, op, (names[index - 1],) if index else ())
        for index, (name, op) in enumerate(zip(names, ops, strict=True))
    ]
    return Graph("test", tuple(nodes), steps)


def identity_then(*ops: Any, low: int = 0, high: int = 9, steps: int = 1) -> Graph:
    """Return a graph whose neurons receive its one input."""
    one = np.ones((1, 1), np.int64)
    return chain(
        Input((1,), low, high, 1.0),
        Dense(one, np.zeros(1, np.int64)),
        *ops,
        Dense(one, np.zeros(1, np.int64)),
        Readout(np.ones(1)),
        steps=steps,
    )


def levels(*theta: int, flipped: bool = False) -> Threshold:
    return Threshold(np.array([theta]), np.array([flipped]))


@pytest.mark.parametrize("flipped", [False, True])
def test_values_on_and_just_below_thresholds_are_counted(flipped: bool) -> None:
    graph = identity_then(levels(2, 3, 7, 7, flipped=flipped))
    found = closeness(graph, np.array([1, 2, 3, 6, 7, 0])[:, None, None])
    below = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    on = [[0, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]]
    assert found.counts.tolist() == [[*a, *b] for a, b in zip(on, below, strict=True)]
    assert reachable(graph).tolist() == [True, True, False, True, True, True, True, False]


def test_thresholds_beyond_the_range_count_for_nothing() -> None:
    graph = identity_then(levels(0, 9, 10, 11))
    assert reachable(graph).tolist() == [True, True, False, False, False, True, True, False]


def test_membranes_that_would_fire_otherwise_are_counted() -> None:
    """Potentials 3, 6, 9 with theta 6: only the second step tells 6 from 7, the first none."""
    graph = identity_then(Membrane(np.array([6]), reset=Reset.NONE), steps=3)
    constant = np.full((1, 3, 1), 3)
    assert closeness(graph, constant).counts.tolist() == [[1, 0]]
    assert closeness(graph, np.array([[[3], [2], [0]]])).counts.tolist() == [[0, 2]]


def test_signed_levels_are_counted_like_others() -> None:
    theta, flipped = np.array([[2, 3, 7]]), np.array([False])
    samples = np.array([1, 2, 3, 6, 7, 0])[:, None, None]
    plain = closeness(identity_then(Threshold(theta, flipped)), samples)
    signed = closeness(identity_then(Threshold(theta, flipped, -4, 3)), samples)
    assert signed.counts.tolist() == plain.counts.tolist()


@pytest.mark.parametrize("emits", Emits)
@pytest.mark.parametrize("reset", Reset)
def test_potentials_have_thresholds_where_these_change_something(
    emits: Emits, reset: Reset
) -> None:
    """A potential of 6 with theta 6 tells that from 7; without resets, theta is not used."""
    one, membrane = np.ones((1, 1), np.int64), Membrane(np.array([6]), reset=reset, emits=emits)
    copy = Dense(one, np.zeros(1, np.int64))
    classes = [copy] if emits is Emits.SPIKES else []
    graph = chain(Input((1,), 0, 9, 1.0), copy, membrane, *classes, Readout(np.ones(1)), steps=2)
    unused = emits is Emits.POTENTIAL and reset is Reset.NONE
    counts = closeness(graph, np.array([[[6], [0]]])).counts
    assert counts.shape == (1, 0 if unused else 2)
    assert counts.any() != unused


def test_each_neuron_may_have_a_threshold() -> None:
    theta = np.array([[[2, 3], [4, 5]]])
    nodes = (
        Node("input", Input((1, 2, 2), 0, 9, 1.0)),
        Node("copy", Conv2d(np.ones((1, 1, 1, 1), np.int64), np.zeros(1, np.int64)), ("input",)),
        Node("cells", Membrane(theta, decay=4096), ("copy",)),
        Node("flat", Reshape((4,)), ("cells",)),
        Node("class", Dense(np.ones((1, 4), np.int64), np.zeros(1, np.int64)), ("flat",)),
        Node("readout", Readout(np.ones(1)), ("class",)),
    )
    graph = Graph("neurons", nodes, 2)
    samples = np.array([[[[2, 2], [2, 5]]]])[:, None].repeat(2, axis=1)
    samples[:, 1] = 0
    on, below = [1, 0, 0, 1], [0, 1, 0, 0]
    assert closeness(graph, samples).counts.tolist() == [[*on, *below]]
    assert reachable(graph).all()
    assert check_samples(graph).places == 8


@pytest.mark.parametrize("source", [Input((3, 4), 0, 1, 1.0), Input((5,), -(2**53), 2**53, 1.0)])
@pytest.mark.parametrize("steps", [1, 3])
def test_candidates_are_within_the_range_and_differ(source: Input, steps: int) -> None:
    drawn = [draw(source, steps, index) for index in range(20)]
    for index, sample in enumerate(drawn):
        assert sample.shape == (steps, *source.shape)
        assert source.low <= sample.min() <= sample.max() <= source.high
        np.testing.assert_array_equal(sample, draw(source, steps, index))
    assert len({sample.tobytes() for sample in drawn}) > 10


@pytest.mark.parametrize("graph", [residual_graph(), membrane_graph()], ids=["levels", "membrane"])
def test_the_expected_output_is_the_interpreters(graph: Graph) -> None:
    checks = check_samples(graph)
    assert 8 <= len(checks) <= 32
    np.testing.assert_array_equal(
        interpret(graph, checks.samples).accumulators(graph), checks.expected
    )
    again = check_samples(graph)
    np.testing.assert_array_equal(again.samples, checks.samples)
    assert again.coverage == checks.coverage


def test_all_values_beside_thresholds_are_found_where_possible() -> None:
    checks = check_samples(identity_then(levels(2, 3, 7)))
    assert (checks.covered, checks.places) == (6, 6)
    assert checks.coverage.startswith("100.0% of the 6 values")


def test_samples_are_chosen_from_those_that_are_given() -> None:
    graph = identity_then(levels(200), high=255)
    given = np.full((1000, 1), 7)
    given[333:336], given[666:669] = 200, 199
    checks = check_samples(graph, given)
    assert set(checks.samples.ravel().tolist()) == {7, 199, 200}
    assert checks.samples[:2].ravel().tolist() in ([200, 199], [199, 200])
    assert (checks.covered, checks.places) == (2, 2)
    assert check_samples(graph, np.array([[5]])).samples.tolist() == [[5]]
    with pytest.raises(InputError, match=r"its range is 0\.\.255"):
        check_samples(graph, np.array([[256]]))


@pytest.mark.parametrize("graph", [residual_graph(), membrane_graph()], ids=["levels", "membrane"])
def test_the_first_have_the_most_events_and_none(graph: Graph) -> None:
    checks = check_samples(graph, extremes=True)
    events = closeness(graph, as_samples(graph, checks.samples)).events
    assert events[0] == events.max() > 0
    assert not checks.samples[1].any()
    assert len(checks) <= 32
    plain = check_samples(graph)
    others = closeness(graph, as_samples(graph, plain.samples)).events
    assert events[0] >= others.max()


def test_the_most_events_are_looked_for_among_given_samples_too() -> None:
    graph = membrane_graph()
    given = np.zeros((20, 4, 5), np.int64)
    given[:, 0, 0], given[13] = 1, 1
    checks = check_samples(graph, given, extremes=True)
    assert checks.samples[0].all()
    assert not checks.samples[1].any()


@pytest.mark.parametrize(("low", "high"), [(1, 9), (-9, -1)])
def test_where_0_is_not_in_the_range_all_have_events(low: int, high: int) -> None:
    graph = identity_then(levels(2, 3, 7), low=low, high=high)
    checks = check_samples(graph, extremes=True)
    assert (checks.samples != 0).any(axis=1).all()


def test_events_are_what_is_not_0_where_they_arise() -> None:
    """Input and levels of each sample; a value of 1 reaches no level."""
    graph = identity_then(levels(2, 3, 7))
    assert closeness(graph, np.array([0, 1, 2, 9])[:, None, None]).events.tolist() == [0, 1, 2, 2]


def moved(graph: Graph, name: str, by: int) -> Graph:
    """Return a graph with all thresholds of a layer moved."""
    nodes = []
    for node in graph.nodes:
        op = node.op
        if node.name == name and isinstance(op, Threshold):
            op = replace(op, theta=op.theta + by)
        nodes.append(Node(node.name, op, node.inputs))
    return Graph(graph.name, tuple(nodes), graph.steps)


def wrong(graph: Graph, samples: NDArray[Any], expected: NDArray[Any]) -> int:
    return int((CpuRunner(graph).answers(samples) != expected).any(axis=1).sum())


@pytest.mark.parametrize("by", [1, -1])
@pytest.mark.parametrize("layer", ["spikes1", "spikes2", "spikes3", "spikes4"])
def test_samples_notice_that_a_layers_thresholds_moved_by_one(layer: str, by: int) -> None:
    """Those compiled in for microcontrollers notice it too."""
    graph = shipped_model("fashion_s3nn")
    checks = _checks("fashion_s3nn")
    for count in (len(checks), 10):
        samples, expected = checks.samples[:count], checks.expected[:count]
        assert wrong(graph, samples, expected) == 0
        assert wrong(moved(graph, layer, by), samples, expected) > 0


_KEPT: dict[str, Any] = {}


def _checks(name: str) -> Any:
    if name not in _KEPT:
        _KEPT[name] = check_samples(shipped_model(name))
    return _KEPT[name]


def pooled(shape: tuple[int, int, int], steps: int = 1) -> Graph:
    """Return a graph of a few bytes whose tensors are as large as the input's."""
    zero = np.zeros(1, np.int64)
    return chain(
        Input(shape, 0, 1, 1.0),
        levels(1),
        levels(1),
        SumPool2d((1, 1), shape[1:]),
        Reshape((1,)),
        Dense(np.ones((1, 1), np.int64), zero),
        Readout(np.ones(1)),
        steps=steps,
    )


def test_work_is_counted_by_hand() -> None:
    graph = chain(
        Input((2, 5, 5), 0, 1, 1.0),
        Conv2d(np.ones((3, 2, 2, 2), np.int64), np.zeros(3, np.int64)),
        Threshold(np.ones((3, 2), np.int64), np.zeros(3, bool)),
        MaxPool2d((2, 2), (2, 2)),
        Reshape((12,)),
        Dense(np.ones((4, 12), np.int64), np.zeros(4, np.int64)),
        Readout(np.ones(4)),
        steps=3,
    )
    assert work(graph) == 3 * (50 + 48 * 8 + 48 * 2 + 12 * 4 + 12 + 48 + 4)


def test_a_graph_that_is_too_large_is_refused_before_memory_is_taken() -> None:
    with pytest.raises(UnsupportedError) as caught:
        check_samples(pooled((1, 11585, 11585)))
    assert caught.value.violations == (
        "its nodes have 402,636,679 values at each step; the limit is 33,554,432, use smaller "
        "layers",
        "one sample has 134,212,225 values in 1 steps; the limit is 16,777,216, use fewer steps or "
        "a smaller input",
    )
    with pytest.raises(UnsupportedError) as caught:
        check_samples(pooled((1, 100, 100), 100_000))
    assert caught.value.violations == (
        "one sample has 1,000,000,000 values in 100,000 steps; the limit is 16,777,216, use fewer "
        "steps or a smaller input",
    )


def test_much_work_on_a_small_input_is_refused() -> None:
    graph = chain(
        Input((1, 1500, 1500), 0, 1, 1.0),
        Conv2d(np.ones((1, 1, 750, 750), np.int64), np.zeros(1, np.int64)),
        Threshold(np.ones((1, 1), np.int64), np.zeros(1, bool)),
        SumPool2d((751, 751), (751, 751)),
        Reshape((1,)),
        Dense(np.ones((1, 1), np.int64), np.zeros(1, np.int64)),
        Readout(np.ones(1)),
    )
    with pytest.raises(UnsupportedError, match=r"one sample takes 317,\d+,\d+,\d+ operations; the"):
        check_samples(graph)


def test_long_samples_are_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sample of 2**10 values, of which 2**12 are allowed."""
    monkeypatch.setattr(module, "SAMPLE_VALUES_LIMIT", 2**12)
    checks = check_samples(pooled((1, 8, 8), 16))
    assert checks.samples.shape == (4, 16, 1, 8, 8)
    assert checks.samples.dtype == np.uint8


def test_of_many_steps_few_batches_are_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two batches of 64 steps are 128 steps; then the chosen samples run for their answers."""
    monkeypatch.setattr(module, "_STEPS", 128)
    monkeypatch.setattr(module, "_VALUES_AT_ONCE", 2**11)
    ran = []

    def counted(graph: Graph, samples: NDArray[Any], *rest: Any) -> Any:
        ran.append(len(samples))
        return closeness(graph, samples, *rest)

    monkeypatch.setattr(module, "closeness", counted)
    graph = pooled((1, 8, 8), 64)
    at_once = 2**11 // sum(tensor.size for tensor in graph.tensors.values())
    checks = check_samples(graph)
    assert ran[:2] == [at_once, at_once]
    assert sum(ran[2:]) == len(checks) <= 2 * at_once


BYTES = 2 * 2**30
LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, ({bytes}, {bytes}))
from edgespike.cli import main
sys.argv = ["edgespike", "export", "-t", {target!r}, {graph!r}, "-o", {out!r}]
main()
"""


@pytest.mark.parametrize("target", ["cpu", "loihi", "tflite"])
@pytest.mark.parametrize(
    ("graph", "told"),
    [
        (pooled((1, 11585, 11585)), r"402,636,679 (values|elements)"),
        (pooled((1, 100, 100), 100_000), "one sample has 1,000,000,000 values|steps is 100000"),
    ],
    ids=["large", "long"],
)
def test_a_small_file_takes_bounded_memory(
    target: str, graph: Graph, told: str, tmp_path: Path
) -> None:
    path = tmp_path / "graph.safetensors"
    save_graph(graph, path)
    assert path.stat().st_size < 4096
    code = LIMITED.format(bytes=BYTES, target=target, graph=str(path), out=str(tmp_path / "out"))
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
    )
    assert re.search(told, done.stderr)
    assert done.returncode == 2, done.stderr
    assert not (tmp_path / "out").exists()
