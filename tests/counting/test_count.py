"""Counts equal a walk of every event to every synapse, add up, and agree with hand counts."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgespike.counting import Convention, audit, count, fan_out
from edgespike.counting.audit import is_source
from edgespike.counting.count import windows_over
from edgespike.counting.tally import event_sources
from edgespike.errors import InputError
from edgespike.graph import (
    Add,
    Conv2d,
    Delay,
    Dense,
    Graph,
    Input,
    MaxPool2d,
    Membrane,
    Node,
    Operation,
    Readout,
    Reshape,
    Signal,
    Threshold,
)
from edgespike.graph.ops import OPERATIONS
from edgespike.interpreter import interpret
from edgespike.trace import Trace
from tests.example_graphs import membrane_graph, recurrent_graph, residual_graph, samples_for
from tests.random_graphs import up_to
from tests.strategies import MIXES, Case, cases, one_of_each


@pytest.mark.parametrize("mix", MIXES)
@given(data=st.data())
@settings(max_examples=up_to(40))
def test_counts_equal_the_walk(mix: str, data: st.DataObject) -> None:
    case = data.draw(cases(mix))
    trace = interpret(case.graph, case.samples)
    counted = count(case.graph, case.samples, trace)
    walked = audit(case.graph, case.samples, trace)
    for convention in Convention:
        assert walked.synaptic_operations[convention] == counted.synaptic_operations(convention)
        assert walked.multiply_accumulates[convention] == counted.multiply_accumulates(convention)
    assert walked.agrees(counted)


@pytest.mark.parametrize("kind", ["synaptic_operations", "multiply_accumulates"])
@pytest.mark.parametrize("convention", list(Convention))
def test_an_audit_agrees_with_no_count_that_differs_in_one_number(
    kind: str, convention: Convention
) -> None:
    graph = recurrent_graph(steps=3)
    samples = np.ones((2, 3, 5), np.int64)
    trace = interpret(graph, samples)
    walked, counted = audit(graph, samples, trace), count(graph, samples, trace)
    assert walked.agrees(counted)
    getattr(walked, kind)[convention] += 1
    assert not walked.agrees(counted)


def test_the_walk_knows_the_same_sources_of_events_as_the_operations_do() -> None:
    operations = one_of_each()
    assert operations.keys() == OPERATIONS.keys()
    for drawn in operations.values():
        assert is_source(drawn.node.op) == drawn.node.op.emits_events


def test_every_operation_is_counted_or_says_why_it_is_free() -> None:
    for drawn in one_of_each().values():
        trace = interpret(drawn.case.graph, drawn.case.samples)
        counted = {row.name for row in count(drawn.case.graph, drawn.case.samples, trace).layers}
        reason = drawn.node.op.free
        assert (drawn.node.name in counted) == (reason is None)
        assert reason is None or reason.strip()


def test_a_free_operation_neither_emits_events_nor_has_neurons() -> None:
    for drawn in one_of_each().values():
        op = drawn.node.op
        assert op.free is None or not (op.emits_events or op.has_neurons)


@given(case=st.sampled_from(MIXES).flatmap(cases))
@settings(max_examples=50)
def test_counts_of_parts_add_up_to_the_count_of_the_whole(case: Case) -> None:
    trace = interpret(case.graph, case.samples)
    whole = count(case.graph, case.samples, trace)
    one_by_one = [case.samples[i : i + 1] for i in range(len(case.samples))]
    parts = [count(case.graph, part, interpret(case.graph, part)) for part in one_by_one]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    assert total.to_json() == whole.to_json()


@given(case=st.sampled_from(MIXES).flatmap(cases))
@settings(max_examples=50)
def test_fan_out_sums_to_the_synapses_of_the_layer(case: Case) -> None:
    """Each output place has one synapse per kernel place that is not on the padded border."""
    for node in case.graph.nodes:
        if isinstance(node.op, Dense | Conv2d):
            shape = case.graph.input_tensors(node)[0].shape
            ones = interpret_all_ones(node.op, shape)
            assert fan_out(node.op, shape, Convention.EVERY).sum() == ones


def interpret_all_ones(op: Dense | Conv2d, shape: tuple[int, ...]) -> int:
    """Sum the outputs of a layer whose weights and inputs are all one."""
    from edgespike.interpreter import evaluate

    ones = replace(op, weight=np.ones_like(op.weight), bias=np.zeros_like(op.bias))
    value, _ = evaluate(ones, [np.ones((1, *shape), np.int64)])
    return int(value.sum())


def test_the_three_conventions_by_hand() -> None:
    """Two spikes at three synapses each; one weight was rounded to zero, one pruned before."""
    weight = np.array([[3, 0], [0, 2], [1, 1]])
    trained = np.array([[True, True], [False, True], [True, True]])
    graph = Graph(
        "hand",
        (
            Node("input", Input((2,), 0, 1, 1.0)),
            Node("dense", Dense(weight, np.zeros(3, np.int64), trained), ("input",)),
            Node("readout", Readout(np.ones(3)), ("dense",)),
        ),
    )
    samples = np.array([[1, 1], [0, 1]], np.uint8)
    total = count(graph, samples, interpret(graph, samples)).total.totals()
    assert total["synaptic_operations"] == {"every": 9, "nonzero": 8, "quantised": 6}
    assert total["multiply_accumulates"] == 0
    assert total["neuron_updates"] == 6
    assert total["weight_reads"] == 6
    assert total["membrane_reads"] == 12


def test_graded_input_is_counted_as_multiply_accumulates_and_zeros_are_not_events() -> None:
    graph = Graph(
        "graded",
        (
            Node("input", Input((1, 3, 3), 0, 255, 1 / 255)),
            Node(
                "conv",
                Conv2d(np.ones((2, 1, 3, 3), int), np.zeros(2, int), padding=(1, 1)),
                ("input",),
            ),
            Node("spikes", Threshold(np.full((2, 1), 100), np.zeros(2, bool)), ("conv",)),
            Node("flat", Reshape((18,)), ("spikes",)),
            Node("dense", Dense(np.ones((4, 18), int), np.zeros(4, int)), ("flat",)),
            Node("readout", Readout(np.ones(4)), ("dense",)),
        ),
    )
    samples = np.zeros((1, 1, 3, 3), np.uint8)
    samples[0, 0, 0, 0] = 200  # a corner reaches 2 x 2 places of 2 channels
    counts = count(graph, samples, interpret(graph, samples))
    rows = {row.name: row.totals() for row in counts.layers}
    assert rows["conv"]["multiply_accumulates"] == 8
    assert rows["conv"]["synaptic_operations"]["quantised"] == 0
    assert rows["spikes"]["spikes"] == 8
    assert rows["dense"]["synaptic_operations"]["quantised"] == 8 * 4
    assert rows["dense"]["multiply_accumulates"] == 0


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "dilation"),
    [
        ((4, 4), (3, 3), (2, 2), (0, 1, 0, 1), (1, 1)),
        ((5, 6), (3, 2), (1, 2), (2, 0, 0, 1), (1, 1)),
        ((5, 4), (2, 2), (2, 1), (0, 3, 2, 1), (2, 3)),
        ((3, 3), (2, 3), (3, 1), (1, 2, 0, 2), (1, 1)),
    ],
)
def test_synapses_at_a_border_that_is_padded_on_one_side(
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int, int, int],
    dilation: tuple[int, int],
) -> None:
    """Place the kernel everywhere in the padded input, and mark what it covers."""
    top, bottom, left, right = padding
    leaving = np.zeros((size[0] + top + bottom, size[1] + left + right), int)
    reach = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    for y in range(0, len(leaving) - reach[0], stride[0]):
        for x in range(0, leaving.shape[1] - reach[1], stride[1]):
            for ky, kx in np.ndindex(*kernel):
                leaving[y + ky * dilation[0], x + kx * dilation[1]] += 1
    expected = leaving[top : top + size[0], left : left + size[1]]
    op = Conv2d(np.ones((3, 1, *kernel), int), np.zeros(3, int), None, stride, padding, dilation)
    assert np.array_equal(fan_out(op, (1, *size), Convention.EVERY)[0], 3 * expected)
    features = 3 * math.prod(op.output_size((1, *size)))
    graph = Graph(
        "padded",
        (
            Node("input", Input((1, *size), 0, 1, 1.0)),
            Node("conv", op, ("input",)),
            Node("spikes", Threshold(np.full((3, 1), 99), np.zeros(3, bool)), ("conv",)),
            Node("flat", Reshape((features,)), ("spikes",)),
            Node("dense", Dense(np.ones((1, features), int), np.zeros(1, int)), ("flat",)),
            Node("readout", Readout(np.ones(1)), ("dense",)),
        ),
    )
    for place in np.ndindex(*size):
        samples = np.zeros((1, 1, *size), np.uint8)
        samples[0, 0][place] = 1
        trace = interpret(graph, samples)
        assert count(graph, samples, trace).synaptic_operations(Convention.EVERY) == (
            3 * expected[place]
        )
        walked = audit(graph, samples, trace)
        assert walked.synaptic_operations[Convention.EVERY] == 3 * expected[place]


def test_windows_over_an_input_that_is_padded_on_one_side() -> None:
    pool = MaxPool2d((2, 2), (2, 2), (0, 1, 1, 0))
    assert windows_over(pool, (1, 3, 3)).tolist() == [[1, 1, 1]] * 3
    overlapping = MaxPool2d((3, 2), (1, 1), (0, 2, 0, 1))
    assert windows_over(overlapping, (1, 3, 3)).tolist() == [[1, 2, 2], [2, 4, 4], [3, 6, 6]]


def test_spikes_that_meet_in_an_addition_stay_two_events() -> None:
    one = Dense(np.eye(2, dtype=int), np.zeros(2, int))
    fires = Threshold(np.ones((2, 1), int), np.zeros(2, bool))
    graph = Graph(
        "sum",
        (
            Node("input", Input((2,), 0, 1, 1.0)),
            Node("a", one, ("input",)),
            Node("spikes", fires, ("a",)),
            Node("both", Add(), ("input", "spikes")),
            Node("dense", Dense(np.ones((5, 2), int), np.zeros(5, int)), ("both",)),
            Node("readout", Readout(np.ones(5)), ("dense",)),
        ),
    )
    samples = np.array([[1, 0]], np.uint8)
    counts = count(graph, samples, interpret(graph, samples))
    rows = {row.name: row.totals() for row in counts.layers}
    assert rows["dense"]["synaptic_operations"]["every"] == 2 * 5


def test_spikes_and_graded_events_that_meet_are_counted_apart() -> None:
    """Two spikes and two graded events, each at three synapses."""
    levels = Threshold(np.array([[1, 2], [1, 2]]), np.zeros(2, bool))
    graph = Graph(
        "mixed",
        (
            Node("input", Input((2,), 0, 1, 1.0)),
            Node("a", Dense(np.eye(2, dtype=int), np.zeros(2, int)), ("input",)),
            Node("levels", levels, ("a",)),
            Node("both", Add(), ("input", "levels")),
            Node("dense", Dense(np.ones((3, 2), int), np.zeros(3, int)), ("both",)),
            Node("readout", Readout(np.ones(3)), ("dense",)),
        ),
    )
    samples = np.array([[1, 1]], np.uint8)
    trace = interpret(graph, samples)
    rows = {row.name: row.totals() for row in count(graph, samples, trace).layers}
    assert rows["dense"]["synaptic_operations"]["quantised"] == 6
    assert rows["dense"]["multiply_accumulates"] == 6
    walked = audit(graph, samples, trace)
    assert walked.synaptic_operations[Convention.QUANTISED] == 2 * 1 + 6
    assert walked.multiply_accumulates[Convention.QUANTISED] == 6


@pytest.mark.parametrize("initial", [0, 2])
def test_recurrent_synapses_by_hand(initial: int) -> None:
    """The last step's output is not delivered; the initial value is, unless it is zero."""
    graph = recurrent_graph(steps=3)
    begins = Node("before", Delay((6,), 0, 4, Signal.GRADED, initial), ("state",))
    nodes = tuple(begins if node.name == "before" else node for node in graph.nodes)
    graph = Graph("recurrent", nodes, 3)
    samples = np.random.default_rng(1).integers(0, 16, (4, 3, 5))
    trace = interpret(graph, samples)
    layers = {row.name: row for row in count(graph, samples, trace).layers}
    fan = (np.asarray(graph["recurrent"].op.weight) != 0).sum(axis=0)  # type: ignore[union-attr]
    events = (trace.values["state"] != 0).sum(axis=0)
    first = 4 * fan.sum() if initial else 0
    expected = [first, events[0] @ fan, events[1] @ fan]
    found = layers["recurrent"].multiply_accumulates[Convention.QUANTISED]
    assert found.tolist() == [int(number) for number in expected]
    assert "before" not in layers


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda values: values[:2], r"has shape \(2, 1, "),
        (lambda values: np.repeat(values, 2, axis=1), r"has shape \(3, 2, "),
        (None, "is missing"),
    ],
)
def test_a_trace_of_other_samples_is_refused(
    change: Callable[[NDArray[Any]], NDArray[Any]] | None, found: str
) -> None:
    graph = residual_graph()
    samples = samples_for(graph, 3)
    values = dict(interpret(graph, samples).values)
    name = event_sources(graph)[-1]
    array = values.pop(name)
    if change is not None:
        values[name] = change(array)
    message = rf"trace does not belong to these samples: layer {name} {found}"
    with pytest.raises(InputError, match=message):
        count(graph, samples, Trace(values))


@pytest.mark.parametrize("reshapes", [1, 2])
def test_operations_behind_a_reshape_are_those_of_the_elements_in_the_graphs_order(
    reshapes: int,
) -> None:
    """Pruned weights differ at each element, so an element in the wrong place would show."""
    rng = np.random.default_rng(3)
    weight = rng.integers(0, 2, (5, 24))
    ops: dict[str, Operation] = {
        "conv": Conv2d(np.ones((2, 1, 1, 1), np.int64), np.zeros(2, np.int64)),
        "fire": Threshold(np.array([[1], [2]]), np.zeros(2, bool)),
        "flat": Reshape((24,)),
        **({"again": Reshape((4, 2, 3)), "flatter": Reshape((24,))} if reshapes == 2 else {}),
        "dense": Dense(weight, np.zeros(5, np.int64)),
        "out": Readout(np.ones(5)),
    }
    nodes = [Node("input", Input((1, 3, 4), 0, 2, 1.0))]
    for name, op in ops.items():
        nodes.append(Node(name, op, (nodes[-1].name,)))
    graph = Graph("reshaped", tuple(nodes), 1)
    samples = rng.integers(0, 3, (1, 1, 3, 4))
    trace = interpret(graph, samples)
    spikes = trace.values["fire"].reshape(24)
    counts = count(graph, samples, trace)
    (row,) = (row for row in counts.layers if row.name == "dense")
    assert row.synaptic_operations[Convention.QUANTISED].tolist() == [int((weight @ spikes).sum())]
    assert audit(graph, samples, trace).agrees(counts)


def test_a_synaptic_current_is_a_second_state_that_is_read_and_written() -> None:
    graph = membrane_graph()
    place = next(i for i, node in enumerate(graph.nodes) if isinstance(node.op, Membrane))
    node = graph.nodes[place]
    assert isinstance(node.op, Membrane)
    slow = replace(node, op=replace(node.op, decay_syn=4096))  # it computes the same
    changed = replace(graph, nodes=(*graph.nodes[:place], slow, *graph.nodes[place + 1 :]))
    samples = samples_for(graph, 2)
    plain, current = (count(each, samples, interpret(each, samples)) for each in (graph, changed))
    neurons = graph.tensors[node.name].size
    before, after = plain.total.totals(), current.total.totals()
    for key in ("membrane_reads", "membrane_writes"):
        assert after.pop(key) - before.pop(key) == neurons * graph.steps * 2
    assert before == after
