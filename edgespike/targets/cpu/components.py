"""The order in which a graph's nodes run, and which of them must run together, step by step."""

from __future__ import annotations

from edgespike.graph import Graph, Node


def components(graph: Graph) -> list[list[Node]]:
    """Group the nodes after the input into strongly connected components.

    Nodes of one component are on cycles with each other; a node that is on no cycle is a component
    by itself. Each component comes after those that it takes inputs from, so all of its steps can
    run once theirs have. Within a component nodes keep their order in the graph, where only delays
    come before their sources.
    """
    before = _ancestors(graph)
    groups: dict[int, list[Node]] = {}
    for node in graph.nodes[1:]:
        # Two nodes on one cycle have the same ancestors.
        groups.setdefault(before[node.name], []).append(node)
    # A component has more ancestors than any that it takes inputs from.
    return [groups[each] for each in sorted(groups, key=int.bit_count)]


def _ancestors(graph: Graph) -> dict[str, int]:
    """Return the set of each node's ancestors and itself, as a bit mask over the nodes."""
    found = {node.name: 1 << place for place, node in enumerate(graph.nodes)}
    changed = True
    while changed:  # a round for each delay that comes before its source, and one more
        changed = False
        for node in graph.nodes:
            own = found[node.name]
            for name in node.inputs:
                found[node.name] |= found[name]
            changed |= found[node.name] != own
    return found
