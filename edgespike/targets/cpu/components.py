"""In which order a graph's nodes run, and which of them must run together, step by step."""

from __future__ import annotations

from edgespike.graph import Graph, Node


def components(graph: Graph) -> list[list[Node]]:
    """Group the nodes behind the input into strongly connected components.

    Nodes of one component are on cycles with each other; all that is on no cycle stands alone.
    Each component comes after those that it takes from, so that all of its steps can run once
    theirs have. Within a component nodes keep their order in the graph, where only delays stand
    before their sources.
    """
    before = _ancestors(graph)
    groups: dict[int, list[Node]] = {}
    for node in graph.nodes[1:]:
        # Of two nodes on one cycle, each has the other's ancestors among its own.
        groups.setdefault(before[node.name], []).append(node)
    # Whatever a component takes from has fewer ancestors than it has.
    return [groups[each] for each in sorted(groups, key=int.bit_count)]


def _ancestors(graph: Graph) -> dict[str, int]:
    """Return each node's ancestors and itself, as the bits of a number, one for each node."""
    found = {node.name: 1 << place for place, node in enumerate(graph.nodes)}
    changed = True
    while changed:  # a round for each delay that stands before its source, and one more
        changed = False
        for node in graph.nodes:
            own = found[node.name]
            for name in node.inputs:
                found[node.name] |= found[name]
            changed |= found[node.name] != own
    return found
