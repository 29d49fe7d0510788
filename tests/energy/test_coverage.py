"""Coverage: an operation is counted, or free for a stated reason, or an error."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edgespike
from edgespike.counting import Counts, LayerCounts, charges
from edgespike.energy import coverage, energy_report
from edgespike.errors import InputError, UnsupportedError
from edgespike.graph import (
    Conv2d,
    Dense,
    Graph,
    Input,
    Multiply,
    Node,
    Readout,
    Reshape,
    Tensor,
    Threshold,
)
from edgespike.graph.ops import OPERATIONS, Op
from tests.energy.examples import OR, OR_SAMPLES, TWO_LAYERS, TWO_SAMPLES, counts_of
from tests.example_graphs import membrane_graph, recurrent_graph
from tests.strategies import MIXES, Case, cases


@dataclass(frozen=True, eq=False, repr=False)
class Foreign(Op):
    """An operation of somebody else, which counting has never heard of."""

    kind: ClassVar[str] = "foreign"

    def check(self, inputs: Sequence[Tensor]) -> Iterator[str]:
        yield from ()

    def infer(self, inputs: Sequence[Tensor], steps: int) -> Tensor:
        return inputs[0]


def with_foreign(monkeypatch: pytest.MonkeyPatch, free: Any) -> Graph:
    monkeypatch.setattr(Foreign, "free", free)
    monkeypatch.setitem(OPERATIONS, "foreign", Foreign)
    foreign: Any = Foreign()
    return Graph(
        "with_foreign",
        (
            Node("pixels", Input((2,), 0, 255, 1 / 255)),
            Node("strange", foreign, ("pixels",)),
            Node("odd", foreign, ("strange",)),
            Node("dense", Dense(np.ones((1, 2), int), np.zeros(1, int)), ("odd",)),
            Node("answer", Readout(np.ones(1)), ("dense",)),
        ),
    )


def without_foreign(graph: Graph) -> Graph:
    pixels, _, _, dense, answer = graph.nodes
    return Graph(graph.name, (pixels, replace(dense, inputs=("pixels",)), answer))


@pytest.mark.parametrize(
    ("free", "message"),
    [
        (None, "it is neither counted nor declared free; count it in edgespike.counting, or state"),
        ("", "it is declared free without a reason"),
        (True, "it is declared free without a reason"),
    ],
)
def test_an_operation_that_is_neither_counted_nor_free_is_an_error(
    monkeypatch: pytest.MonkeyPatch, free: Any, message: str
) -> None:
    graph = with_foreign(monkeypatch, free)
    with pytest.raises(UnsupportedError) as caught:
        edgespike.counting.Counter(graph)
    assert [line.split(" (")[0] for line in caught.value.violations] == ["strange", "odd"]
    assert all(message in line for line in caught.value.violations)
    # Counts that claim to be of this graph do not help either.
    counts = counts_of(without_foreign(graph), np.ones((1, 2), int))
    with pytest.raises(UnsupportedError, match=message):
        energy_report(graph, counts)
    claimed = Counts(1, (*counts.layers, replace(counts.layers[0], name="strange")))
    with pytest.raises(UnsupportedError, match=r"odd \(foreign\)"):
        energy_report(graph, claimed)


def test_a_free_operation_that_counting_does_not_know_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    graph = with_foreign(monkeypatch, "it only looks at its input")
    with pytest.raises(UnsupportedError, match="does not know whether events pass through it"):
        edgespike.counting.Counter(graph)
    found = coverage(graph, counts_of(without_foreign(graph), np.ones((1, 2), int)))
    assert found.reasons == {"foreign": "it only looks at its input"}
    assert found.free == {"foreign": 2}


def test_an_operation_that_is_counted_and_declared_free_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counts = counts_of(TWO_LAYERS, TWO_SAMPLES)
    monkeypatch.setattr(Dense, "free", "multiplying is easy")
    with pytest.raises(UnsupportedError) as caught:
        energy_report(TWO_LAYERS, counts)
    assert sum("declared free, but" in line for line in caught.value.violations) == 4


def test_counts_of_another_graph_are_refused() -> None:
    with pytest.raises(UnsupportedError) as caught:
        energy_report(TWO_LAYERS, counts_of(OR, OR_SAMPLES))
    text = str(caught.value)
    assert "second (dense): the counts have no row for it" in text
    assert "pool: it is counted, but the graph has no such node" in text


def test_the_sentence_and_the_json() -> None:
    found = coverage(OR, counts_of(OR, OR_SAMPLES))
    assert found.sentence == "5 operations: 4 counted, 1 free for a stated reason"
    report = energy_report(OR, counts_of(OR, OR_SAMPLES))
    assert report.to_json()["coverage"] == {
        "sentence": found.sentence,
        "counted": {"input": 1, "max_pool2d": 1, "dense": 1, "readout": 1},
        "free": {"reshape": 1},
        "reasons": {"reshape": OPERATIONS["reshape"].free},
    }


PRODUCT = Graph(
    "product",
    (
        Node("pixels", Input((2,), 0, 3, 1.0)),
        Node("squares", Multiply(), ("pixels", "pixels")),
        Node("dense", Dense(np.ones((1, 2), int), np.zeros(1, int)), ("squares",)),
        Node("answer", Readout(np.ones(1)), ("dense",)),
    ),
)
CONVOLUTION = Graph(
    "convolution",
    (
        Node("pixels", Input((1, 2, 2), 0, 1, 1.0)),
        Node("conv", Conv2d(np.ones((1, 1, 1, 1), int), np.zeros(1, int)), ("pixels",)),
        Node("spikes", Threshold(np.ones((1, 1), int), np.zeros(1, bool)), ("conv",)),
        Node("flat", Reshape((4,)), ("spikes",)),
        Node("dense", Dense(np.ones((1, 4), int), np.zeros(1, int)), ("flat",)),
        Node("answer", Readout(np.ones(1)), ("dense",)),
    ),
)


def raised(row: LayerCounts) -> set[str]:
    totals = row.totals()
    found = {
        name for name in ("neuron_updates", "spikes", "events", "pool_operations") if totals[name]
    }
    found |= {"arrivals"} if totals["arrivals"] else set()
    found |= {"synaptic_operations"} if totals["synaptic_operations"]["every"] else set()
    every = totals["multiply_accumulates_by_convention"]["every"]
    found |= {"multiply_accumulates"} if every else set()
    return found | ({"current_updates"} if row.current_updates.any() else set())


@given(case=st.sampled_from(MIXES).flatmap(cases))
@settings(max_examples=60)
def test_counting_raises_nothing_but_what_an_operation_is_charged_for(case: Case) -> None:
    counts = counts_of(case.graph, case.samples)
    found = {row.name: raised(row) for row in counts.layers}
    for node in case.graph.nodes:
        charged = set(charges(node.op))
        assert found.get(node.name, set()) <= charged
        assert (node.name in found) == bool(charged) == (node.op.free is None)


def test_no_operation_that_is_not_free_counts_as_nothing_in_every_run() -> None:
    found: dict[str, set[str]] = {}
    samples = np.random.default_rng(0)
    for graph in (OR, membrane_graph(), recurrent_graph(), PRODUCT, CONVOLUTION):
        op = graph.input_op
        values = samples.integers(max(op.low, 0), op.high + 1, (5, *op.shape))
        for row in counts_of(graph, np.maximum(values, 1)).layers:
            found.setdefault(graph[row.name].op.kind, set()).update(raised(row))
    counted = {kind for kind, op in OPERATIONS.items() if op.free is None}
    assert {kind for kind, fields in found.items() if fields} == counted


def test_a_report_over_no_samples_is_an_error() -> None:
    counts = replace(counts_of(TWO_LAYERS, TWO_SAMPLES), samples=0)
    with pytest.raises(InputError, match="cannot be reported for 0 samples; give at least 1"):
        energy_report(TWO_LAYERS, counts)
    with pytest.raises(InputError):
        edgespike.estimate_energy(TWO_LAYERS, np.zeros((0, 2), int))
