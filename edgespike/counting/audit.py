"""The audit: a recount by brute force, walking each event to each synapse that it reaches.

It shares with the count which weights are synapses, and nothing else: it names by itself where
events arise, starts at each of them and goes forward through the graph, where the count starts at
the layer and looks back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.counting.counts import Counts
from edgespike.counting.fanout import Convention, existing
from edgespike.graph import (
    Add,
    Conv2d,
    Delay,
    Dense,
    Graph,
    Input,
    MaxPool2d,
    Membrane,
    Node,
    Readout,
    Reshape,
    Signal,
    SumPool2d,
    Threshold,
)
from edgespike.graph.inputs import as_samples
from edgespike.graph.ops import Weighted
from edgespike.trace import Trace

Place = tuple[int, ...]

SOURCES = (Input, Threshold, Membrane, MaxPool2d)
"""Operations at which events arise; those that arrive end there."""


@dataclass(frozen=True)
class Audit:
    """What the walk found, over all layers, steps and samples, by convention."""

    samples: int
    synaptic_operations: dict[Convention, int]
    multiply_accumulates: dict[Convention, int]

    def agrees(self, counts: Counts) -> bool:
        """Return whether a count of the same samples has the same numbers in every convention."""
        return all(
            self.synaptic_operations[convention] == counts.synaptic_operations(convention)
            and self.multiply_accumulates[convention] == counts.multiply_accumulates(convention)
            for convention in Convention
        )


def audit(graph: Graph, samples: NDArray[Any], trace: Trace) -> Audit:
    """Recount every synaptic operation of a run by walking. Slow: for a few samples.

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
        The samples do not fit the graph's input.
    TypeError
        Events reach an operation that this function knows nothing of.
    """
    samples = as_samples(graph, samples)
    values = {graph.input.name: samples, **trace.values}
    found = {
        Signal.SPIKES: dict.fromkeys(Convention, 0),
        Signal.GRADED: dict.fromkeys(Convention, 0),
    }
    takers = _takers(graph)
    starts = {node.name: values[node.name] for node in graph.nodes if isinstance(node.op, SOURCES)}
    for delay, op in graph.of_type(Delay):  # what it gives at the first step, nobody has sent
        starts[delay.name] = np.full((len(samples), 1, *op.shape), op.initial)
    for source, array in starts.items():
        signal = graph.tensors[source].signal
        for index in np.argwhere(array):
            events = int(array[tuple(index)]) if signal is Signal.SPIKES else 1
            step, *place = map(int, index[1:])
            for node, reached in _arrivals(graph, takers, source, step, tuple(place)):
                for convention, synapses in _synapses(graph, node, reached).items():
                    found[signal][convention] += events * synapses
    return Audit(len(samples), found[Signal.SPIKES], found[Signal.GRADED])


def _takers(graph: Graph) -> dict[str, list[Node]]:
    takers = defaultdict(list)
    for node in graph.nodes:
        for name in node.inputs:
            takers[name].append(node)
    return takers


def _arrivals(
    graph: Graph, takers: dict[str, list[Node]], name: str, step: int, place: Place
) -> Iterator[tuple[Node, Place]]:
    """Walk one event forward to every element of a weighted layer's input that it reaches."""
    for node in takers[name]:
        if isinstance(node.op, Weighted):
            yield node, place
        elif isinstance(node.op, Add):
            yield from _arrivals(graph, takers, node.name, step, place)
        elif isinstance(node.op, Delay):
            if step + 1 < graph.steps:
                yield from _arrivals(graph, takers, node.name, step + 1, place)
        elif isinstance(node.op, Reshape):
            flat = np.ravel_multi_index(place, graph.tensors[name].shape)
            moved = tuple(map(int, np.unravel_index(flat, node.op.shape)))
            yield from _arrivals(graph, takers, node.name, step, moved)
        elif isinstance(node.op, SumPool2d):
            channel, *position = place
            size = node.op.output_size(graph.tensors[name].shape)
            for window in np.ndindex(*size):
                if _in_window(node.op, window, position):
                    moved = (channel, *window)
                    yield from _arrivals(graph, takers, node.name, step, moved)
        elif not isinstance(node.op, (*SOURCES, Readout)):
            raise TypeError(f"the audit cannot walk through {node.name} ({node.op.kind})")


def _in_window(op: SumPool2d, window: Place, position: list[int]) -> bool:
    offsets = (
        at - (index * step - pad)
        for at, index, step, pad in zip(position, window, op.stride, op.padding, strict=True)
    )
    return all(0 <= offset < extent for offset, extent in zip(offsets, op.kernel, strict=True))


def _synapses(graph: Graph, node: Node, place: Place) -> dict[Convention, int]:
    """Count the synapses of a weighted layer that start at one element of its input."""
    op = node.op
    if isinstance(op, Dense):
        return {kind: int(existing(op, kind)[:, place[0]].sum()) for kind in Convention}
    if not isinstance(op, Conv2d):
        raise TypeError(f"the audit cannot walk through {node.name} ({op.kind})")
    channel, row, column = place
    height, width = graph.tensors[node.name].shape[1:]
    per_group_in = op.weight.shape[1]
    per_group_out = len(op.weight) // op.groups
    group, local = divmod(channel, per_group_in)
    outputs = slice(group * per_group_out, (group + 1) * per_group_out)
    reached = [
        (ky, kx)
        for ky, kx in np.ndindex(*op.weight.shape[2:])
        if _is_output(row + op.padding[0] - ky * op.dilation[0], op.stride[0], height)
        and _is_output(column + op.padding[1] - kx * op.dilation[1], op.stride[1], width)
    ]
    return {
        kind: sum(int(existing(op, kind)[outputs, local, ky, kx].sum()) for ky, kx in reached)
        for kind in Convention
    }


def _is_output(offset: int, stride: int, size: int) -> bool:
    return offset >= 0 and offset % stride == 0 and offset // stride < size
