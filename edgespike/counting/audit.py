"""The audit: a recount by brute force, walking each event to each synapse that it reaches.

It shares nothing with the count but the definition of which weights are synapses. It has its own
list of where events arise, starts at each event and walks forward through the graph; the count
starts at a layer and looks back. A product is counted where what arrives at its two inputs adds up
to something else than 0 at both; the count takes the products that a target has shown.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from edgespike.counting.counts import Counts
from edgespike.counting.fanout import Convention, existing
from edgespike.errors import InputError, shown
from edgespike.graph import (
    Add,
    Concatenate,
    Conv2d,
    Delay,
    Dense,
    Graph,
    Input,
    MaxPool2d,
    Membrane,
    Multiply,
    Node,
    Operation,
    Readout,
    Reshape,
    Signal,
    SumPool2d,
    Threshold,
)
from edgespike.graph.inputs import as_samples
from edgespike.trace import Trace

Place = tuple[int, ...]

MOVE_LIMIT = 10**8
"""Most moves of a walk from one node to the next; they take about an hour."""


@dataclass(frozen=True)
class Audit:
    """What the walk found over all layers, steps and samples, by convention."""

    samples: int
    synaptic_operations: dict[Convention, int]
    multiply_accumulates: dict[Convention, int]

    def agrees(self, counts: Counts) -> bool:
        """Return whether a count of the same samples has the same totals in every convention."""
        return all(
            self.synaptic_operations[convention] == counts.synaptic_operations(convention)
            and self.multiply_accumulates[convention] == counts.multiply_accumulates(convention)
            for convention in Convention
        )


def audit(graph: Graph, samples: NDArray[Any], trace: Trace) -> Audit:
    """Recount every synaptic operation of a run by walking. Slow; meant for a few samples.

    Parameters
    ----------
    graph
        The graph that ran.
    samples
        Its input, as :func:`edgespike.graph.inputs.as_samples` takes it.
    trace
        What the target's runtime gave for these samples.

    Raises
    ------
    InputError
        The samples do not fit the graph's input, or the walk would take more than
        :data:`MOVE_LIMIT` moves.
    """
    samples = as_samples(graph, samples)
    values = {graph.input.name: samples, **trace.values}
    found = {
        Signal.SPIKES: dict.fromkeys(Convention, 0),
        Signal.GRADED: dict.fromkeys(Convention, 0),
    }
    users = _users(graph)
    starts = {node.name: values[node.name] for node in graph.nodes if is_source(node.op)}
    for delay, op in graph.of_type(Delay):  # no node has sent what it gives at the first step
        starts[delay.name] = np.full((len(samples), 1, *op.shape), op.initial)
    _check_moves(graph, len(samples), _moves(graph, users, starts))
    factors: dict[tuple[str, int, int, Place], list[int]] = defaultdict(lambda: [0, 0])
    for source, array in starts.items():
        signal = graph.tensors[source].signal
        for index in np.argwhere(array):
            value = int(array[tuple(index)])
            events = value if signal is Signal.SPIKES else 1
            sample, step, *start = map(int, index)
            for end in _arrivals(graph, users, source, step, tuple(start)):
                if isinstance(end.op, Multiply):
                    factors[end.name, sample, end.step, end.place][end.which] += value
                    continue
                synapses = _synapses(end.op, graph.tensors[end.name].shape, end.place)
                for convention, number in synapses.items():
                    found[signal][convention] += events * number
    products = sum(left != 0 and right != 0 for left, right in factors.values())
    for convention in Convention:
        found[Signal.GRADED][convention] += products
    return Audit(len(samples), found[Signal.SPIKES], found[Signal.GRADED])


def is_source(op: Operation) -> bool:
    """Return whether events arise at an operation; those that arrive there end there."""
    match op:
        case Membrane():
            return op.emits_events
        case Input() | Threshold() | MaxPool2d() | Multiply():
            return True
        case (
            Dense()
            | Conv2d()
            | SumPool2d()
            | Add()
            | Concatenate()
            | Reshape()
            | Delay()
            | Readout()
        ):
            return False
        case _:
            assert_never(op)


def _users(graph: Graph) -> dict[str, list[tuple[Node, int]]]:
    """Return the nodes that use each node's output, and as which of their inputs."""
    users = defaultdict(list)
    for node in graph.nodes:
        for which, name in enumerate(node.inputs):
            users[name].append((node, which))
    return users


def _moves(
    graph: Graph, users: Mapping[str, list[tuple[Node, int]]], starts: Mapping[str, NDArray[Any]]
) -> int:
    """Bound the moves of all walks, each window that a sum pool looks at included."""
    moves = dict.fromkeys(graph.tensors, 0)
    for source in reversed(graph.nodes):  # delays are followed below: they may come first
        for node, _ in users[source.name]:
            if not isinstance(node.op, Delay):
                moves[source.name] += _moves_into(graph, node, moves[node.name])
    total = 0
    for name, array in starts.items():
        delays = (node.name for node, _ in users[name] if isinstance(node.op, Delay))
        each = moves[name] + sum(1 + moves[delay] for delay in delays)
        total += int(np.count_nonzero(array)) * each
    return total


def _moves_into(graph: Graph, node: Node, beyond: int) -> int:
    """Return how many moves one event makes at most into a node and ``beyond`` it."""
    match node.op:
        case SumPool2d() as op:
            shape = graph.tensors[node.name].shape
            within = (
                min(windows, -(-extent // step))
                for windows, extent, step in zip(shape[1:], op.kernel, op.stride, strict=True)
            )
            return math.prod(shape[1:]) + math.prod(within) * beyond
        case Add() | Concatenate() | Reshape():
            return 1 + beyond
        case (
            Dense()
            | Conv2d()
            | Delay()
            | Input()
            | Threshold()
            | Membrane()
            | MaxPool2d()
            | Multiply()
            | Readout()
        ):
            return 1
        case _:
            assert_never(node.op)


def _check_moves(graph: Graph, samples: int, moves: int) -> None:
    if moves > MOVE_LIMIT:
        raise InputError(
            f"an audit of {samples} samples of graph {graph.name!r} would make up to "
            f"{shown(moves)} moves, each of one event to one node; the limit is {MOVE_LIMIT}, so "
            "audit fewer samples, or none if this is one"
        )


class _Arrival(NamedTuple):
    """Where an event ends: at a layer or product, at which input, step and element."""

    name: str
    op: Dense | Conv2d | Multiply
    which: int
    step: int
    place: Place


def _arrivals(
    graph: Graph, users: dict[str, list[tuple[Node, int]]], name: str, step: int, place: Place
) -> Iterator[_Arrival]:
    """Walk one event forward to each element of a layer's or product's input that it reaches."""
    waiting = [(name, step, place)]
    while waiting:
        name, step, place = waiting.pop()
        for node, which in users[name]:
            match node.op:
                case Dense() | Conv2d() | Multiply() as op:
                    yield _Arrival(node.name, op, which, step, place)
                case Add():
                    waiting.append((node.name, step, place))
                case Delay():
                    if step + 1 < graph.steps:
                        waiting.append((node.name, step + 1, place))
                case Concatenate():
                    before = (graph.tensors[other].shape[0] for other in node.inputs[:which])
                    waiting.append((node.name, step, (place[0] + sum(before), *place[1:])))
                case Reshape() as op:
                    flat = np.ravel_multi_index(place, graph.tensors[name].shape)
                    moved = tuple(map(int, np.unravel_index(flat, op.shape)))
                    waiting.append((node.name, step, moved))
                case SumPool2d() as op:
                    channel, *position = place
                    for window in np.ndindex(*op.output_size(graph.tensors[name].shape)):
                        if _in_window(op, window, position):
                            waiting.append((node.name, step, (channel, *window)))
                case Input() | Threshold() | Membrane() | MaxPool2d() | Readout():
                    continue  # the event ends here, and reaches no synapse
                case _:
                    assert_never(node.op)


def _in_window(op: SumPool2d, window: Place, position: list[int]) -> bool:
    offsets = (
        at - (index * step - before)
        for at, index, step, (before, _) in zip(position, window, op.stride, op.sides, strict=True)
    )
    return all(0 <= offset < extent for offset, extent in zip(offsets, op.kernel, strict=True))


def _synapses(op: Dense | Conv2d, shape: Place, place: Place) -> dict[Convention, int]:
    """Count the synapses of a layer that start at one place of its input, by convention."""
    match op:
        case Dense():
            return {kind: int(existing(op, kind)[:, place[0]].sum()) for kind in Convention}
        case Conv2d():
            return _synapses_of_conv2d(op, shape, place)
        case _:
            assert_never(op)


def _synapses_of_conv2d(op: Conv2d, shape: Place, place: Place) -> dict[Convention, int]:
    channel, row, column = place
    height, width = shape[1:]
    (top, _), (left, _) = op.sides
    per_group_in = op.weight.shape[1]
    per_group_out = len(op.weight) // op.groups
    group, local = divmod(channel, per_group_in)
    outputs = slice(group * per_group_out, (group + 1) * per_group_out)
    reached = [
        (ky, kx)
        for ky, kx in np.ndindex(*op.weight.shape[2:])
        if _is_output(row + top - ky * op.dilation[0], op.stride[0], height)
        and _is_output(column + left - kx * op.dilation[1], op.stride[1], width)
    ]
    return {
        kind: sum(int(existing(op, kind)[outputs, local, ky, kx].sum()) for ky, kx in reached)
        for kind in Convention
    }


def _is_output(offset: int, stride: int, size: int) -> bool:
    return offset >= 0 and offset % stride == 0 and offset // stride < size
