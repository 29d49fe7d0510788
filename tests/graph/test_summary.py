"""``print(graph)`` is a short table; ``repr`` is one line."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgespike.graph import Dense, Graph, Scaling
from edgespike.graph.summary import HEADER, graph_summary
from tests.example_graphs import membrane_graph, recurrent_graph, residual_graph
from tests.made_long import deep_graph, wide_graph


def table(lines: list[str]) -> list[str]:
    return lines[next(i for i, line in enumerate(lines) if line.split()[:2] == [*HEADER[:2]]) :]


@pytest.mark.parametrize(
    "graph", [residual_graph(), membrane_graph(), recurrent_graph()], ids=lambda graph: graph.name
)
def test_a_small_graph_is_printed_with_all_its_nodes(graph: Graph) -> None:
    lines = str(graph).splitlines()
    rows = [line.split() for line in table(lines)[1:]]
    assert [row[0] for row in rows] == [node.name for node in graph.nodes]
    for row, node in zip(rows, graph.nodes, strict=True):
        tensor = graph.tensors[node.name]
        low, high = tensor.bounds
        expected = [node.name, node.op.kind, "x".join(map(str, tensor.shape)), f"{low}..{high}"]
        weight = getattr(node.op, "weight", None)
        assert row == expected + ([] if weight is None else [f"{weight.size:,}"])


def test_totals_are_those_of_the_graph() -> None:
    """36 + 144 + 108 weights; 144 + 36 neurons that fire and 3 that answer."""
    graph = residual_graph()
    first = str(graph).splitlines()[0]
    share = graph.synapses() / 288
    assert first == f"residual: 10 nodes, 183 neurons, 288 weights ({share:.1%} not 0), 1 step"


def test_of_a_long_graph_the_middle_is_left_out_and_counted() -> None:
    graph = deep_graph(60)
    lines = graph_summary(graph, more="; more here")
    assert len(lines) == 25
    rows = table(lines)
    (place,) = (i for i, row in enumerate(rows) if row.startswith("..."))
    shown = len(rows) - 2
    assert rows[place] == f"... {len(graph.nodes) - shown} more nodes; more here"
    names = [node.name for node in graph.nodes]
    assert [row.split()[0] for row in rows[1:place]] == names[: place - 1]
    assert [row.split()[0] for row in rows[place + 1 :]] == names[place - 1 - shown :]


def test_a_graph_that_is_just_short_enough_is_shown_whole() -> None:
    heads = []
    for layers in range(5, 12):
        lines = str(deep_graph(layers)).splitlines()
        heads.append(any(line.startswith("...") for line in lines))
        assert len(lines) <= 25
    assert heads == sorted(heads)
    assert {False, True} == set(heads)


def test_nothing_is_wider_than_a_terminal_however_long_names_are() -> None:
    for graph in (wide_graph(), deep_graph(60, "layer" * 50)):
        lines = str(graph).splitlines()
        assert max(map(len, lines)) <= 80
        assert len(lines) <= 25


def test_classes_and_scaling_are_said() -> None:
    graph = replace(
        residual_graph(), class_names=("coat", "shirt", "bag"), scaling=Scaling((0.0,), (0.5,))
    )
    text = str(graph)
    assert "classes  3: coat, shirt, bag" in text
    assert "whole numbers 0..15; measured numbers are scaled to these" in text


def test_the_largest_layers_are_named_where_there_are_many() -> None:
    assert "largest  layer0.weight 9 weights, layer1.weight 9 weights" in str(deep_graph(60))
    assert "largest" not in str(residual_graph())


def test_repr_stays_one_line() -> None:
    graph = deep_graph(60)
    assert "\n" not in repr(graph)
    assert repr(graph).startswith("<Graph 'deep': 123 nodes")


def test_a_graph_without_weights_that_are_not_zero_is_printed() -> None:
    graph = deep_graph(1)
    nodes = tuple(
        replace(node, op=replace(node.op, weight=np.zeros((3, 3), int)))
        if isinstance(node.op, Dense)
        else node
        for node in graph.nodes
    )
    assert "18 weights (0.0% not 0)" in str(Graph("zeros", nodes))
