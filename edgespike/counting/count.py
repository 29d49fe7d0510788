"""Counting: events times fan-out, from what a target really ran.

What enters a weighted layer is counted there. Sums, reshapes and additions are transparent: each
event passes through them on its own. A max pool takes in the events of a window and emits the
largest of their values: of single spikes, one.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, reduce
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgespike import interpreter
from edgespike.counting.counts import Counts, LayerCounts
from edgespike.counting.events import sum_events
from edgespike.counting.fanout import Convention, fan_out
from edgespike.errors import EdgespikeError, InputError
from edgespike.graph import Add, Delay, Graph, MaxPool2d, Node, Op, Reshape, Signal, SumPool2d
from edgespike.graph.inputs import as_samples
from edgespike.graph.ops import Weighted
from edgespike.graph.tensor import Integers
from edgespike.trace import Trace

FREE = {
    Add: "sources that meet in one neuron or one axon; their events are counted where they arrive",
    Reshape: "a name for the same elements",
    Delay: "an axon whose events arrive a step later; they are counted where they arrive",
    SumPool2d: "a bundle of axons or of synapses; each event is counted where it arrives",
}
"""Operations that cost nothing of their own, each with its reason."""


AnyOp = TypeVar("AnyOp", bound=Op)

Events = Mapping[Signal, Integers]
"""Events of each kind that arrive somewhere, ``(steps, *shape)``; an absent kind has none."""


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

    Returns
    -------
    Counts
        Totals over the samples, by layer and step.

    Raises
    ------
    InputError
        The samples do not fit the graph's input, or the trace is of other layers, of another
        number of samples, or of other steps.
    UncountedOperationError
        The graph holds an operation that is neither counted nor declared free.
    """
    samples = as_samples(graph, samples)
    observed = {graph.input.name: samples, **trace.values}
    sources = event_sources(graph)
    for name in sources:
        due = (len(samples), graph.steps, *graph.tensors[name].shape)
        if name not in observed or observed[name].shape != due:
            found = f"has shape {observed[name].shape}" if name in observed else "is not there"
            raise InputError(
                f"the trace is none of these samples: layer {name} {found}, and {due} is due"
            )
    sums = {name: sum_events(observed[name], graph.tensors[name]) for name in sources}
    return count_events(graph, sums, len(samples))


def event_sources(graph: Graph) -> list[str]:
    """Name the nodes at which events arise: input, neurons and max pools."""
    return [node.name for node in graph.nodes if node.op.emits_events]


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

    Returns
    -------
    Counts
        Totals over the samples, by layer and step.

    Raises
    ------
    UncountedOperationError
        The graph holds an operation that this function knows nothing of.
    """
    arriving: dict[str, Events] = {
        name: {graph.tensors[name].signal: events} for name, events in sums.items()
    }
    for node, op in graph.of_type(Delay):
        before = sums[node.inputs[0]]
        arriving[node.name] = {op.signal: _delayed(op, before, samples)}
    layers = []
    for node in graph.nodes:
        if isinstance(node.op, Delay):  # what arrives through it is known already, see above
            continue
        inputs = [arriving[name] for name in node.inputs if name in arriving]
        if type(node.op) in FREE:
            if len(inputs) == len(node.inputs):  # events; sums of accumulators carry none
                arriving[node.name] = _pass_on(node.op, inputs)
        else:
            layers.append(_count_node(graph, node, inputs, sums.get(node.name), samples))
    return Counts(samples, tuple(layers))


def _delayed(op: Delay, events: Integers, samples: int) -> Integers:
    """Move event sums ``(steps, *shape)`` to the next step; at the first, ``initial`` arrives."""
    initial = op.initial if op.signal is Signal.SPIKES else int(op.initial != 0)
    return np.concatenate([np.full_like(events[:1], initial * samples), events[:-1]])


def _pass_on(op: Op, inputs: list[Events]) -> Events:
    """Let spikes and graded events through an operation, each kind on its own."""
    kinds = {kind for events in inputs for kind in events}
    if isinstance(op, SumPool2d):
        return {kind: interpreter.sum_pool2d(op, inputs[0][kind]) for kind in kinds}
    if isinstance(op, Reshape):
        return {kind: interpreter.reshape(op, inputs[0][kind]) for kind in kinds}
    return {
        kind: reduce(np.add, [events[kind] for events in inputs if kind in events])
        for kind in kinds
    }


def _count_node(
    graph: Graph, node: Node, inputs: list[Events], leaving: Integers | None, samples: int
) -> LayerCounts:
    nothing = np.zeros(graph.steps, np.int64)
    operations = multiplied = dict.fromkeys(Convention, nothing)
    pooled = nothing
    if isinstance(node.op, Weighted):
        operations = _operations(node.op, inputs[0].get(Signal.SPIKES), nothing)
        multiplied = _operations(node.op, inputs[0].get(Signal.GRADED), nothing)
    elif isinstance(node.op, MaxPool2d):
        events = reduce(np.add, inputs[0].values())
        windows = _windows_over(_ById(node.op), events.shape[1:])
        pooled = np.einsum("tchw,hw->t", events, windows)
    elif not (node.op.has_neurons or node.op.emits_events):
        raise UncountedOperationError(
            f"{node.name} ({node.op.kind}) is neither counted nor declared free; "
            "teach edgespike.counting.count about this operation"
        )
    neurons = graph.tensors[node.name].size if node.op.has_neurons else 0
    left = nothing if leaving is None else _over_steps(leaving)
    spiking = node.op.has_neurons and graph.tensors[node.name].signal is Signal.SPIKES
    return LayerCounts(
        node.name,
        operations,
        multiplied,
        nothing + neurons * samples,
        left if spiking else nothing,
        left,
        pooled,
    )


def _operations(
    op: Weighted, events: Integers | None, nothing: Integers
) -> dict[Convention, Integers]:
    if events is None:
        return dict.fromkeys(Convention, nothing)
    flat, shape = events.reshape(len(events), -1), events.shape[1:]
    return {kind: flat @ _fan_out_of(op, shape, kind).ravel() for kind in Convention}


@lru_cache(maxsize=256)
def _cached_fan_out(
    key: _ById[Weighted], shape: tuple[int, ...], convention: Convention
) -> Integers:
    return fan_out(key.op, shape, convention)


class _ById(Generic[AnyOp]):
    """An operation as a cache key: its arrays cannot change, so identity is enough."""

    def __init__(self, op: AnyOp) -> None:
        self.op = op

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ById) and self.op is other.op

    def __hash__(self) -> int:
        return id(self.op)


def _fan_out_of(op: Weighted, shape: tuple[int, ...], convention: Convention) -> Integers:
    return _cached_fan_out(_ById(op), shape, convention)


@lru_cache(maxsize=256)
def _windows_over(key: _ById[MaxPool2d], shape: tuple[int, ...]) -> Integers:
    """Count, for each element, the pooling windows that it is in."""
    op = key.op
    (pad_y, pad_x), (step_y, step_x) = op.padding, op.stride
    height, width = op.output_size(shape)
    padded = np.zeros((shape[1] + 2 * pad_y, shape[2] + 2 * pad_x), np.int64)
    for ky, kx in np.ndindex(*op.kernel):
        padded[ky : ky + height * step_y : step_y, kx : kx + width * step_x : step_x] += 1
    return padded[pad_y : pad_y + shape[1], pad_x : pad_x + shape[2]]


def _over_steps(events: Integers) -> Integers:
    return np.asarray(events.sum(axis=tuple(range(1, events.ndim))))
