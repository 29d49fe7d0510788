"""Operations of plugins and users, which not everything that is done with a graph can do."""

from __future__ import annotations

from collections.abc import Collection

from edgespike.graph.graph import Graph
from edgespike.graph.ops import Op


def unknown_operations(graph: Graph, operations: Collection[type[Op]], where: str) -> list[str]:
    """List, as violations, the nodes whose operation is not known somewhere.

    Parameters
    ----------
    graph
        Any valid graph.
    operations
        All that are known there. A subclass of one is another operation.
    where
        As the end of "is not supported ...": "on target cpu", say.
    """
    supported = ", ".join(sorted(op.__name__ for op in operations))
    return [
        f"{node.name} ({node.op.kind}): operation {type(node.op).__name__} is not supported "
        f"{where}; supported: {supported}"
        for node in graph.nodes
        if type(node.op) not in operations
    ]
