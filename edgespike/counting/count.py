"""Counting: events times fan-out, from what a target really ran.

What enters a weighted layer is counted there. Sums, reshapes and additions are transparent: each
event passes through them on its own. A max pool merges the events of a window into one.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike import interpreter
from edgespike.counting.counts import Counts, LayerCounts
from edgespike.counting.events import sum_events
from edgespike.counting.fanout import Convention, fan_out
from edgespike.errors import EdgespikeError
from edgespike.graph import (
    Add,
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
from edgespike.graph.ops.pooling import Pool2d
from edgespike.graph.tensor import Integers
from edgespike.trace import Trace

FREE = {
    Add: "sources that meet in one neuron or one axon; their events are counted where they arrive",
    Reshape: "a name for the same elements",
    SumPool2d: "a bundle of axons or of synapses; each event is counted where it arrives",
}
"""Operations that cost nothing of their own, each with its reason."""


class UncountedOperationError(EdgespikeError):
    """An operation is neither counted nor declared free."""


def count(graph: Graph, samples: NDArray[Any], trace: Trace) -> Counts:
    """Count what a run did.

    Parameters
    ----------
    graph
        The graph that ran.
    samples
        Its input, as :func:`edgespike.graph.inputs.as_samples` takes it.
    trace
        What the target's runtime gave for these samples.
    """
    samples = as_samples(graph, samples)
    observed = {graph.input.name: samples, **trace.values}
    sums = {name: sum_events(observed[name], graph.tensors[name]) for name in event_sources(graph)}
    return count_events(graph, sums, len(samples))


def event_sources(graph: Graph) -> list[str]:
    """Name the nodes at which events arise: input, neurons and max pools."""
    kinds = (Input, Threshold, Membrane, MaxPool2d)
    return [node.name for node in graph.nodes if isinstance(node.op, kinds)]


def count_events(graph: Graph, sums: Mapping[str, Integers], samples: int) -> Counts:
    """Count from the events of each source.

    Parameters
    ----------
    graph
        The graph that ran.
    sums
        For each of :func:`event_sources`, events summed over samples, int64
        ``(steps, *shape)``.
    samples
        How many samples ran.

    Raises
    ------
    UncountedOperationError
        The graph holds an operation that this function knows nothing of.
    """
    arriving: dict[str, Integers] = dict(sums)
    layers = []
    for node in graph.nodes:
        inputs = [arriving[name] for name in node.inputs if name in arriving]
        if type(node.op) in FREE:
            if len(inputs) == len(node.inputs):  # events; sums of accumulators carry none
                arriving[node.name] = _pass_on(node, inputs)
            continue
        layers.append(_count_node(graph, node, inputs, arriving.get(node.name), samples))
    return Counts(samples, tuple(layers))


def _pass_on(node: Node, inputs: list[Integers]) -> Integers:
    if isinstance(node.op, SumPool2d):
        return interpreter.sum_pool2d(node.op, inputs[0])
    if isinstance(node.op, Reshape):
        return interpreter.reshape(node.op, inputs[0])
    return reduce(np.add, inputs)


def _count_node(
    graph: Graph, node: Node, inputs: list[Integers], leaving: Integers | None, samples: int
) -> LayerCounts:
    nothing = np.zeros(graph.steps, np.int64)
    operations = dict.fromkeys(Convention, nothing)
    pooled, updates = nothing, nothing
    multiplied = operations
    if isinstance(node.op, Weighted):
        counted = {kind: _operations(node.op, inputs[0], kind) for kind in Convention}
        if graph.input_tensors(node)[0].signal is Signal.SPIKES:
            operations = counted
        else:
            multiplied = counted
    elif isinstance(node.op, (Threshold, Membrane, Readout)):
        updates = nothing + graph.tensors[node.name].size * samples
    elif isinstance(node.op, MaxPool2d):
        pooled = _over_steps(inputs[0] * _windows_over(node.op, inputs[0].shape[1:]))
    elif not isinstance(node.op, Input):
        raise UncountedOperationError(
            f"{node.name} ({node.op.kind}) is neither counted nor declared free; "
            "teach edgespike.counting.count about this operation"
        )
    left = nothing if leaving is None else _over_steps(leaving)
    spiking = isinstance(node.op, (Threshold, Membrane)) and (
        graph.tensors[node.name].signal is Signal.SPIKES
    )
    return LayerCounts(
        node.name,
        operations,
        multiplied,
        updates,
        left if spiking else nothing,
        left,
        pooled,
    )


def _operations(op: Weighted, events: Integers, convention: Convention) -> Integers:
    fans = _fan_out_of(op, events.shape[1:], convention)
    return np.asarray(events.reshape(len(events), -1) @ fans.ravel())


@lru_cache(maxsize=256)
def _cached_fan_out(key: _ById, shape: tuple[int, ...], convention: Convention) -> Integers:
    return fan_out(key.op, shape, convention)


class _ById:
    """An operation as a cache key: its arrays cannot change, so identity is enough."""

    def __init__(self, op: Weighted) -> None:
        self.op = op

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ById) and self.op is other.op

    def __hash__(self) -> int:
        return id(self.op)


def _fan_out_of(op: Weighted, shape: tuple[int, ...], convention: Convention) -> Integers:
    return _cached_fan_out(_ById(op), shape, convention)


def _windows_over(op: Pool2d, shape: tuple[int, ...]) -> Integers:
    """Count, for each element, the pooling windows that it is in."""
    (pad_y, pad_x), (step_y, step_x) = op.padding, op.stride
    height, width = op.output_size(shape)
    padded = np.zeros((shape[1] + 2 * pad_y, shape[2] + 2 * pad_x), np.int64)
    for ky, kx in np.ndindex(*op.kernel):
        padded[ky : ky + height * step_y : step_y, kx : kx + width * step_x : step_x] += 1
    return padded[pad_y : pad_y + shape[1], pad_x : pad_x + shape[2]]


def _over_steps(events: Integers) -> Integers:
    return np.asarray(events.reshape(len(events), -1).sum(axis=1))
