"""Which operations of a graph are counted, and which cost nothing: there is no third kind."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from edgespike.graph import Graph


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


def coverage(graph: Graph) -> Coverage:
    """Return which nodes of a graph are counted and which are free."""
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
