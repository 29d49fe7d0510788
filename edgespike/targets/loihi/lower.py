"""From a graph to populations and synapses.

Sums, reshapes, concatenations and sum pools have no neurons of their own: they decide where
synapses run. Each path of a spike to a neuron is one synapse. Two paths stay two synapses, so the
network has the same synaptic operations as the graph. Max pools, which have no weights, get
synapses of weight 1: an OR has one from each element of a window, a maximum one from each element
that is pooled. A delay is a separate axon from the population that it delays. A membrane whose
potential is read is computed by the readout's neurons.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgespike.graph import Delay, Graph, MaxPool2d, Node
from edgespike.targets.loihi.choosing import neurons_of
from edgespike.targets.loihi.edges import Edges, concatenate, edges_of, identity
from edgespike.targets.loihi.exponents import by_exponent
from edgespike.targets.loihi.network import (
    CONSTANT,
    ONES,
    Connection,
    Network,
    Population,
    message_bits,
)
from edgespike.targets.loihi.neurons import CONSTANT_VALUE, READOUTS
from edgespike.targets.loihi.rules import Neuronal, Synaptic, is_maximum, rule_of
from edgespike.targets.loihi.sums import Biases, arriving, biases_of
from edgespike.targets.loihi.timing import Timing, timing_of

Paths = dict[str, list[Edges | None]]
"""For each axon, the edges from it; ``None`` means an edge from each element to itself."""


def lower(graph: Graph) -> Network:
    """Lower a graph that has no violations, see :func:`edgespike.targets.loihi.check.violations`.

    Population names are node names; elements are numbered in row-major order.
    """
    biases, timing = biases_of(graph), timing_of(graph)
    populations = {
        population.name: population for population in _populations(graph, biases, timing)
    }
    connections: list[Connection] = []
    for node, paths in _paths(graph):
        if rule_of(node.op).neurons is not None:
            connections += _connections(timing, populations[node.name], paths, populations)
    return Network(graph.steps, tuple(populations.values()), tuple(connections))


def populations_of(graph: Graph) -> list[Population]:
    """Return the populations alone: their synapses are most of the work of lowering a graph."""
    return list(_populations(graph, biases_of(graph), timing_of(graph)))


def _populations(graph: Graph, biases: Biases, timing: Timing) -> Iterator[Population]:
    low, high = graph.tensors[graph.input.name].bounds
    yield Population(graph.input.name, graph.tensors[graph.input.name].size, low, high, 0)
    used: set[str] = set()
    for node in graph.nodes:
        op = rule_of(node.op).neurons
        if op is not None:
            population = _population(graph, node, op, biases, timing)
            used |= {source for source, _, weights in population.always_on if weights.any()}
            yield population
    if CONSTANT in used:
        yield Population(CONSTANT, 1, CONSTANT_VALUE, CONSTANT_VALUE, 0)
    if ONES in used:
        yield Population(ONES, 1, 0, 1, 0)


def _population(
    graph: Graph, node: Node, op: Neuronal, biases: Biases, timing: Timing
) -> Population:
    neurons = neurons_of(op, arriving(graph, node, biases), graph.steps)
    tensor = graph.tensors[node.name]
    return Population(
        name=node.name,
        size=tensor.size,
        low=0 if neurons.kind in READOUTS else min(0, tensor.bounds[0]),
        high=1 if neurons.kind in READOUTS else max(1, tensor.bounds[1]),
        depth=timing.depths[node.name],
        neurons=neurons,
        windows=_windows(graph, node, op),
    )


def _windows(graph: Graph, node: Node, op: Neuronal) -> Edges | None:
    if isinstance(op, MaxPool2d) and is_maximum(graph, node):
        return _step(graph, node, op)
    return None


def _connections(
    timing: Timing, target: Population, paths_into: Paths, populations: dict[str, Population]
) -> Iterator[Connection]:
    neurons, graph = target.neurons, timing.graph
    if neurons is None:  # only sources of spikes have none
        raise TypeError(f"population {target.name} has no neurons")
    parts: list[tuple[str, int, Edges]] = []
    for axon, paths in paths_into.items():
        size = graph.tensors[axon].size
        edges = concatenate([identity(size) if path is None else path for path in paths])
        edges = Edges(edges.inputs, edges.outputs, edges.weights * neurons.sign[edges.outputs])
        for rows in _without_doubles(edges, size):
            parts += [(axon, exponent, some) for exponent, some in by_exponent(rows)]
    for index, (axon, exponent, edges) in enumerate(parts):
        source = populations[timing.population_of(axon)]
        delay, op = timing.wait(axon, target.name), graph[axon].op
        initial = op.initial if isinstance(op, Delay) else None
        name = f"{target.name}.{index}"
        yield _connection(name, source, target, edges, exponent, delay, initial)
    always_on = [each for each in target.always_on if each[-1].any()]
    for index, (name, exponent, weights) in enumerate(always_on, len(parts)):
        (fed,) = np.nonzero(weights)
        edges = Edges(np.zeros_like(fed), fed, weights[fed] << exponent)
        source = populations[name]
        yield _connection(f"{target.name}.{index}", source, target, edges, exponent)


def _paths(graph: Graph) -> Iterator[tuple[Node, Paths]]:
    """Collect the edges that end at each node, by the axon that they start from."""
    nodes = [node for node in graph.nodes if not isinstance(node.op, Delay)]
    last_taker = {name: node.name for node in nodes for name in node.inputs}
    leaving: dict[str, Paths] = {node.name: {node.name: [None]} for node, _ in graph.of_type(Delay)}
    for node in nodes:
        paths = _paths_into(graph, node, leaving)
        yield node, paths
        leaving[node.name] = {node.name: [None]} if rule_of(node.op).starts_axons else paths
        for name in set(node.inputs):
            if last_taker[name] == node.name:
                del leaving[name]  # edges take far more memory than all else


def _paths_into(graph: Graph, node: Node, leaving: dict[str, Paths]) -> Paths:
    paths: Paths = {}
    concatenates, start = rule_of(node.op).concatenates, 0
    for name in node.inputs:
        size = graph.tensors[name].size
        for source, parts in leaving[name].items():
            if concatenates:
                parts = [(identity(size) if part is None else part).moved(start) for part in parts]
            paths.setdefault(source, []).extend(parts)
        start += size
    op = rule_of(node.op).synapses
    if op is None or is_maximum(graph, node):
        return paths  # where the largest is taken, each element comes to the neurons by itself
    step = _step(graph, node, op)
    return {
        source: [step if part is None else part.then(step) for part in parts]
        for source, parts in paths.items()
    }


def _step(graph: Graph, node: Node, op: Synaptic) -> Edges:
    return edges_of(op, graph.tensors[node.inputs[0]].shape)


def _without_doubles(edges: Edges, inputs: int) -> list[Edges]:
    """Sort edges by output and input, and split them until no two in a part join the same."""
    keys = edges.outputs * inputs + edges.inputs
    order = np.argsort(keys, kind="stable")
    keys, edges = keys[order], edges.at(order)
    again = np.zeros(len(keys), bool)
    again[1:] = keys[1:] == keys[:-1]
    if not again.any():
        return [edges]
    places = np.arange(len(keys))
    rank = places - np.maximum.accumulate(np.where(again, 0, places))
    return [edges.at(np.flatnonzero(rank == r)) for r in range(int(rank.max()) + 1)]


def _connection(
    name: str,
    source: Population,
    target: Population,
    edges: Edges,
    exponent: int = 0,
    delay: int = 0,
    initial: int | None = None,
) -> Connection:
    ends = source.low, source.high, *(() if initial is None else (initial,))
    return Connection(
        name=name,
        source=source.name,
        target=target.name,
        weights=(edges.weights >> exponent).astype(np.int8),
        exponent=exponent,
        indices=edges.inputs.astype(np.int32),
        indptr=np.searchsorted(edges.outputs, np.arange(target.inputs + 1)).astype(np.int32),
        delay=delay,
        initial=initial,
        message_bits=message_bits(min(ends), max(ends)),
    )
