"""When spikes reach each population: how far it lags behind the input, and what waits for what.

A population's spikes leave along *axons*: at once, or a step later through a delay of the graph.
Each connection takes one of Lava's steps, and a delay is one step of the graph, which is as long.
So a delay costs nothing where its connection takes that step anyway, as in a loop of one
population.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from edgespike.graph import Delay, Graph
from edgespike.targets.loihi.rules import rule_of


@dataclass(frozen=True)
class Timing:
    """When spikes reach each population of a graph, see :func:`timing_of`.

    Parameters
    ----------
    graph
        The graph.
    axons
        For each node, the operations whose spikes make up its output.
    without_input
        Populations that no connections, in either direction, join to the input.
    slow_loops
        Loops that take more of Lava's steps than they have delays: populations in the order in
        which spikes pass them; the first takes from the last at once. There is one loop, a
        shortest one, for each such connection.
    depths
        How many steps each population lags behind the input: one step at least, and one more
        than what it takes from at once. Empty where there are slow loops.
    """

    graph: Graph
    axons: Mapping[str, frozenset[str]]
    without_input: frozenset[str]
    slow_loops: tuple[tuple[str, ...], ...]
    depths: Mapping[str, int]

    def population_of(self, axon: str) -> str:
        """Return the name of the population that sends an axon's spikes."""
        return _population_of(self.graph, axon)

    def wait(self, axon: str, target: str) -> int:
        """Return the steps that an axon's spikes wait besides the one of every connection."""
        return self.depths[target] - _least_depth(self.graph, axon, self.depths)


Links = Mapping[str, frozenset[str]]
"""The axons that end at each population of neurons."""


def timing_of(graph: Graph) -> Timing:
    """Find out when spikes reach each population."""
    axons = _axons(graph)
    links = {
        node.name: axons[node.inputs[0]]
        for node in graph.nodes
        if rule_of(node.op).neurons is not None
    }
    slow_loops = _slow_loops(graph, links)
    depths = {} if slow_loops else _depths(graph, links)
    return Timing(graph, axons, _without_input(graph, links), slow_loops, depths)


def _axons(graph: Graph) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for node in graph.nodes:
        if rule_of(node.op).starts_axons:
            found[node.name] = frozenset({node.name})
        else:
            found[node.name] = frozenset().union(*(found[name] for name in node.inputs))
    return found


def _is_delayed(graph: Graph, axon: str) -> bool:
    return isinstance(graph[axon].op, Delay)


def _population_of(graph: Graph, axon: str) -> str:
    return graph[axon].inputs[0] if _is_delayed(graph, axon) else axon


def _least_depth(graph: Graph, axon: str, depths: Mapping[str, int]) -> int:
    """Return the least depth at which a population can take from an axon."""
    return depths[_population_of(graph, axon)] + (not _is_delayed(graph, axon))


def _depths(graph: Graph, links: Links) -> dict[str, int]:
    found = {graph.input.name: 0} | dict.fromkeys(links, 1)
    for _ in found:  # a chain of all populations takes as many rounds to settle
        before = dict(found)
        for target, axons in links.items():
            least = max(_least_depth(graph, axon, found) for axon in axons)
            found[target] = max(least, found[target])
        if found == before:
            return found
    raise ValueError(f"the loops of graph {graph.name!r} are slower than its steps")


def _sources(graph: Graph, links: Links) -> dict[str, list[str]]:
    """Return the populations whose spikes reach each population of neurons."""
    return {
        target: [_population_of(graph, axon) for axon in sorted(axons)]
        for target, axons in links.items()
    }


def _slow_loops(graph: Graph, links: Links) -> tuple[tuple[str, ...], ...]:
    if not graph.is_recurrent:
        return ()
    sources = _sources(graph, links)
    paths = (
        _shortest_path(sources, target, axon)
        for target, axons in links.items()
        for axon in sorted(axons)
        if not _is_delayed(graph, axon)
    )
    return tuple(path for path in paths if path)


def _shortest_path(sources: Mapping[str, list[str]], start: str, end: str) -> tuple[str, ...]:
    """Return the populations on a shortest path; empty if there is none."""
    behind = {end: end}
    queue = deque([end])
    while queue and start not in behind:
        name = queue.popleft()
        for source in sources.get(name, []):
            if source not in behind:
                behind[source] = name
                queue.append(source)
    if start not in behind:
        return ()
    path = [start]
    while path[-1] != end:
        path.append(behind[path[-1]])
    return tuple(path)


def _without_input(graph: Graph, links: Links) -> frozenset[str]:
    groups = [{target, *found} for target, found in _sources(graph, links).items()]
    joined, before = {graph.input.name}, 0
    while len(joined) > before:
        before = len(joined)
        for group in groups:
            if joined & group:
                joined |= group
    return frozenset().union(*groups) - joined
