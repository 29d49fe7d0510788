"""Describe a graph in text: a row for each node, a row for each layer's weights, and totals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import Field, dataclass, fields
from enum import Enum
from typing import Any

import numpy as np

from edgespike.graph.graph import Graph, Node
from edgespike.graph.ops import Operation, Weighted, Windowed
from edgespike.graph.ops.base import Since, same
from edgespike.graph.size import SIZE_COLUMNS, GraphSize, graph_size
from edgespike.graph.summary import graph_summary
from edgespike.text import aligned, wrapped

_NOT_PARAMETERS = {"shape", "low", "high", "signal", "float_nonzero"}
"""Fields of operations that other columns show, and one that matters to counting alone."""


@dataclass(frozen=True)
class NodeRow:
    """Description of one node.

    Parameters
    ----------
    name, kind
        Name of the node, and kind of its operation.
    inputs
        Names of the nodes that it reads.
    shape, low, high
        Shape of its output without sample and step, and the output's proven range.
    signal
        Meaning of its output, see :class:`edgespike.graph.Signal`.
    neurons
        Number of neurons; 0 for operations without neurons.
    weights, nonzero_weights
        Number of stored weights, and of those that are not zero.
    parameters
        All other fields by name, as text: an array as its smallest and largest value, padding that
        differs on opposite sides as ``before+after``.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    shape: tuple[int, ...]
    low: int
    high: int
    signal: str
    neurons: int
    weights: int
    nonzero_weights: int
    parameters: dict[str, str]


def node_rows(graph: Graph) -> list[NodeRow]:
    """Return a description of each node, in the order in which they run."""
    return [_row(graph, node) for node in graph.nodes]


def graph_json(graph: Graph) -> dict[str, Any]:
    """Return a description of a graph as plain values.

    The totals, ``size`` with the fields of :class:`edgespike.graph.size.GraphSize`, and ``nodes``
    with those of :class:`NodeRow`. The hash is there by two names: ``graph``, as in the JSON of all
    commands, and ``hash``.
    """
    rows = node_rows(graph)
    return {
        "name": graph.name,
        "graph": graph.hash,
        "hash": graph.hash,
        "steps": graph.steps,
        "origin": graph.origin,
        "neurons": sum(row.neurons for row in rows),
        "weights": sum(row.weights for row in rows),
        "nonzero_weights": sum(row.nonzero_weights for row in rows),
        "size": graph_size(graph).to_json(),
        "nodes": [{field.name: getattr(row, field.name) for field in fields(row)} for row in rows],
    }


def short_text(graph: Graph, width: int | None = None) -> str:
    """Return a description of a graph in at most 23 lines of 80 characters.

    Totals, input and classes, the size of its file, its hash, and a row for each node; of many
    nodes, those in the middle are left out.

    Parameters
    ----------
    graph
        The graph.
    width
        As for :func:`graph_text`, which lists everything.
    """
    size = graph_size(graph)
    file = (
        f"{size.file_bytes:,} bytes, {size.total.file_bytes:,} of them weights, whose entropy is "
        f"{size.total.entropy_bytes:,}"
    )
    facts = [("file", file), ("SHA-256", graph.hash)]
    more = "; --layers lists all"
    return "\n".join(graph_summary(graph, lines=23, width=width, facts=facts, more=more))


def graph_text(graph: Graph, width: int | None = None) -> str:
    """Return a description of a graph: totals, a table of its nodes, and one of its weights.

    Parameters
    ----------
    graph
        The graph.
    width
        Most characters of a line, where names and numbers are not longer: columns that do not fit
        are listed below each row. ``None`` for one line a row, however long.
    """
    header = ("node", "operation", "inputs", "shape", "range", "signal", "neurons", "weights")
    rows = node_rows(graph)
    size = graph_size(graph)
    totals = (
        f"{graph.name}: {len(graph.nodes)} nodes, {sum(row.neurons for row in rows):,} neurons, "
        f"{graph.synapses():,} of {size.total.weights:,} weights non-zero, "
        f"{graph.steps} {'step' if graph.steps == 1 else 'steps'} per sample"
    )
    return "\n".join(
        [
            *_wrapped(totals, width),
            *(_wrapped(f"from: {graph.origin}", width) if graph.origin else ()),
            f"SHA-256 {graph.hash}",
            "",
            *_folded([(*header, "parameters"), *map(_cells, rows)], width),
            "",
            *_size_lines(size, width),
        ]
    )


def _size_lines(size: GraphSize, width: int | None) -> list[str]:
    rows = [(row.name, *row.cells()) for row in (*size.layers, size.total)]
    table = _folded([("layer", *SIZE_COLUMNS), *rows], width)
    return [*table, *_wrapped(size.sentence, width)]


def _folded(rows: Sequence[Sequence[str]], width: int | None) -> list[str]:
    """Return the lines of a table; what does not fit is moved from the right to lines below."""
    if width is None:
        return aligned(rows)
    header = rows[0]
    kept = len(header)
    table = aligned(rows)
    while kept > 1 and max(map(len, table)) > width:
        kept -= 1
        table = aligned([row[:kept] for row in rows])
    lines = []
    for line, row in zip(table, rows, strict=True):
        below = zip(header[kept:], row[kept:], strict=True)
        cells = (name if row is header else _labelled(name, cell) for name, cell in below if cell)
        lines += [line, *_wrapped(", ".join(cells), width, indent=4)]
    return lines


def _labelled(name: str, cell: str) -> str:
    """Return a cell with its column's name, which parameters do not need: they have their own."""
    return cell if name == "parameters" else f"{name} {cell}"


def _wrapped(text: str, width: int | None, indent: int = 0) -> list[str]:
    """Break a text between words; a longer word is not broken, and without a width nothing."""
    return [text] if width is None else wrapped(text, width, indent)


def _row(graph: Graph, node: Node) -> NodeRow:
    tensor = graph.tensors[node.name]
    weights = node.op.weight if isinstance(node.op, Weighted) else np.empty(0)
    return NodeRow(
        node.name,
        node.op.kind,
        node.inputs,
        tensor.shape,
        *tensor.bounds,
        tensor.signal.value,
        tensor.size if node.op.has_neurons else 0,
        weights.size,
        int(np.count_nonzero(weights)),
        _parameters(node.op),
    )


def _parameters(op: Operation) -> dict[str, str]:
    values = {
        field.name: getattr(op, field.name)
        for field in fields(op)
        if field.name not in _NOT_PARAMETERS and not _is_as_before(op, field)
    }
    texts = {name: _value(value) for name, value in values.items() if value is not None}
    if isinstance(op, Windowed):
        sides = (str(a) if a == b else f"{a}+{b}" for a, b in op.sides)
        texts["padding"] = "x".join(sides)
    return texts


def _is_as_before(op: Operation, field: Field[Any]) -> bool:
    """Return whether a field that was added later has its default, which changes nothing."""
    since: Since | None = field.metadata.get("since")
    value = getattr(op, field.name)
    return since is not None and same(value, since.before) and same(value, field.default)


def _value(value: object) -> str:
    if isinstance(value, np.ndarray):
        if value.dtype == np.bool_:
            return f"{np.count_nonzero(value)} of {value.size}"
        low, high = _value(value.min().item()), _value(value.max().item())
        return low if low == high else f"{low}..{high}"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, tuple):
        return "x".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _cells(row: NodeRow) -> tuple[str, ...]:
    return (
        row.name,
        row.kind,
        ", ".join(row.inputs),
        "x".join(map(str, row.shape)),
        f"{row.low}..{row.high}",
        row.signal,
        f"{row.neurons:,}" if row.neurons else "",
        f"{row.nonzero_weights:,} of {row.weights:,}" if row.weights else "",
        ", ".join(f"{name} {text}" for name, text in row.parameters.items()),
    )
