"""Graphs as text: the rows and totals of a known graph."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgespike.graph import (
    Conv2d,
    Dense,
    Graph,
    Input,
    MaxPool2d,
    Node,
    Readout,
    Reshape,
    Threshold,
)
from edgespike.graph.size import graph_size
from edgespike.show.picture import graph_svg
from edgespike.show.text import graph_json, graph_text, node_rows
from tests.example_graphs import membrane_graph, recurrent_graph, residual_graph

EXAMPLES = [residual_graph(), membrane_graph(), recurrent_graph()]


def test_a_row_describes_a_node_completely() -> None:
    graph = residual_graph()
    row = {row.name: row for row in node_rows(graph)}["conv2"]
    op = graph["conv2"].op
    assert (row.kind, row.inputs, row.shape) == ("conv2d", ("pool",), (4, 3, 3))
    assert (row.low, row.high) == graph.tensors["conv2"].bounds
    assert (row.neurons, row.weights) == (0, 4 * 4 * 3 * 3)
    assert row.nonzero_weights == np.count_nonzero(getattr(op, "weight"))  # noqa: B009
    assert row.parameters == {
        "weight": "-3..3",
        "bias": "0..3",
        "stride": "1x1",
        "padding": "1x1",
        "dilation": "1x1",
        "groups": "1",
    }


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("image", {"scale": "0.0666667"}),
        ("spike2", {"theta": "2", "flipped": "4 of 4"}),
        ("sum", {}),
        ("flat", {}),
        ("out", {"scale": "0.25", "mode": "sum", "members": "1"}),
    ],
)
def test_parameters_that_no_other_column_shows_are_listed(
    name: str, parameters: dict[str, str]
) -> None:
    rows = {row.name: row for row in node_rows(residual_graph())}
    assert rows[name].parameters == parameters


def test_padding_of_one_side_is_shown_before_and_after() -> None:
    op = Conv2d(np.ones((1, 1, 3, 2), int), np.zeros(1, int), padding=(0, 2, 1, 1))
    pool = MaxPool2d((2, 2), (2, 2), (0, 1, 1, 0))
    nodes = (
        Node("image", Input((1, 4, 4), 0, 1, 1.0)),
        Node("conv", op, ("image",)),
        Node("spikes", Threshold(np.ones((1, 1), int), np.zeros(1, bool)), ("conv",)),
        Node("pool", pool, ("spikes",)),
        Node("flat", Reshape((6,)), ("pool",)),
        Node("dense", Dense(np.ones((1, 6), int), np.zeros(1, int)), ("flat",)),
        Node("out", Readout(np.ones(1)), ("dense",)),
    )
    graph = Graph("padded", nodes)
    rows = {row.name: row.parameters["padding"] for row in node_rows(graph) if "conv" in row.kind}
    assert rows == {"conv": "0+2x1"}
    assert "kernel 2x2, stride 2x2, padding 0+1x1+0" in graph_text(graph)
    assert "padding 0+2x1, dilation" in graph_svg(graph)


def test_a_delay_shows_its_initial_value() -> None:
    row = next(row for row in node_rows(recurrent_graph()) if row.name == "before")
    assert (row.inputs, row.low, row.high, row.signal) == (("state",), 0, 4, "graded")
    assert row.parameters == {"initial": "2"}


def test_a_membrane_hides_none_of_its_choices() -> None:
    rows = {row.name: row for row in node_rows(membrane_graph())}
    assert rows["lif1"].parameters == {
        "theta": "3",
        "decay": "512",
        "reset": "subtract",
        "reset_time": "same_step",
        "comparison": ">=",
        "max_spikes": "1",
        "saturation": "8388607",
    }


@pytest.mark.parametrize(
    "graph", [residual_graph(), membrane_graph(), recurrent_graph()], ids=lambda g: g.name
)
def test_totals_are_sums_of_the_rows(graph: Graph) -> None:
    whole = json.loads(json.dumps(graph_json(graph)))
    assert (whole["name"], whole["hash"], whole["steps"]) == (graph.name, graph.hash, graph.steps)
    assert whole["size"] == graph_size(graph).to_json()
    assert whole["nonzero_weights"] == graph.synapses()
    for total in ("neurons", "weights", "nonzero_weights"):
        assert whole[total] == sum(node[total] for node in whole["nodes"])


def test_neurons_are_those_that_fire_or_answer() -> None:
    assert graph_json(residual_graph())["neurons"] == 4 * 6 * 6 + 4 * 3 * 3 + 3
    assert graph_json(membrane_graph())["neurons"] == 8 + 6 + 2


def test_the_text_has_a_line_for_each_node_and_the_totals() -> None:
    graph = membrane_graph()
    lines = graph_text(graph).splitlines()
    assert lines[0].startswith("membranes: 7 nodes, 16 neurons, ")
    assert "4 steps per sample" in lines[0]
    assert lines[1] == f"SHA-256 {graph.hash}"
    assert [line.split()[0] for line in lines[4 : len(graph.nodes) + 4]] == [
        node.name for node in graph.nodes
    ]
    names = ["layer", "dense1", "dense2", "dense3", "total"]
    assert [line.split()[0] for line in lines[-6:-1]] == names
    assert lines[-1].startswith("File of ")


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("graph", EXAMPLES, ids=lambda graph: graph.name)
def test_no_line_is_wider_than_a_terminal_and_nothing_is_lost(graph: Graph, width: int) -> None:
    whole, narrow = graph_text(graph), graph_text(graph, width)
    lines = narrow.splitlines()
    assert (
        max(len(line) for line in lines if graph.hash not in line)
        <= width
        < max(map(len, whole.splitlines()))
    )
    words = narrow.replace(",", " ").split()
    for word in whole.replace(",", " ").split():
        assert word in words
    table = lines[lines.index("") + 1 :]
    firsts = [line.split()[0] for line in table if line and not line.startswith(" ")]
    assert firsts[1 : len(graph.nodes) + 1] == [node.name for node in graph.nodes]


def test_columns_that_do_not_fit_are_named_below_each_row() -> None:
    lines = graph_text(membrane_graph(), 70).splitlines()
    place = next(place for place, line in enumerate(lines) if line.startswith("dense1 "))
    assert "".join(lines[place : place + 2]).endswith(
        "accumulator    weights 33 of 40, weight -3..3, bias -2..3"
    )


def test_the_hash_has_the_name_that_it_has_in_all_commands() -> None:
    graph = membrane_graph()
    found = graph_json(graph)
    assert found["graph"] == found["hash"] == graph.hash
