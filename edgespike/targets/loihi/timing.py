"""When spikes reach each population: how far it lags behind the input, and what waits for what.

A population's spikes set out along *axons*: at once, or a step later by way of a delay of the
graph's. Each connection takes one of Lava's steps, which is one of the graph's as well. So a delay
costs nothing where its connection takes that step anyway, as in a loop of one population.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from functools import lru_cache

from edgespike.graph import Delay, Graph, Input, MaxPool2d, Membrane, Threshold
from edgespike.targets.loihi.arriving import NEURONS

AXONS = (Input, Threshold, Membrane, MaxPool2d, Delay)
"""Operations that synapses start from: they send spikes, or hand them on a step later."""


@lru_cache(maxsize=8)
def axons(graph: Graph) -> Mapping[str, frozenset[str]]:
    """Name the operations of :data:`AXONS` whose spikes make up each node's output."""
    found: dict[str, frozenset[str]] = {}
    for node in graph.nodes:
        if isinstance(node.op, AXONS):
            found[node.name] = frozenset({node.name})
        else:
            found[node.name] = frozenset().union(*(found[name] for name in node.inputs))
    return found


def population_of(graph: Graph, axon: str) -> str:
    """Name the population that sends an axon's spikes."""
    return graph[axon].inputs[0] if _is_delayed(graph, axon) else axon


def wait(graph: Graph, axon: str, target: str) -> int:
    """Return the steps that an axon's spikes wait besides the one that every connection takes."""
    return depths(graph)[target] - _least_depth(graph, axon, depths(graph))


def _least_depth(graph: Graph, axon: str, depth: Mapping[str, int]) -> int:
    """Return the least depth at which a population can take from an axon."""
    return depth[population_of(graph, axon)] + (not _is_delayed(graph, axon))


@lru_cache(maxsize=8)
def depths(graph: Graph) -> Mapping[str, int]:
    """Return each population's lag behind the input, in a graph without :func:`slow_loops`.

    Neurons lag by one step at least, and by one more than what they take from at once.
    """
    links = _links(graph)
    found = {graph.input.name: 0} | dict.fromkeys(links, 1)
    for _ in found:  # a chain of all populations takes as many rounds to settle
        before = dict(found)
        for target, sources in links.items():
            least = max(_least_depth(graph, axon, found) for axon in sources)
            found[target] = max(least, found[target])
        if found == before:
            return found
    raise ValueError(f"the loops of graph {graph.name!r} are slower than its steps")


def _is_delayed(graph: Graph, axon: str) -> bool:
    return isinstance(graph[axon].op, Delay)


def _links(graph: Graph) -> dict[str, frozenset[str]]:
    """Name the axons that end at each population of neurons."""
    leaving = axons(graph)
    neurons = (node for node in graph.nodes if isinstance(node.op, NEURONS))
    return {node.name: leaving[node.inputs[0]] for node in neurons}


def _sources(graph: Graph) -> dict[str, list[str]]:
    """Name the populations whose spikes reach each population of neurons."""
    return {
        target: [population_of(graph, axon) for axon in sorted(found)]
        for target, found in _links(graph).items()
    }


@lru_cache(maxsize=8)
def slow_loops(graph: Graph) -> tuple[tuple[str, ...], ...]:
    """Find loops that take more of Lava's steps than they have delays.

    Returns
    -------
    loops
        Populations in the order in which spikes pass them; the first one takes from the last one
        at once. There is one loop, a shortest one, for each such connection.
    """
    if not graph.is_recurrent:
        return ()
    sources = _sources(graph)
    ways = (
        _way(sources, target, axon)
        for target, found in _links(graph).items()
        for axon in sorted(found)
        if not _is_delayed(graph, axon)
    )
    return tuple(way for way in ways if way)


def _way(sources: Mapping[str, list[str]], start: str, end: str) -> tuple[str, ...]:
    """Name the populations on a shortest way; empty if there is none."""
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
    way = [start]
    while way[-1] != end:
        way.append(behind[way[-1]])
    return tuple(way)


@lru_cache(maxsize=8)
def without_input(graph: Graph) -> frozenset[str]:
    """Name the populations that no connections, in either direction, join to the input."""
    groups = [{target, *found} for target, found in _sources(graph).items()]
    joined, before = {graph.input.name}, 0
    while len(joined) > before:
        before = len(joined)
        for group in groups:
            if joined & group:
                joined |= group
    return frozenset().union(*groups) - joined
