"""Unary coding: a graph of levels as a graph of single spikes, exactly.

A neuron of L levels becomes L neurons with a copy of its accumulator and one of its thresholds
each, so that its level is how many of them fire (a thermometer code). A chip whose spikes carry no
number can then run it.

Each tensor is laid out anew along its first axis only. Its *origins* say for each new channel
which old one it is of: a copy, where the tensor is an accumulator, or one of the parts that sum
up to it, where it is events. Events have one layout. An accumulator has one for each that is
needed behind it: two thresholds of different levels need two numbers of copies.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod

import numpy as np

from edgespike.errors import UnsupportedError
from edgespike.graph.graph import Graph, Node
from edgespike.graph.ops import (
    Add,
    Conv2d,
    Delay,
    MaxPool2d,
    Membrane,
    Operation,
    Pool2d,
    Readout,
    Reshape,
    SumPool2d,
    Threshold,
    Weighted,
)
from edgespike.graph.tensor import ELEMENT_LIMIT, Integers, Signal

Layouts = dict[str, list[Integers]]
"""For each node of the old graph the origins of its outputs in the new one."""


def unary(graph: Graph) -> Graph:
    """Return the graph of single spikes that computes what a graph of levels does.

    A threshold of L levels on C channels becomes one of single spikes on C times L channels, all
    levels of a channel side by side, under the same name: the sum over a channel's L spikes is its
    level. The readout's accumulators stay the same, at every step. Inputs and membranes stay as
    they are.

    It is a network of its own and is counted as one: a level of n is n spikes, each of which
    takes accumulates, not multiply-accumulates, at the copies of all neurons behind it. Between
    neurons of K levels and of L levels there are K times L times as many synapses.

    Raises
    ------
    UnsupportedError
        Levels are used where single spikes cannot stand for them: sums of levels in a max pool,
        sums of different numbers of levels, neurons that take levels without synapses between,
        reshapes or groups that tear a channel's levels apart, delays that begin with some of the
        levels; or a weight becomes too large. All such nodes are listed.
    """
    layouts, refused = _event_layouts(graph)
    refused += _accumulator_layouts(graph, layouts)
    refused += _too_large(graph, layouts)
    if refused:
        raise UnsupportedError(f"graph {graph.name!r} has no unary form", refused)
    return Graph(graph.name, tuple(_nodes(graph, layouts)), graph.steps)


def _event_layouts(graph: Graph) -> tuple[Layouts, list[str]]:
    """Lay out all events, and the readout, from the input on; list what cannot be."""
    layouts: Layouts = {}
    refused: list[str] = []
    for node in graph.nodes:
        tensor = graph.tensors[node.name]
        found = list(_misused(graph, node, layouts))
        if tensor.signal.is_event or isinstance(node.op, Readout):
            origins = _event_origins(graph, node, layouts)
            found += [_TORN] if origins is None else []
            if origins is None or found:
                origins = np.arange(tensor.shape[0])  # go on as if there were no levels
            layouts[node.name] = [origins]
        refused += [f"{node.name} ({node.op.kind}): {line}" for line in found]
    return layouts, refused


_TORN = "it tears the levels of a channel apart; keep its channels, or flatten behind the threshold"


def _event_origins(graph: Graph, node: Node, layouts: Layouts) -> Integers | None:
    if isinstance(node.op, (Threshold, Delay)):
        return np.repeat(np.arange(graph.tensors[node.name].shape[0]), _levels(graph, node))
    if isinstance(node.op, Reshape):
        (before,) = layouts[node.inputs[0]]
        return _reshaped(before, graph.tensors[node.inputs[0]].shape, node.op.shape)
    if isinstance(node.op, (Add, Pool2d)):
        return layouts[node.inputs[0]][0]
    return np.arange(graph.tensors[node.name].shape[0])


def _levels(graph: Graph, node: Node) -> int:
    """Return how many single spikes stand for a threshold's level, or for what a delay hands on."""
    if isinstance(node.op, Delay):  # its source may stand behind it
        node = graph[node.inputs[0]]
    return node.op.levels if isinstance(node.op, Threshold) else 1


def _misused_delay(graph: Graph, node: Node, op: Delay) -> Iterator[str]:
    levels, source = _levels(graph, node), graph[node.inputs[0]]
    if levels > 1 and op.initial not in (0, levels):
        yield (
            f"it begins with {op.initial} of {levels} levels, and all neurons of a tensor begin "
            "alike; use graded spikes"
        )
    if isinstance(source.op, MaxPool2d):
        yield f"it delays the pool {source.name}; delay the neurons before it, then pool"


def _misused(graph: Graph, node: Node, layouts: Layouts) -> Iterator[str]:
    """Yield where a node takes events that single spikes cannot stand for."""
    if isinstance(node.op, Delay):
        yield from _misused_delay(graph, node, node.op)
        return
    events = [name for name in node.inputs if graph.tensors[name].signal.is_event]
    levels = [len(layouts[name][0]) // graph.tensors[name].shape[0] for name in events]
    op = node.op
    if isinstance(op, Add):
        if any(not np.array_equal(layouts[name][0], layouts[events[0]][0]) for name in events):
            yield (
                f"its inputs have {' and '.join(map(str, levels))} levels, or have them in "
                "different orders; give all the same, or add accumulators"
            )
    elif isinstance(op, (Threshold, Membrane, Readout)):
        most = op.levels if isinstance(op, Threshold) else 1
        if events and max(most, *levels) > 1:
            yield "levels come to it, or leave it, without synapses; put a weighted layer before it"
    elif isinstance(op, MaxPool2d):
        if max(levels) > 1 and _is_sum(graph, graph[node.inputs[0]]):
            yield "it takes the largest of sums of levels; pool before they are summed up"
    elif isinstance(op, Conv2d) and _columns(op, layouts[events[0]][0]) is None:
        yield "its groups tear the levels of a channel apart; use one group, or no reshape"


def _is_sum(graph: Graph, node: Node) -> bool:
    while isinstance(node.op, (Reshape, MaxPool2d)):
        node = graph[node.inputs[0]]
    return isinstance(node.op, (Add, SumPool2d))


def _accumulator_layouts(graph: Graph, layouts: Layouts) -> list[str]:
    """Add the layouts of all accumulators, from the readout back; list what cannot be."""
    refused = []
    for node in reversed(graph.nodes):
        for origins in layouts[node.name]:
            needed = _needed(graph, node, origins)
            if needed is None or not _keeps_groups(node.op, origins):
                refused.append(f"{node.name} ({node.op.kind}): {_TORN}")
            for name in node.inputs:
                if not graph.tensors[name].signal.is_event:
                    kept = np.arange(graph.tensors[name].shape[0]) if needed is None else needed
                    known = layouts.setdefault(name, [])
                    if _place(known, kept) is None:
                        known.append(kept)
    return refused


def _needed(graph: Graph, node: Node, origins: Integers) -> Integers | None:
    """Return the layout that a node's accumulators must have for its output to have ``origins``."""
    if not isinstance(node.op, Reshape):
        return origins
    return _reshaped(origins, node.op.shape, graph.tensors[node.inputs[0]].shape)


def _place(layouts: list[Integers], origins: Integers) -> int | None:
    places = (i for i, known in enumerate(layouts) if np.array_equal(known, origins))
    return next(places, None)


def _too_large(graph: Graph, layouts: Layouts) -> Iterator[str]:
    for node in graph.nodes:
        if not isinstance(node.op, Weighted):
            continue
        (columns,) = layouts[node.inputs[0]]
        each = node.op.weight[0].size * len(columns) // graph.tensors[node.inputs[0]].shape[0]
        size = max(len(rows) for rows in layouts[node.name]) * each
        if size > ELEMENT_LIMIT:
            yield (
                f"{node.name} ({node.op.kind}): its weight would have {size} elements; the limit "
                f"is {ELEMENT_LIMIT}, use fewer levels"
            )


def _reshaped(
    origins: Integers, shape: tuple[int, ...], target: tuple[int, ...]
) -> Integers | None:
    """Return a layout of ``shape`` as one of ``target``, if it holds whole channels of that."""
    old, new = prod(shape[1:]), prod(target[1:])
    elements = (origins[:, None] * old + np.arange(old)).reshape(-1, new)
    channels, offsets = np.divmod(elements, new)
    whole = (channels == channels[:, :1]).all() and (offsets == np.arange(new)).all()
    return channels[:, 0] if whole else None


def _in_groups(origins: Integers, groups: int, size: int) -> Integers | None:
    """Return origins within a group of ``size`` channels, if they are the same in each group."""
    local: Integers = origins.reshape(groups, -1) - size * np.arange(groups)[:, None]
    alike = (local == local[0]).all() and local.min() >= 0 and local.max() < size
    return local[0] if alike else None


def _keeps_groups(op: Operation, origins: Integers) -> bool:
    """Return whether the copies of an operation's output channels stay within their groups."""
    if not isinstance(op, Conv2d):
        return True
    return _in_groups(origins, op.groups, len(op.weight) // op.groups) is not None


def _columns(op: Operation, origins: Integers) -> Integers | None:
    """Return for each new column of a weight the old one, if its groups allow it."""
    return _in_groups(origins, op.groups, op.weight.shape[1]) if isinstance(op, Conv2d) else origins


def _nodes(graph: Graph, layouts: Layouts) -> Iterator[Node]:
    names = _names(graph, layouts)
    for node in graph.nodes:
        for name, origins in zip(names[node.name], layouts[node.name], strict=True):
            inputs, needed = [], _needed(graph, node, origins)
            for source in node.inputs:
                # Events have one layout, which need not be that of what is summed up from them.
                place = None if needed is None else _place(layouts[source], needed)
                inputs.append(names[source][place or 0])
            columns = layouts[node.inputs[0]][0] if node.inputs else origins
            yield Node(name, _laid_out(node.op, origins, columns), tuple(inputs))


def _names(graph: Graph, layouts: Layouts) -> dict[str, list[str]]:
    """Name the new nodes as the old ones, and further copies by a number that is not taken."""
    names: dict[str, list[str]] = {}
    taken = {node.name for node in graph.nodes}
    for node in graph.nodes:
        names[node.name] = [node.name]
        for number in range(2, len(layouts[node.name]) + 1):
            name = f"{node.name}.{number}"
            while name in taken:
                name += "_"
            taken.add(name)
            names[node.name].append(name)
    return names


def _laid_out(op: Operation, origins: Integers, columns: Integers) -> Operation:
    """Return an operation whose output has ``origins``, and a weighted one's input ``columns``."""
    if isinstance(op, Threshold):
        return Threshold(op.theta.reshape(-1, 1), np.repeat(op.flipped, op.levels))
    if isinstance(op, Reshape):
        return Reshape((len(origins), *op.shape[1:]))
    if isinstance(op, Delay) and len(origins) > op.shape[0]:
        return Delay((len(origins), *op.shape[1:]), 0, 1, Signal.SPIKES, int(op.initial > 0))
    if not isinstance(op, Weighted):
        return op
    local, trained = _columns(op, columns), op.float_nonzero
    return replace(
        op,
        weight=op.weight[origins][:, local],
        bias=op.bias[origins],
        float_nonzero=None if trained is None else trained[origins][:, local],
    )
