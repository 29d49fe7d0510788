"""Unary coding: a graph of levels as a graph of single spikes, exactly.

A neuron of L levels becomes L neurons, each with a copy of its accumulator and one of its
thresholds; its level is how many of them fire (a thermometer code). A chip whose spikes carry no
number can then run the graph.

Only the first axis of a tensor changes. Its *origins* give, for each new channel, the old channel
that it comes from: a copy of it if the tensor is an accumulator, or one of the parts that sum to
it if the tensor is events. Events have one layout. An accumulator has one for each layout that is
needed downstream: thresholds of different numbers of levels need different numbers of copies.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from math import prod

import numpy as np
from typing_extensions import assert_never

from edgespike.errors import UnsupportedError
from edgespike.graph.graph import Graph, Node
from edgespike.graph.ops import (
    Add,
    Concatenate,
    Conv2d,
    Delay,
    Dense,
    Input,
    MaxPool2d,
    Membrane,
    Multiply,
    Operation,
    Readout,
    Reshape,
    SumPool2d,
    Threshold,
    Weighted,
)
from edgespike.graph.tensor import ELEMENT_LIMIT, Integers, Signal

Layouts = dict[str, list[Integers]]
"""For each node of the old graph, the origins of each of its outputs in the new one."""


def unary(graph: Graph) -> Graph:
    """Return a graph of single spikes that computes what a graph of levels computes.

    A threshold of L levels on C channels becomes a threshold of single spikes on C times L
    channels under the same name, with the levels of a channel next to each other: the sum of a
    channel's L spikes is its level. The readout's accumulators are the same at every step. Inputs
    and membranes do not change.

    The new graph is counted as what it is: a level of n is n spikes, each of which causes
    accumulates, not multiply-accumulates, at all copies of the neurons that it reaches. Between
    neurons of K levels and neurons of L levels there are K times L times as many synapses.

    Raises
    ------
    UnsupportedError
        Levels are used where single spikes cannot stand for them: products, sums of levels in a
        max pool, sums of different numbers of levels, levels that reach neurons without synapses in
        between, reshapes or groups that split a channel's levels, delays whose initial value is
        only some of the levels; or a weight becomes too large. All such nodes are listed.
    """
    layouts, refused = _event_layouts(graph)
    refused += _accumulator_layouts(graph, layouts)
    refused += _too_large(graph, layouts)
    if refused:
        raise UnsupportedError(f"graph {graph.name!r} has no unary form", refused)
    return replace(graph, nodes=tuple(_nodes(graph, layouts)))


def _event_layouts(graph: Graph) -> tuple[Layouts, list[str]]:
    """Lay out all events and the readout, starting at the input; list what cannot be laid out."""
    layouts: Layouts = {}
    refused: list[str] = []
    for node in graph.nodes:
        tensor = graph.tensors[node.name]
        found = list(_misused(graph, node, layouts))
        if tensor.signal.is_event or node is graph.readout:
            origins = None if found else _event_origins(graph, node, layouts)
            if origins is None:
                found = found or [_SPLIT]
                origins = np.arange(tensor.shape[0])  # continue as if there were no levels
            layouts[node.name] = [origins]
        refused += [f"{node.name} ({node.op.kind}): {line}" for line in found]
    return layouts, refused


_NO_SYNAPSES = "levels enter or leave it without synapses; put a weighted layer before it"
_SPLIT = "it splits the levels of a channel; keep its channels, or flatten after the threshold"


def _event_origins(graph: Graph, node: Node, layouts: Layouts) -> Integers | None:
    """Return the layout of a node's events, or of the readout; ``None`` if it has none."""
    channels = np.arange(graph.tensors[node.name].shape[0])
    match node.op:
        case Threshold() as op:
            return np.repeat(channels, op.levels)
        case Delay():  # its source may come later in the graph
            return _event_origins(graph, graph[node.inputs[0]], layouts)
        case Reshape() as op:
            (before,) = layouts[node.inputs[0]]
            return _reshaped(before, graph.tensors[node.inputs[0]].shape, op.shape)
        case Concatenate():
            befores = [layouts[name][0] for name in node.inputs]
            starts = _starts(graph, node)
            return np.concatenate([x + start for x, start in zip(befores, starts, strict=True)])
        case Add() | SumPool2d() | MaxPool2d():
            return layouts[node.inputs[0]][0]
        case Input() | Membrane() | Dense() | Conv2d() | Multiply() | Readout():
            return channels
        case _:
            assert_never(node.op)


def _misused(graph: Graph, node: Node, layouts: Layouts) -> Iterator[str]:
    """Yield how a node uses events in a way that single spikes cannot stand for."""
    # A delay's source may not be laid out yet.
    events = [name for name in node.inputs if name in layouts]
    levels = [len(layouts[name][0]) // graph.tensors[name].shape[0] for name in events]
    match node.op:
        case Delay() as op:
            yield from _misused_delay(graph, node, op, layouts)
        case Add():
            if any(not np.array_equal(layouts[name][0], layouts[events[0]][0]) for name in events):
                yield (
                    f"its inputs have {' and '.join(map(str, levels))} levels, or have them in "
                    "different orders; use the same for all, or add accumulators"
                )
        case Threshold() as op:
            if (op.offset, op.unit) != (0, 1):
                yield (
                    f"its levels begin at {op.offset} and are {op.unit} apart, and numbers of "
                    "spikes begin at 0; use graded spikes"
                )
            if events and max(op.levels, *levels) > 1:
                yield _NO_SYNAPSES
        case Membrane() | Readout():
            if max(levels, default=1) > 1:
                yield _NO_SYNAPSES
        case Multiply():
            yield (
                "single spikes cannot stand for a product of numbers; use graded spikes, on the "
                "cpu, tflite or onnx target"
            )
        case MaxPool2d():
            if max(levels) > 1 and _is_sum(graph, graph[node.inputs[0]]):
                yield "it takes the largest of sums of levels; pool before they are added"
        case Conv2d() as op:
            if _columns(op, layouts[events[0]][0]) is None:
                yield "its groups split the levels of a channel; use one group, or no reshape"
        case Input() | Dense() | SumPool2d() | Concatenate() | Reshape():
            return
        case _:
            assert_never(node.op)


def _misused_delay(graph: Graph, node: Node, op: Delay, layouts: Layouts) -> Iterator[str]:
    source = graph[node.inputs[0]]
    if not (source.op.has_neurons or source is graph.input):
        yield (
            f"it delays {source.name} ({source.op.kind}), which has no neurons; delay the neurons "
            "before it, then pool"
        )
        return
    origins = _event_origins(graph, source, layouts)
    levels = 1 if origins is None else len(origins) // op.shape[0]
    if levels > 1 and op.initial not in (0, levels):
        yield (
            f"its initial value is {op.initial} of {levels} levels, but all neurons of a tensor "
            "start alike; use graded spikes"
        )


def _is_sum(graph: Graph, node: Node) -> bool:
    """Return whether a node's events may be sums of several neurons' levels."""
    match node.op:
        case Add() | SumPool2d():
            return True
        case Reshape() | MaxPool2d():
            return _is_sum(graph, graph[node.inputs[0]])
        case Concatenate():
            return any(_is_sum(graph, graph[name]) for name in node.inputs)
        case (
            Input()
            | Threshold()
            | Membrane()
            | Multiply()
            | Delay()
            | Dense()
            | Conv2d()
            | Readout()
        ):
            return False
        case _:
            assert_never(node.op)


def _accumulator_layouts(graph: Graph, layouts: Layouts) -> list[str]:
    """Add the layouts of all accumulators, readout first; list what cannot be laid out."""
    refused = []
    for node in reversed(graph.nodes):
        for origins in layouts[node.name]:
            needs = [_needed(graph, node, origins, which) for which in range(len(node.inputs))]
            if any(needed is None for needed in needs):
                refused.append(f"{node.name} ({node.op.kind}): {_SPLIT}")
            for name, needed in zip(node.inputs, needs, strict=True):
                if not graph.tensors[name].signal.is_event:
                    kept = np.arange(graph.tensors[name].shape[0]) if needed is None else needed
                    known = layouts.setdefault(name, [])
                    if _place(known, kept) is None:
                        known.append(kept)
    return refused


def _starts(graph: Graph, node: Node) -> list[int]:
    """Return where the channels of each input of a concatenation begin."""
    sizes = [graph.tensors[name].shape[0] for name in node.inputs]
    return [0, *itertools.accumulate(sizes[:-1])]


def _needed(graph: Graph, node: Node, origins: Integers, which: int) -> Integers | None:
    """Return the layout that a node's accumulators need for its output to have ``origins``.

    ``which`` is the number of the input. ``None`` if there is none. Events, which weighted layers
    take, keep the layout that they have.
    """
    match node.op:
        case Reshape() as op:
            return _reshaped(origins, op.shape, graph.tensors[node.inputs[0]].shape)
        case Concatenate():
            starts = _starts(graph, node)
            owners = np.searchsorted(starts, origins, side="right") - 1
            ordered = bool((np.diff(owners) >= 0).all())
            return origins[owners == which] - starts[which] if ordered else None
        case Conv2d() as op:  # the copies of a channel must stay within its group
            local = _in_groups(origins, op.groups, len(op.weight) // op.groups)
            return None if local is None else origins
        case (
            Input()
            | Dense()
            | SumPool2d()
            | MaxPool2d()
            | Add()
            | Multiply()
            | Delay()
            | Threshold()
            | Membrane()
            | Readout()
        ):
            return origins
        case _:
            assert_never(node.op)


def _place(layouts: list[Integers], origins: Integers) -> int | None:
    places = (i for i, known in enumerate(layouts) if np.array_equal(known, origins))
    return next(places, None)


def _too_large(graph: Graph, layouts: Layouts) -> Iterator[str]:
    for node in graph.nodes:
        op = node.op
        if not isinstance(op, Weighted):
            continue
        (columns,) = layouts[node.inputs[0]]
        each = op.weight[0].size * len(columns) // graph.tensors[node.inputs[0]].shape[0]
        size = max(len(rows) for rows in layouts[node.name]) * each
        if size > ELEMENT_LIMIT:
            yield (
                f"{node.name} ({op.kind}): its weight would have {size} elements; the limit "
                f"is {ELEMENT_LIMIT}, use fewer levels"
            )


def _reshaped(
    origins: Integers, shape: tuple[int, ...], target: tuple[int, ...]
) -> Integers | None:
    """Return a layout of ``shape`` as one of ``target``; ``None`` if it splits a channel."""
    old, new = prod(shape[1:]), prod(target[1:])
    elements = (origins[:, None] * old + np.arange(old)).reshape(-1, new)
    channels, offsets = np.divmod(elements, new)
    whole = (channels == channels[:, :1]).all() and (offsets == np.arange(new)).all()
    return channels[:, 0] if whole else None


def _in_groups(origins: Integers, groups: int, size: int) -> Integers | None:
    """Return the origins within a group of ``size`` channels; ``None`` if groups differ."""
    local: Integers = origins.reshape(groups, -1) - size * np.arange(groups)[:, None]
    alike = (local == local[0]).all() and local.min() >= 0 and local.max() < size
    return local[0] if alike else None


def _columns(op: Dense | Conv2d, origins: Integers) -> Integers | None:
    """Return the old column of each new column of a weight; ``None`` if its groups forbid it."""
    match op:
        case Dense():
            return origins
        case Conv2d():
            return _in_groups(origins, op.groups, op.weight.shape[1])
        case _:
            assert_never(op)


def _nodes(graph: Graph, layouts: Layouts) -> Iterator[Node]:
    names = _names(graph, layouts)
    for node in graph.nodes:
        for name, origins in zip(names[node.name], layouts[node.name], strict=True):
            inputs = []
            for which, source in enumerate(node.inputs):
                # Events have one layout, which may differ from that of the sums made from them.
                needed = _needed(graph, node, origins, which)
                place = None if needed is None else _place(layouts[source], needed)
                inputs.append(names[source][place or 0])
            columns = layouts[node.inputs[0]][0] if node.inputs else origins
            yield Node(name, _laid_out(node.op, origins, columns), tuple(inputs))


def _names(graph: Graph, layouts: Layouts) -> dict[str, list[str]]:
    """Name new nodes after the old ones; further copies get a number that is not in use."""
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
    match op:
        case Threshold():
            return Threshold(op.theta.reshape(-1, 1), np.repeat(op.flipped, op.levels))
        case Reshape():
            return Reshape((len(origins), *op.shape[1:]))
        case Delay():
            if len(origins) == op.shape[0]:
                return op
            return Delay((len(origins), *op.shape[1:]), 0, 1, Signal.SPIKES, int(op.initial > 0))
        case Dense() | Conv2d():
            local, trained = _columns(op, columns), op.float_nonzero
            return replace(
                op,
                weight=op.weight[origins][:, local],
                bias=op.bias[origins],
                float_nonzero=None if trained is None else trained[origins][:, local],
            )
        case (
            Input()
            | SumPool2d()
            | MaxPool2d()
            | Add()
            | Multiply()
            | Concatenate()
            | Membrane()
            | Readout()
        ):
            return op
        case _:
            assert_never(op)
