"""Counts of more than 64 bits are exact, or refused with the limit; they never wrap around."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import edgespike
from edgespike.counting import (
    Convention,
    Counter,
    Counts,
    EventSums,
    Tally,
    audit,
    count,
    tally_trace,
)
from edgespike.counting.bounds import most_events
from edgespike.counting.exact import add, narrowed
from edgespike.energy import energy_report
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
    Readout,
    Reset,
    Reshape,
    Signal,
    SumPool2d,
    Threshold,
)
from edgespike.interpreter import interpret
from tests.strategies import MIXES, Case, cases


def chain(*nodes: Node, steps: int = 1) -> Graph:
    """Connect each node without inputs to the node before it."""
    before = [("",), *((node.name,) for node in nodes)]
    linked = (
        Node(node.name, node.op, node.inputs or source)
        for node, source in zip(nodes[1:], before[1:], strict=False)
    )
    return Graph("large", (nodes[0], *linked), steps)


def dense(outputs: int) -> Dense:
    return Dense(np.ones((outputs, 1), int), np.zeros(outputs, int))


def doubled(times: int, outputs: int) -> Graph:
    """One spike that is added to itself so often, then ``outputs`` synapses."""
    names = ["input", *(f"a{i}" for i in range(times))]
    return chain(
        Node("input", Input((1,), 0, 1, 1.0)),
        *(Node(name, Add(), (source, source)) for source, name in pairwise(names)),
        Node("dense", dense(outputs)),
        Node("readout", Readout(np.ones(outputs))),
    )


def counted(graph: Graph, samples: NDArray[Any]) -> Counts:
    return count(graph, samples, interpret(graph, samples))


ONE = np.ones((1, 1), np.uint8)


def test_a_product_of_64_bits_is_a_python_integer() -> None:
    counts = counted(doubled(52, 2**11), ONE)
    assert counts.synaptic_operations() == 2**63
    (row,) = [layer.totals() for layer in counts.layers if layer.name == "dense"]
    assert row["synaptic_operations"] == {kind.value: 2**63 for kind in Convention}
    assert row["membrane_reads"] == 2**63
    assert json.loads(json.dumps(counts.to_json()))["weight_reads"] == 2**63
    assert counts.layers[1].per_step()["synaptic_operations"] == [2**63]


def test_sums_over_layers_samples_and_parts_do_not_wrap_around() -> None:
    """Each layer and sample alone fits into 64 bits."""
    graph = chain(
        *doubled(52, 2**10).nodes[:-2],
        Node("dense", dense(2**10)),
        Node("other", dense(2**10), ("a51",)),
        Node("sum", Add(), ("dense", "other")),
        Node("spikes", Threshold(np.full((2**10, 1), 2**50), np.zeros(2**10, bool))),
        Node("last", Dense(np.ones((1, 2**10), int), np.zeros(1, int))),
        Node("readout", Readout(np.ones(1))),
    )
    one = counted(graph, ONE)
    expected = 2 * 2**62 + 2**10
    assert one.synaptic_operations() == expected
    assert counted(graph, np.ones((3, 1), np.uint8)).synaptic_operations() == 3 * expected
    assert (one + one).synaptic_operations() == 2 * expected


def test_energies_of_large_counts_are_positive_and_proportional() -> None:
    graph = doubled(52, 2**11)
    small = doubled(0, 2**11)
    report = energy_report(graph, counted(graph, ONE))
    large, one = report.estimates[0], energy_report(small, counted(small, ONE)).estimates[0]
    assert large.model.name == one.model.name == "fp32-spiking-only"
    assert large.energy.typical == pytest.approx(one.energy.typical * 2**52)
    assert all(row.energy.low >= 0 for row in report.estimates)
    json.dumps(report.to_json())


def many_spikes(weight: int, steps: int = 2) -> Graph:
    """A membrane that emits ``weight`` spikes a step, and a delay that begins with 2**46."""
    membrane = Membrane(np.ones(1, int), max_spikes=2**46, reset=Reset.NONE, saturation=2**53)
    return chain(
        Node("input", Input((1,), 0, 1, 1.0)),
        Node("first", Dense(np.array([[weight]]), np.zeros(1, int))),
        Node("membrane", membrane),
        Node("delay", Delay((1,), 0, 2**46, Signal.SPIKES, 2**46)),
        Node("second", dense(1)),
        Node("readout", Readout(np.ones(1))),
        steps=steps,
    )


def test_initial_events_of_a_delay_are_exact() -> None:
    """Their sum alone, 2**46 for each of 2**17 samples, has more than 63 bits."""
    samples = 2**17
    counts = edgespike.count(many_spikes(1), np.ones((samples, 1), np.uint8))
    (row,) = [layer for layer in counts.layers if layer.name == "second"]
    found = row.synaptic_operations[Convention.QUANTISED]
    assert found.tolist() == [2**63, samples]
    assert counts.total.totals()["synaptic_operations"]["every"] == 2**63 + 3 * samples


def test_more_samples_than_their_sums_have_bits_for_are_refused() -> None:
    graph = many_spikes(2**46)
    message = (
        r"graph 'large' cannot be counted on 131072 samples at once: membrane \(membrane\) emits "
        r"up to 70368744177664 spikes a step, and their sum may exceed 9223372036854775807; count "
        r"at most 131071 samples at a time"
    )
    with pytest.raises(InputError, match=message):
        edgespike.count(graph, np.ones((2**17, 1), np.uint8))


def test_graded_events_whose_values_cancel_are_bounded_by_their_number() -> None:
    """Twice zero is zero, but every addition doubles the events: the range says nothing."""
    names = ["zero", *(f"a{i}" for i in range(70))]
    graph = chain(
        Node("input", Input((1,), -1, -1, 1.0)),
        Node("dense", dense(1)),
        Node("always", Threshold(np.full((1, 1), -5), np.zeros(1, bool))),
        Node("zero", Add(), ("input", "always")),
        *(Node(name, Add(), (source, source)) for source, name in pairwise(names)),
        Node("second", dense(3)),
        Node("readout", Readout(np.ones(3))),
    )
    counts = counted(graph, np.full((2, 1), -1))
    assert counts.synaptic_operations() == 2 * 3 * 2**70
    assert counts.multiply_accumulates() == 2 * 3 * 2**70 + 2


def pooled(times: int, windows: MaxPool2d, outputs: int) -> Graph:
    """Events of both kinds, doubled so often, that enter the windows of a max pool."""
    names = ["zero", *(f"a{i}" for i in range(times))]
    return chain(
        Node("input", Input((1, 2, 2), -1, -1, 1.0)),
        Node("conv", Conv2d(np.ones((1, 1, 1, 1), int), np.zeros(1, int))),
        Node("always", Threshold(np.full((1, 1), -5), np.zeros(1, bool))),
        Node("zero", Add(), ("input", "always")),
        *(Node(name, Add(), (source, source)) for source, name in pairwise(names)),
        Node("pool", windows),
        Node("flat", Reshape((outputs,))),
        Node("dense", Dense(np.ones((1, outputs), int), np.zeros(1, int))),
        Node("readout", Readout(np.ones(1))),
    )


@pytest.mark.parametrize("times", [57, 58, 59, 60, 61, 62, 63, 70])
@pytest.mark.parametrize(
    ("windows", "outputs", "entered"),
    [
        (MaxPool2d((2, 2), (1, 1), (1, 1)), 9, 16),  # each of 4 elements is in 4 windows
        (MaxPool2d((2, 2), (1, 1)), 1, 4),  # each is in one
        (MaxPool2d((1, 2), (1, 1), (0, 1)), 6, 8),
        (MaxPool2d((2, 1), (1, 1)), 2, 4),
    ],
)
def test_pool_operations_near_64_bits_do_not_wrap_around(
    times: int, windows: MaxPool2d, outputs: int, entered: int
) -> None:
    counts = counted(pooled(times, windows, outputs), np.full((1, 1, 2, 2), -1))
    (row,) = [layer.totals() for layer in counts.layers if layer.name == "pool"]
    assert row["pool_operations"] == 2 * entered * 2**times
    assert row["arrivals"] == 2 * 4 * 2**times


def test_counts_beyond_every_use_are_refused() -> None:
    names = ["zero", *(f"a{i}" for i in range(300))]
    graph = chain(
        Node("input", Input((1,), -1, -1, 1.0)),
        Node("dense", dense(1)),
        Node("always", Threshold(np.full((1, 1), -5), np.zeros(1, bool))),
        Node("zero", Add(), ("input", "always")),
        *(Node(name, Add(), (source, source)) for source, name in pairwise(names)),
        Node("second", dense(3)),
        Node("readout", Readout(np.ones(3))),
    )
    with pytest.raises(InputError, match=r"second has more operations .* limit of 10\*\*60"):
        counted(graph, np.full((1, 1), -1))


def test_an_audit_without_end_is_refused() -> None:
    graph = doubled(52, 2)
    trace = interpret(graph, ONE)
    with pytest.raises(InputError, match=r"would make up to 13510798882111486 moves.* 100000000"):
        audit(graph, ONE, trace)


def test_an_audit_walks_a_chain_longer_than_pythons_stack() -> None:
    graph = chain(
        Node("input", Input((1,), 0, 1, 1.0)),
        *(Node(f"r{i}", Reshape((1,))) for i in range(2000)),
        Node("dense", dense(3)),
        Node("readout", Readout(np.ones(3))),
    )
    trace = interpret(graph, ONE)
    assert audit(graph, ONE, trace).agrees(count(graph, ONE, trace))


def test_pools_and_passing_operations_count_the_same_in_both_kinds_of_numbers() -> None:
    graph = chain(
        Node("input", Input((2, 4, 4), 0, 1, 1.0)),
        Node("max", MaxPool2d((2, 2), (1, 1), (1, 1))),
        Node("sum", SumPool2d((2, 2), (2, 2), (1, 1))),
        Node("flat", Reshape((2 * 3 * 3,))),
        Node("dense", Dense(np.ones((3, 18), int), np.zeros(3, int))),
        Node("readout", Readout(np.ones(3))),
    )
    samples = np.random.default_rng(3).integers(0, 2, (4, 2, 4, 4))
    assert in_python_integers(graph, samples) == counted(graph, samples).to_json()


@given(case=st.sampled_from(MIXES).flatmap(cases))
@settings(max_examples=30)
def test_both_kinds_of_numbers_give_the_same_counts(case: Case) -> None:
    ordinary = counted(case.graph, case.samples).to_json()
    assert in_python_integers(case.graph, case.samples) == ordinary


def in_python_integers(graph: Graph, samples: NDArray[Any]) -> object:
    counter = Counter(graph)
    counter._most = 2**64
    return counter.counts(tally_trace(graph, samples, interpret(graph, samples))).to_json()


@given(case=st.sampled_from(MIXES).flatmap(cases))
@settings(max_examples=30)
def test_no_element_emits_more_events_than_are_proven(case: Case) -> None:
    most = most_events(case.graph)
    trace = interpret(case.graph, case.samples, keep=[node.name for node in case.graph.nodes])
    for node in case.graph.nodes:
        if case.graph.tensors[node.name].signal is Signal.SPIKES:
            assert trace.values[node.name].max() <= most[node.name]


def test_numbers_are_as_narrow_as_they_can_be() -> None:
    largest = np.array([2**63 - 1, 0])
    assert add(largest, np.array([0, 5])).dtype == np.int64
    beyond = add(largest, largest)
    assert beyond.tolist() == [2**64 - 2, 0]
    assert narrowed(beyond).dtype == np.object_
    assert narrowed(add(beyond, beyond)[1:]).dtype == np.int64


@pytest.mark.parametrize("samples", [2**11 - 1, 2**11, 2**11 + 1, 2**11 + 3])
def test_products_beyond_24_bits_are_exact(samples: int) -> None:
    """Each sample brings 8,191 operations; from 2**24 on, float32 would round odd sums."""
    weight = np.ones((1024, 8), np.int64)
    weight[0, 0] = 0
    nodes = (
        Node("input", Input((8,), 0, 1, 1.0)),
        Node("fire", Threshold(np.zeros((8, 1), np.int64), np.zeros(8, bool)), ("first",)),
        Node("dense", Dense(weight, np.zeros(1024, np.int64)), ("fire",)),
        Node("out", Readout(np.ones(1024)), ("dense",)),
    )
    first = Node("first", Dense(np.ones((8, 8), np.int64), np.zeros(8, np.int64)), ("input",))
    graph = Graph("wide", (nodes[0], first, *nodes[1:]), 1)
    events = {
        "input": np.full((1, 8), samples, np.int64),
        "fire": np.full((1, 8), samples, np.int64),
    }
    counts = Counter(graph).counts(Tally(np.zeros((samples, 1024), np.int64), events))
    (row,) = (row for row in counts.layers if row.name == "dense")
    assert row.synaptic_operations[Convention.QUANTISED].tolist() == [8191 * samples]
    assert row.synaptic_operations[Convention.EVERY].tolist() == [8192 * samples]
    in_bits = EventSums({name: array.astype(np.int16) for name, array in events.items()})
    same = Counter(graph).counts(Tally(np.zeros((samples, 1024), np.int64), in_bits))
    assert same.to_json() == counts.to_json()


def test_a_tally_of_ones_that_holds_more_is_counted_as_it_is() -> None:
    """Another target's sums are added up, whatever the graph's range says of them."""
    case = np.ones((1, 8), np.int64)
    nodes = (
        Node("input", Input((8,), 0, 1, 1.0)),
        Node("dense", Dense(np.ones((2, 8), np.int64), np.zeros(2, np.int64)), ("input",)),
        Node("out", Readout(np.ones(2)), ("dense",)),
    )
    counts = Counter(Graph("few", nodes, 1)).counts(
        Tally(np.zeros((1, 2), np.int64), {"input": 2 * case})
    )
    assert counts.layers[0].events.tolist() == [16]


def test_numbers_are_found_by_a_convention_or_its_value() -> None:
    assert {Convention.EVERY: 1}["every"] == 1  # type: ignore[index]
