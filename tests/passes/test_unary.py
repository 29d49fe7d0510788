"""Unary coding: single spikes whose sums are the levels, and the same readout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings

from edgespike.counting import Convention, count, fan_out
from edgespike.errors import UnsupportedError
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
    SumPool2d,
    Threshold,
)
from edgespike.graph.tensor import Integers
from edgespike.interpreter import interpret
from edgespike.passes.unary import unary
from tests.example_graphs import membrane_graph, residual_graph, samples_for
from tests.random_graphs import up_to
from tests.strategies import LEVEL_MIXES, MIXES, PRODUCT_MIXES, Case, cases
from tests.unary import assert_decodes

IMAGE = Input((4, 4, 3), 0, 15, 1.0)
ROW = Input((12,), 0, 15, 1.0)


@pytest.mark.parametrize("mix", [mix for mix in MIXES if mix not in ("signed", *PRODUCT_MIXES)])
def test_the_readout_is_the_same_and_spikes_sum_up_to_levels(mix: str) -> None:
    several = 0

    @given(case=cases(mix))
    @settings(max_examples=up_to(100), suppress_health_check=list(HealthCheck))
    def check(case: Case) -> None:
        nonlocal several
        try:
            coded = unary(case.graph)
        except UnsupportedError:
            assume(False)
        defined = interpret(case.graph, case.samples)
        assert_decodes(case.graph, defined, interpret(coded, case.samples))
        several += coded != case.graph

    check()
    assert (several > 0) == (mix in (*LEVEL_MIXES, "concatenation", "recurrent", "delays"))


@given(case=cases("signed"))
@settings(max_examples=10, suppress_health_check=list(HealthCheck))
def test_signed_levels_have_no_unary_form(case: Case) -> None:
    with pytest.raises(UnsupportedError, match="numbers of spikes begin at 0; use graded spikes"):
        unary(case.graph)


@pytest.mark.parametrize("mix", PRODUCT_MIXES)
def test_products_have_no_unary_form(mix: str) -> None:
    @given(case=cases(mix))
    @settings(max_examples=10, suppress_health_check=list(HealthCheck))
    def check(case: Case) -> None:
        with pytest.raises(UnsupportedError, match=r"\(multiply\): single spikes cannot stand for"):
            unary(case.graph)

    check()


@given(case=cases("levels"))
@settings(max_examples=50, suppress_health_check=list(HealthCheck))
def test_graphs_without_pools_and_sums_always_have_a_unary_form(case: Case) -> None:
    assert all(op.levels == 1 for _, op in unary(case.graph).of_type(Threshold))


@pytest.mark.parametrize("graph", [residual_graph(), membrane_graph()], ids=lambda g: g.name)
def test_a_graph_of_single_spikes_stays_as_it_is(graph: Graph) -> None:
    assert unary(graph) == graph


def levels(channels: int, number: int, *flipped: int) -> Threshold:
    theta = np.arange(-10, 10 * number - 10, 10) + np.arange(channels)[:, None]
    return Threshold(theta, np.isin(np.arange(channels), flipped))


def conv(outputs: int, inputs: int, **geometry: Any) -> Conv2d:
    random = np.random.default_rng(outputs)
    weight = random.integers(-3, 4, (outputs, inputs, 3, 3))
    trained = (weight != 0) | (random.random(weight.shape) < 0.5)
    return Conv2d(weight, np.arange(outputs), trained, padding=(1, 1), **geometry)


def dense(outputs: int, inputs: int) -> Dense:
    weight = np.random.default_rng(outputs).integers(-3, 4, (outputs, inputs))
    return Dense(weight, np.arange(outputs))


def ended(*nodes: Node) -> Graph:
    """Add a reshape, a dense layer and a readout after the last node."""
    tensors: dict[str, Any] = {}
    for node in nodes:
        tensors[node.name] = node.op.infer([tensors[name] for name in node.inputs], 1)
    last = nodes[-1].name
    size = tensors[last].size
    end = (
        Node("flat", Reshape((size,)), (last,)),
        Node("last", dense(3, size), ("flat",)),
        Node("readout", Readout(np.ones(3)), ("last",)),
    )
    return Graph("test", (*nodes, *end))


def row(*ops: Operation) -> Graph:
    """Connect operations in a row and end them."""
    nodes: list[Node] = []
    for index, op in enumerate(ops):
        nodes.append(Node(f"{op.kind}{index}", op, (nodes[-1].name,) if nodes else ()))
    return ended(*nodes)


ROWS: dict[str, Sequence[Operation]] = {
    "flipped": (ROW, dense(5, 12), levels(5, 3, 0, 2)),
    "two layers": (ROW, dense(5, 12), levels(5, 3), dense(4, 5), levels(4, 2, 1)),
    "groups": (IMAGE, conv(4, 2, groups=2), levels(4, 3), conv(6, 2, groups=2), levels(6, 2)),
    "depthwise": (IMAGE, conv(4, 1, groups=4), levels(4, 5, 3), conv(8, 1, groups=4), levels(8, 2)),
    "max pool": (IMAGE, conv(4, 4), levels(4, 3, 1), MaxPool2d((2, 2), (1, 2))),
    "sum pool": (IMAGE, conv(4, 4), levels(4, 3, 1), SumPool2d((2, 2), (1, 2), (1, 1))),
    "pools": (IMAGE, levels(4, 1), conv(2, 4), levels(2, 4), MaxPool2d((2, 1), (1, 1)),
              MaxPool2d((1, 2), (1, 1)), SumPool2d((2, 2), (1, 1))),
    "sum pool of accumulators": (IMAGE, conv(4, 4), SumPool2d((2, 2), (1, 1)), levels(4, 3)),
    "flattened": (IMAGE, conv(4, 4), levels(4, 3), Reshape((48,)), dense(5, 48), levels(5, 2)),
    "flattened and back": (IMAGE, conv(4, 4), levels(4, 3), Reshape((48,)), Reshape((4, 4, 3)),
                           conv(3, 4), levels(3, 2)),
    "other height": (IMAGE, conv(4, 4), levels(4, 3), Reshape((4, 3, 4)), conv(3, 4)
                     , levels(3, 2)),
    "features as channels": (ROW, dense(6, 12), levels(6, 3), Reshape((6, 1, 1)), conv(3, 6),
                             levels(3, 2)),
    "reshaped accumulators": (ROW, dense(12, 12), Reshape((3, 2, 2)), levels(3, 3), conv(2, 3)
                              , levels(2, 2)),
    "membranes beside levels": (ROW, dense(6, 12), levels(6, 3), dense(4, 6),
                                Membrane(np.arange(1, 5), max_spikes=3)),
}  # fmt: skip


@pytest.mark.parametrize("ops", ROWS.values(), ids=ROWS)
def test_a_row_of_layers(ops: Sequence[Operation]) -> None:
    graph = row(*ops)
    coded = unary(graph)
    samples = samples_for(graph, 5)
    assert [node.name for node in coded.nodes] == [node.name for node in graph.nodes]
    assert all(op.levels == 1 for _, op in coded.of_type(Threshold))
    assert_decodes(graph, interpret(graph, samples), interpret(coded, samples))


def test_each_threshold_becomes_a_channel() -> None:
    """Two neurons of three levels: the second one's spikes are channels 3, 4, 5."""
    op = Threshold(np.array([[-1, 4, 9], [2, 5, 7]]), np.array([False, True]))
    graph = row(Input((2,), 0, 9, 1.0), Dense(np.eye(2, dtype=int), np.zeros(2, int)), op)
    coded = unary(graph)
    threshold, first = coded["threshold2"].op, coded["dense1"].op
    assert threshold == Threshold(
        np.array([[-1], [4], [9], [2], [5], [7]]), np.repeat([False, True], 3)
    )
    assert isinstance(first, Dense)
    assert first.weight.tolist() == [[1, 0]] * 3 + [[0, 1]] * 3
    spikes = interpret(coded, np.array([[4, 5]])).values["threshold2"]
    assert spikes.ravel().tolist() == [1, 1, 0, 0, 0, 1]


def test_accumulators_are_copied_for_each_number_of_levels_after_them() -> None:
    graph = ended(
        Node("x", ROW),
        Node("sum", dense(4, 12), ("x",)),
        Node("sum.2", dense(4, 12), ("x",)),
        Node("both", Add(), ("sum", "sum.2")),
        Node("few", levels(4, 2), ("both",)),
        Node("more", levels(4, 5), ("sum",)),
        Node("next", dense(4, 4), ("few",)),
        Node("short", dense(4, 4), ("more",)),
        Node("end", Add(), ("next", "short")),
        Node("last_levels", levels(4, 3), ("end",)),
    )
    coded = unary(graph)
    samples = samples_for(graph, 5)
    assert_decodes(graph, interpret(graph, samples), interpret(coded, samples))
    rows = {node.name: len(node.op.weight) for node in coded.nodes if isinstance(node.op, Dense)}
    assert rows == {"sum": 20, "sum.2_": 8, "sum.2": 8, "next": 12, "short": 12, "last": 3}


def test_the_unary_graph_is_counted_as_itself() -> None:
    """A level of n is n spikes; only the input's events are multiplied."""
    graph = row(ROW, dense(5, 12), levels(5, 3, 0), dense(4, 5), levels(4, 2))
    coded = unary(graph)
    samples = samples_for(graph, 6)
    trace = interpret(graph, samples)
    found = {layer.name: layer for layer in count(coded, samples, interpret(coded, samples)).layers}
    second = coded["dense3"].op
    assert isinstance(second, Dense)
    reached = fan_out(second, (15,), Convention.QUANTISED).reshape(5, 3)
    assert (reached == reached[:, :1]).all()
    events = trace.values["threshold2"].sum(axis=(0, 1))
    operations = found["dense3"].synaptic_operations[Convention.QUANTISED]
    assert operations.tolist() == [int(events @ reached[:, 0])]
    assert found["dense3"].multiply_accumulates[Convention.QUANTISED].tolist() == [0]
    assert found["threshold2"].spikes.tolist() == [events.sum()]
    assert found["dense1"].multiply_accumulates[Convention.QUANTISED].sum() > 0


def test_everything_that_has_no_unary_form_is_listed() -> None:
    graph = ended(
        Node("x", IMAGE),
        Node("requantise", levels(4, 2), ("x",)),
        Node("conv", conv(4, 4), ("x",)),
        Node("three", levels(4, 3), ("conv",)),
        Node("one", levels(4, 1), ("conv",)),
        Node("different", Add(), ("three", "one")),
        Node("doubled", Add(), ("three", "three")),
        Node("largest", MaxPool2d((1, 1), (1, 1)), ("doubled",)),
        Node("bare", levels(4, 1), ("three",)),
        Node("joined", Add(), ("requantise", "different", "largest", "bare")),
    )
    with pytest.raises(UnsupportedError, match="'test' has no unary form") as caught:
        unary(graph)
    bare = "levels enter or leave it without synapses; put a weighted layer before it"
    assert caught.value.violations == (
        f"requantise (threshold): {bare}",
        "different (add): its inputs have 3 and 1 levels, or have them in different orders; use "
        "the same for all, or add accumulators",
        "largest (max_pool2d): it takes the largest of sums of levels; pool before they are added",
        f"bare (threshold): {bare}",
    )


SPLIT = "it splits the levels of a channel; keep its channels, or flatten after the threshold"


@pytest.mark.parametrize(
    ("ops", "message"),
    [
        (
            (ROW, dense(12, 12), levels(12, 3), Reshape((3, 2, 2)), conv(2, 3), levels(2, 1)),
            f"reshape3 (reshape): {SPLIT}",
        ),
        (
            (IMAGE, conv(4, 4), Reshape((48,)), levels(48, 2)),
            f"reshape2 (reshape): {SPLIT}",
        ),
        (
            (Input((4, 2, 1), 0, 9, 1.0), conv(4, 4), levels(4, 2), Reshape((8,)),
             Reshape((8, 1, 1)), conv(8, 1, groups=8), levels(8, 1)),
            "conv2d5 (conv2d): its groups split the levels of a channel; use one group, or no "
            "reshape",
        ),
        (
            (IMAGE, conv(4, 4), levels(4, 3), Reshape((48,)), Membrane(np.ones(48, int))),
            "membrane4 (membrane): levels enter or leave it without synapses; put a "
            "weighted layer before it",
        ),
    ],
    ids=["spikes to channels", "flat accumulators", "groups", "membrane"],
)  # fmt: skip
def test_what_has_no_unary_form(ops: Sequence[Operation], message: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        unary(row(*ops))
    assert caught.value.violations == (message,)


def test_a_delay_of_a_pool_has_no_unary_form() -> None:
    nodes = (
        Node("x", IMAGE),
        Node("sums", conv(4, 4), ("x",)),
        Node("neurons", levels(4, 3), ("sums",)),
        Node("pool", MaxPool2d((1, 1), (1, 1)), ("neurons",)),
        Node("delay", Delay((4, 4, 3), 0, 3, Signal.GRADED), ("pool",)),
    )
    with pytest.raises(UnsupportedError) as caught:
        unary(ended(*nodes))
    assert caught.value.violations == (
        "delay (delay): it delays pool (max_pool2d), which has no neurons; delay the neurons "
        "before it, then pool",
    )


def test_a_delay_that_starts_with_some_of_the_levels_has_no_unary_form() -> None:
    nodes = (
        Node("x", ROW),
        Node("sums", dense(5, 12), ("x",)),
        Node("neurons", levels(5, 3), ("sums",)),
        Node("delay", Delay((5,), 0, 3, Signal.GRADED, 2), ("neurons",)),
    )
    with pytest.raises(UnsupportedError) as caught:
        unary(ended(*nodes))
    assert caught.value.violations == (
        "delay (delay): its initial value is 2 of 3 levels, but all neurons of a tensor start "
        "alike; use graded spikes",
    )


def test_weights_that_would_be_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgespike.passes.unary.ELEMENT_LIMIT", 200)
    graph = row(ROW, dense(5, 12), levels(5, 3), dense(4, 5), levels(4, 4))
    with pytest.raises(UnsupportedError) as caught:
        unary(graph)
    assert caught.value.violations == (
        "dense3 (dense): its weight would have 240 elements; the limit is 200, use fewer levels",
    )


def test_levels_that_go_straight_to_the_readout_are_refused() -> None:
    weight: Integers = np.ones((3, 12), np.int64)
    nodes = (
        Node("x", ROW),
        Node("sum", Dense(weight, np.arange(3)), ("x",)),
        Node("three", levels(3, 3), ("sum",)),
        Node("readout", Readout(np.ones(3)), ("three",)),
    )
    with pytest.raises(UnsupportedError, match=r"readout \(readout\): levels enter or leave it"):
        unary(Graph("straight", nodes))
