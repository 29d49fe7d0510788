"""Which operations of a graph are counted, and which cost nothing: a third kind is an error."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from edgespike.counting import Counts
from edgespike.counting.charges import uncounted
from edgespike.errors import UnsupportedError
from edgespike.graph import Graph, Node


@dataclass(frozen=True)
class Coverage:
    """How many nodes of a graph are counted and how many are free.

    Parameters
    ----------
    counted
        Number of nodes of each kind of operation that is counted.
    free
        The same for operations that cost nothing of their own.
    reasons
        Why a kind of operation in ``free`` costs nothing.
    """

    counted: dict[str, int]
    free: dict[str, int]
    reasons: dict[str, str]

    @property
    def sentence(self) -> str:
        """The numbers in one line."""
        counted, free = sum(self.counted.values()), sum(self.free.values())
        return f"{counted + free} operations: {counted} counted, {free} free for a stated reason"

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return asdict(self)


def coverage(graph: Graph, counts: Counts) -> Coverage:
    """Return which nodes of a graph are counted and which are free.

    Parameters
    ----------
    graph
        The graph that ran.
    counts
        What it did.

    Raises
    ------
    UnsupportedError
        A node is neither counted nor declared free, or both; all such nodes are listed.
    """
    rows = {row.name for row in counts.layers}
    faults = [fault for node in graph.nodes for fault in _faults(node, rows)]
    faults += [
        f"{name}: it is counted, but the graph has no such node; count a run of this graph"
        for name in sorted(rows - {node.name for node in graph.nodes})
    ]
    if faults:
        raise UnsupportedError(f"the cost of graph {graph.name!r} cannot be reported", faults)
    counted: Counter[str] = Counter()
    free: Counter[str] = Counter()
    reasons: dict[str, str] = {}
    for node in graph.nodes:
        if node.op.free is None:
            counted[node.op.kind] += 1
        else:
            free[node.op.kind] += 1
            reasons[node.op.kind] = node.op.free
    return Coverage(dict(counted), dict(free), reasons)


def _faults(node: Node, rows: Collection[str]) -> Iterator[str]:
    """Yield why a node is not either counted or free."""
    yield from uncounted(node)
    where, counted = f"{node.name} ({node.op.kind})", node.name in rows
    if counted and node.op.free is not None:
        yield f"{where}: it is declared free, but the counts have a row for it; remove its `free`"
    elif not counted and node.op.free is None:
        yield f"{where}: the counts have no row for it; count a run of this graph"
