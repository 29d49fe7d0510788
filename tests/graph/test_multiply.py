"""The product of events: what it takes, its range, its counts, and who refuses it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgespike.counting import Convention, audit, count
from edgespike.energy import energy_report
from edgespike.energy.work import Quantity, measure
from edgespike.errors import FileFormatError, GraphError, UnsupportedError
from edgespike.graph import (
    Add,
    Delay,
    Dense,
    Graph,
    Input,
    Multiply,
    Node,
    Operation,
    Readout,
    Signal,
    Tensor,
    Threshold,
    load_graph,
)
from edgespike.graph.files import GRAPH_KEY, read_metadata, save_graph
from edgespike.graph.tensor import ACCUMULATOR_LIMIT
from edgespike.interpreter import interpret
from edgespike.passes.ensemble import ensemble
from edgespike.targets import get_target
from tests.graph_files import NODE, hostile
from tests.graph_files import node as entry
from tests.random_graphs import up_to
from tests.strategies import PRODUCT_MIXES, Case, cases

ENDS = st.integers(-(2**53), 2**53)


def between(ops: dict[str, tuple[Operation, tuple[str, ...]]], steps: int = 1) -> Graph:
    """Put nodes between an input of 3 features and a dense layer with a readout."""
    nodes = [Node("input", Input((3,), -4, 4, 1.0))]
    nodes += [Node(name, op, sources) for name, (op, sources) in ops.items()]
    rows = Dense(np.array([[1, -1, 0]]), np.zeros(1, int))
    nodes += [Node("fc", rows, (nodes[-1].name,)), Node("readout", Readout(np.ones(1)), ("fc",))]
    return Graph("product", tuple(nodes), steps)


SQUARE = between({"square": (Multiply(), ("input", "input"))})
DELAYED = between(
    {"before": (Delay((3,), -4, 4, Signal.GRADED), ("input",)),
     "product": (Multiply(), ("input", "before"))}, 3
)  # fmt: skip


def tensor(low: int, high: int) -> Tensor:
    return Tensor((1,), np.array([low]), np.array([high]), Signal.GRADED)


@given(ends=st.tuples(ENDS, ENDS, ENDS, ENDS), at=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_no_product_is_outside_the_range_and_both_ends_are_products(
    ends: tuple[int, int, int, int], at: tuple[float, float]
) -> None:
    left, right = sorted(ends[:2]), sorted(ends[2:])
    found = Multiply().infer([tensor(*left), tensor(*right)], 1)
    low, high = found.bounds
    products = [a * b for a in left for b in right]
    inside = [x + int((y - x) * part) for (x, y), part in zip((left, right), at, strict=True)]
    if max(map(abs, products)) < 2**60:
        assert (low, high) == (min(products), max(products))
        assert low <= inside[0] * inside[1] <= high
    else:  # far beyond every limit, so that a graph is refused
        assert max(-low, high) > ACCUMULATOR_LIMIT
    assert found.signal is Signal.GRADED


def test_what_it_cannot_take_is_refused() -> None:
    dense = Dense(np.ones((2, 3), int), np.zeros(2, int))
    with pytest.raises(GraphError) as caught:
        between({"sums": (dense, ("input",)), "product": (Multiply(), ("input", "sums"))})
    first, second, *_ = caught.value.violations
    assert first == "product (multiply): inputs have shapes [(3,), (2,)]; both must be equal"
    assert "an accumulator cannot be multiplied by events; put a threshold before it" in second
    with pytest.raises(GraphError, match="number of inputs is 3; expected 2"):
        between({"product": (Multiply(), ("input", "input", "input"))})


def test_products_beyond_the_largest_value_are_refused() -> None:
    nodes = [Node("p0", Multiply(), ("input", "input"))]
    nodes += [Node(f"p{n}", Multiply(), (f"p{n - 1}",) * 2) for n in range(1, 6)]
    with pytest.raises(GraphError, match=r"p4 can reach .*; the limit is \+-9007199254740992"):
        between({node.name: (node.op, node.inputs) for node in nodes})


def test_a_file_with_a_product_has_version_6(tmp_path: Path) -> None:
    path = tmp_path / "graph.safetensors"
    save_graph(SQUARE, path)
    assert load_graph(path) == SQUARE
    whole = json.loads(json.loads(read_metadata(path)[GRAPH_KEY])["description"])
    assert whole["version"] == 6


def test_it_is_counted_where_both_factors_have_an_event_and_nowhere_else() -> None:
    samples = np.array([[[1, 0, -2], [3, 4, 0], [-1, 2, 2]]])
    trace = interpret(DELAYED, samples)
    products = [[0, 0, 0], [3, 0, 0], [-3, 8, 0]]
    assert trace.values["product"].tolist() == [products]
    (row,) = (row for row in count(DELAYED, samples, trace).layers if row.name == "product")
    for convention in Convention:
        assert row.multiply_accumulates[convention].tolist() == [0, 1, 2]
        assert row.synaptic_operations[convention].tolist() == [0, 0, 0]
    assert row.events.tolist() == [0, 1, 2]
    assert row.neuron_updates.tolist() == [0, 0, 0]


def test_events_that_cancel_before_a_product_are_not_multiplied() -> None:
    """The audit adds up what arrives at each factor: 1 and -1 are no event."""
    minus = Dense(-np.eye(3, dtype=int), np.zeros(3, int))
    theta = np.tile(np.arange(-3, 5), (3, 1))
    graph = between(
        {"minus": (minus, ("input",)),
         "opposite": (Threshold(theta, np.zeros(3, bool), -4), ("minus",)),
         "sum": (Add(), ("input", "opposite")),
         "product": (Multiply(), ("sum", "input"))}
    )  # fmt: skip
    samples = np.array([[1, -3, 4]])
    trace = interpret(graph, samples)
    assert trace.values["product"].tolist() == [[[0, 0, 0]]]
    counts = count(graph, samples, trace)
    assert {row.name: row.events.sum() for row in counts.layers}["product"] == 0
    assert audit(graph, samples, trace).agrees(counts)


@pytest.mark.parametrize("mix", PRODUCT_MIXES)
def test_counts_are_those_of_a_walk_over_both_factors(mix: str) -> None:
    """Multiply, by brute force, what the interpreter gives for the two inputs."""
    products = 0

    @given(case=cases(mix))
    @settings(max_examples=up_to(40), suppress_health_check=list(HealthCheck))
    def check(case: Case) -> None:
        nonlocal products
        graph = case.graph
        names = list(graph.tensors)
        values = interpret(graph, case.samples, keep=names).values
        found = count(graph, case.samples, interpret(graph, case.samples))
        rows = {row.name: row for row in found.layers}
        for node, _ in graph.of_type(Multiply):
            left, right = (values[name] for name in node.inputs)
            both = sum(a != 0 and b != 0 for a, b in zip(left.flat, right.flat, strict=True))
            assert rows[node.name].multiply_accumulates[Convention.EVERY].sum() == both
            products += both

    check()
    assert products > 0


def test_energy_models_charge_products_as_multiply_accumulates_or_say_that_they_do_not() -> None:
    samples = np.full((1, 3), 2)
    counts = count(SQUARE, samples, interpret(SQUARE, samples))
    work = measure(SQUARE, counts, Convention.QUANTISED)
    # 3 products, whose events reach 2 synapses that are not zero
    assert work.amounts[Quantity.MULTIPLY_ACCUMULATES] == 3 + 2
    assert work.amounts[Quantity.WEIGHT_READS] == 3 + 2
    assert work.amounts[Quantity.DENSE_MACS] == 3 + 3
    estimates = energy_report(SQUARE, counts).estimates
    for estimate in estimates:
        charged = {term.quantity for term in estimate.model.terms}
        silent = Quantity.MULTIPLY_ACCUMULATES not in charged
        assert (Quantity.MULTIPLY_ACCUMULATES in estimate.left_out) == silent
        assert estimate.energy.typical > 0 or silent
    assert len(estimates) > 3


@pytest.mark.parametrize("mix", PRODUCT_MIXES)
def test_loihi_refuses_each_product_by_name(mix: str) -> None:
    violations = get_target("loihi").violations

    @given(case=cases(mix))
    @settings(max_examples=up_to(30), suppress_health_check=list(HealthCheck))
    def check(case: Case) -> None:
        found = violations(case.graph)
        for node, _ in case.graph.of_type(Multiply):
            assert any(line.startswith(f"{node.name} (multiply): it mult") for line in found)

    check()


def test_tflite_refuses_products_that_float32_cannot_hold() -> None:
    violations = get_target("tflite").violations
    powers: dict[str, tuple[Operation, tuple[str, ...]]] = {}
    for number, source in enumerate(("input", "p0", "p1")):
        powers[f"p{number}"] = (Multiply(), (source, source))
    assert violations(between(powers)) == []  # 2**16
    (line, *_) = violations(between({**powers, "p3": (Multiply(), ("p2", "p2"))}))
    assert line.startswith("p3 (multiply) needs whole numbers up to 4294967296 in float32")


def test_an_ensemble_cannot_multiply_what_all_share_with_what_each_has() -> None:
    ops: dict[str, tuple[Operation, tuple[str, ...]]] = {
        "own": (Dense(np.eye(3, dtype=int), np.zeros(3, int)), ("input",)),
        "spikes": (Threshold(np.ones((3, 1), int), np.zeros(3, bool)), ("own",)),
        "product": (Multiply(), ("input", "spikes")),
    }
    with pytest.raises(UnsupportedError, match=r"product \(multiply\): it multiplies input, which"):
        ensemble([between(ops), between(ops)])


def test_a_file_of_an_older_version_has_no_product(tmp_path: Path) -> None:
    entries = [{**NODE, "shape": [3]}, entry("product", "multiply", "input", "input")]
    whole = {"version": 5, "name": "g", "steps": 1, "nodes": entries}
    path = tmp_path / "old.safetensors"
    path.write_bytes(hostile(whole))
    with pytest.raises(FileFormatError, match="node product needs format version 6, the file says"):
        load_graph(path)
