"""A graph in a few lines: what ``print(graph)`` and ``edgespike show`` begin with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgespike.graph.ops import Weighted
from edgespike.text import aligned, fact_lines, listed, shortened, wrapped

if TYPE_CHECKING:
    from edgespike.graph.graph import Graph, Node

HEADER = ("node", "operation", "shape", "range", "weights")

_NAME, _SHAPE = 24, 16
"""Most characters of a node's name and of a shape in a row."""

_WHOLE = 10**7
"""Bounds beyond this are rounded: 35 digits of a range leave no room for anything else."""

_LEAST_ROWS = 4


def graph_summary(
    graph: Graph,
    *,
    lines: int = 25,
    width: int | None = 80,
    facts: Sequence[tuple[str, str]] = (),
    more: str = "",
) -> list[str]:
    """Return a graph in few lines: totals, input, classes, and a row for each node.

    Parameters
    ----------
    graph
        The graph.
    lines
        Most lines at a width of 80 characters. Of a graph with more nodes, rows in the middle are
        left out.
    width
        Most characters of a line; ``None`` for one line a fact, however long.
    facts
        More facts, name and text.
    more
        What to add where rows are left out.
    """
    head = _broken(totals(graph), width)
    known = [*_facts(graph), *facts]
    told = fact_lines(known, width, most=2)
    room = lines - len(head) - len(told) - 1  # an empty line
    return [*head, *told, "", *_rows(graph, max(room, _LEAST_ROWS), more)]


def totals(graph: Graph) -> str:
    """Return the numbers of nodes, neurons, weights and steps, in words."""
    neurons = sum(graph.tensors[node.name].size for node in graph.nodes if node.op.has_neurons)
    weights = sum(node.op.weight.size for node in graph.nodes if isinstance(node.op, Weighted))
    share = f" ({graph.synapses() / weights:.1%} not 0)" if weights else ""
    return (
        f"{shortened(graph.name, 40)}: {len(graph.nodes):,} nodes, {neurons:,} neurons, "
        f"{weights:,} weights{share}, {graph.steps:,} {'step' if graph.steps == 1 else 'steps'}"
    )


def _broken(text: str, width: int | None) -> list[str]:
    return [text] if width is None else wrapped(text, width)


def _facts(graph: Graph) -> list[tuple[str, str]]:
    op, readout = graph.input_op, graph.readout_op
    scaled = "" if graph.scaling is None else "; measured numbers are scaled to these"
    classes = f"{readout.classes:,}"
    if graph.class_names:
        classes += f": {listed(graph.class_names, 10)}"
    if readout.members > 1:
        classes += f"; {readout.members} members"
    return [
        ("input", f"{_shape(op.shape)}, whole numbers {op.low}..{op.high}{scaled}"),
        ("classes", classes),
        ("made from", graph.origin),
        ("largest", _largest(graph)),
    ]


def _largest(graph: Graph) -> str:
    """Return the layers with the most weights, if there are so many that they stand out."""
    sizes = [(n.op.weight.size, n.name) for n in graph.nodes if isinstance(n.op, Weighted)]
    if len(sizes) < _LEAST_ROWS:
        return ""
    found = sorted(sizes, reverse=True, key=lambda row: row[0])[:3]
    return ", ".join(f"{shortened(name)} {size:,} weights" for size, name in found)


def _rows(graph: Graph, most: int, more: str) -> list[str]:
    """Return header and rows, ``most`` lines at most."""
    nodes, room = graph.nodes, most - 1
    if len(nodes) <= room:
        return aligned([HEADER, *(_row(graph, node) for node in nodes)], (4,))
    after = (room - 1) // 3
    before = room - 1 - after
    shown = [*nodes[:before], *nodes[len(nodes) - after :]]
    lines = aligned([HEADER, *(_row(graph, node) for node in shown)], (4,))
    left_out = f"... {len(nodes) - len(shown):,} more nodes{more}"
    return [*lines[: before + 1], left_out, *lines[before + 1 :]]


def _row(graph: Graph, node: Node) -> tuple[str, ...]:
    tensor = graph.tensors[node.name]
    low, high = map(_bound, tensor.bounds)
    return (
        shortened(node.name, _NAME),
        node.op.kind,
        shortened(_shape(tensor.shape), _SHAPE),
        f"{low}..{high}",
        f"{node.op.weight.size:,}" if isinstance(node.op, Weighted) else "",
    )


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _bound(value: int) -> str:
    return str(value) if abs(value) <= _WHOLE else f"{value:.1e}"
