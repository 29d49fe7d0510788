"""Counting: events times fan-out, from what a target actually ran.

The events that enter a weighted layer are counted there. Sum pools, reshapes and additions are
transparent: each event passes through them separately. A max pool absorbs the events of a window
and emits the largest of their values; for single spikes, that is one spike.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from edgespike import interpreter
from edgespike.counting.bounds import most_counted, most_events
from edgespike.counting.counts import Counts, LayerCounts
from edgespike.counting.exact import INT64_LIMIT, Whole, narrowed
from edgespike.counting.fanout import Convention, fan_out
from edgespike.counting.tally import Tally, event_sources, tally_trace
from edgespike.errors import InputError
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
from edgespike.graph.ops import Weighted
from edgespike.graph.ops.windows import padded_size
from edgespike.graph.tensor import Integers
from edgespike.trace import Trace

Events = Mapping[Signal, Whole]
"""Events of each kind that arrive at a node, ``(steps, *shape)``; a missing kind has none."""

FanOuts = Mapping[Convention, Integers]
"""Synapses that leave each element of a weighted layer's input, flattened."""

COUNT_LIMIT = 10**60
"""Largest count: far above what any sums of spikes can reach, and far below a float's limit."""


def count(graph: Graph, samples: NDArray[Any], trace: Trace) -> Counts:
    """Count the synaptic operations, neuron updates and events of a run.

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
        The samples do not fit the graph's input, or the trace has other layers, another number of
        samples, or other steps; or as for :meth:`Counter.counts`.
    """
    return Counter(graph).counts(tally_trace(graph, samples, trace))


def silent_layers(graph: Graph, counts: Counts) -> tuple[str, ...]:
    """Name the nodes at which events can arise and none did, in any step of any sample.

    Parameters
    ----------
    graph
        The graph that ran.
    counts
        What it did.
    """
    return tuple(
        row.name
        for row in counts.layers
        if graph[row.name].op.emits_events and not row.events.any()
    )


class Counter:
    """Counts runs of one graph. Fan-outs are computed once, when it is built.

    Parameters
    ----------
    graph
        The graph whose runs are counted.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._fan_outs: dict[str, FanOuts] = {}
        self._windows: dict[str, Integers] = {}
        for node in graph.nodes:
            if isinstance(node.op, Weighted):
                shape = graph.tensors[node.inputs[0]].shape
                self._fan_outs[node.name] = {
                    kind: fan_out(node.op, shape, kind).ravel() for kind in Convention
                }
        for node, pool in graph.of_type(MaxPool2d):
            shape = graph.tensors[node.inputs[0]].shape
            self._windows[node.name] = windows_over(pool, shape)
        events = most_events(graph)
        self._most = most_counted(graph, events, self._reached())
        self._busiest = max(
            ((name, events[name]) for name in event_sources(graph)), key=itemgetter(1)
        )
        self._most_samples = INT64_LIMIT // max(1, self._busiest[1])

    def _reached(self) -> dict[str, int]:
        """Return the synapses of each weighted layer and the windows of each max pool."""
        reached = {
            name: int(synapses[Convention.EVERY].sum()) for name, synapses in self._fan_outs.items()
        }
        for name, windows in self._windows.items():
            reached[name] = self._graph.tensors[name].shape[0] * int(windows.sum())
        return reached

    def counts(self, tally: Tally) -> Counts:
        """Count a run from its events.

        Parameters
        ----------
        tally
            The events of each source.

        Returns
        -------
        Counts
            Totals over the samples, by layer and step, in Python's integers where 64 bits may not
            hold them.

        Raises
        ------
        InputError
            So many samples that the tally's own sums may not fit into 64 bits, or a count of more
            than :data:`COUNT_LIMIT`.
        """
        self._check_sums(tally.samples)
        if self._most * tally.samples <= INT64_LIMIT:
            return self._counts(tally.events, tally.samples)
        events = {name: array.astype(np.object_) for name, array in tally.events.items()}
        counts = self._counts(events, tally.samples)
        self._check_limit(counts)
        return counts

    def _counts(self, found: Mapping[str, Whole], samples: int) -> Counts:
        arriving: dict[str, Events] = {
            name: {self._graph.tensors[name].signal: events} for name, events in found.items()
        }
        for node, op in self._graph.of_type(Delay):  # its source may come later in the graph
            before = found[node.inputs[0]]
            arriving[node.name] = {op.signal: _delayed(op, before, samples)}
        layers = []
        for node in self._graph.nodes:
            inputs = [arriving[name] for name in node.inputs if name in arriving]
            # Sums of accumulators carry no events.
            if len(inputs) == len(node.inputs) and (passed := _passed_on(node, inputs)) is not None:
                arriving[node.name] = passed
            if node.op.free is None:
                layers.append(self._layer(node, inputs, found.get(node.name), samples))
        return Counts(samples, tuple(layers))

    def _check_sums(self, samples: int) -> None:
        """Refuse a tally in which a sum of spikes may have wrapped around."""
        if samples > self._most_samples:
            name, most = self._busiest
            raise InputError(
                f"graph {self._graph.name!r} cannot be counted on {samples} samples at once: "
                f"{name} ({self._graph[name].op.kind}) emits up to {most} spikes a step, and "
                f"their sum may exceed {INT64_LIMIT}; count at most {self._most_samples} samples "
                "at a time, since counts of parts add up"
            )

    def _check_limit(self, counts: Counts) -> None:
        for layer in counts.layers:
            for kinds in (layer.synaptic_operations, layer.multiply_accumulates):
                if max(kinds[Convention.EVERY].tolist()) > COUNT_LIMIT:
                    raise InputError(
                        f"graph {self._graph.name!r} cannot be counted: {layer.name} has more "
                        "operations in one step than the limit of 10**60; use fewer additions "
                        "before it"
                    )

    def _layer(
        self, node: Node, inputs: list[Events], leaving: Whole | None, samples: int
    ) -> LayerCounts:
        """Count what a node did that is not free."""
        tensor = self._graph.tensors[node.name]
        nothing = np.zeros(self._graph.steps, np.int64)
        operations: Mapping[Convention, Whole]
        operations = multiplied = dict.fromkeys(Convention, nothing)
        pooled: Whole = nothing
        match node.op:
            case Dense() | Conv2d():
                operations = self._operations(node, inputs[0].get(Signal.SPIKES), nothing)
                multiplied = self._operations(node, inputs[0].get(Signal.GRADED), nothing)
            case MaxPool2d():
                events = reduce(np.add, inputs[0].values()).sum(axis=1)  # over channels
                windows = self._windows[node.name].ravel()
                pooled = narrowed(events.reshape(len(events), -1) @ windows)
            case Input() | Threshold() | Membrane() | Readout():
                pass  # no synapse ends here; neurons and the events that leave are counted below
            case SumPool2d() | Add() | Reshape() | Delay():
                raise TypeError(f"{node.name} ({node.op.kind}) is free")
            case _:
                assert_never(node.op)
        neurons = tensor.size if node.op.has_neurons else 0
        left = nothing if leaving is None else _over_steps(leaving)
        spiking = node.op.has_neurons and tensor.signal is Signal.SPIKES
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
        self, node: Node, events: Whole | None, nothing: Integers
    ) -> dict[Convention, Whole]:
        if events is None:
            return dict.fromkeys(Convention, nothing)
        flat = events.reshape(len(events), -1)
        fan_outs = self._fan_outs[node.name]
        return {kind: narrowed(flat @ synapses) for kind, synapses in fan_outs.items()}


def _delayed(op: Delay, events: Whole, samples: int) -> Whole:
    """Move event sums ``(steps, *shape)`` to the next step; at the first, ``initial`` arrives."""
    initial = op.initial if op.signal is Signal.SPIKES else int(op.initial != 0)
    return np.concatenate([np.full_like(events[:1], initial * samples), events[:-1]])


def _passed_on(node: Node, inputs: list[Events]) -> Events | None:
    """Return the events that pass through a node, by kind; ``None`` if they end there.

    What a delay passes on is added by the caller, and events that arise at a node are not passed
    on.
    """
    kinds = {kind for events in inputs for kind in events}
    match node.op:
        case SumPool2d() as op:
            return {kind: interpreter.sum_pool2d(op, inputs[0][kind]) for kind in kinds}
        case Reshape() as op:
            return {kind: interpreter.reshape(op, inputs[0][kind]) for kind in kinds}
        case Add():
            return {
                kind: reduce(np.add, [events[kind] for events in inputs if kind in events])
                for kind in kinds
            }
        case (
            Input()
            | Dense()
            | Conv2d()
            | MaxPool2d()
            | Delay()
            | Threshold()
            | Membrane()
            | Readout()
        ):
            return None
        case _:
            assert_never(node.op)


def windows_over(op: MaxPool2d, shape: tuple[int, ...]) -> Integers:
    """Return how many pooling windows each position of an input of ``shape`` is in."""
    step_y, step_x = op.stride
    height, width = op.output_size(shape)
    padded = np.zeros(padded_size(shape, op.sides), np.int64)
    for ky, kx in np.ndindex(*op.kernel):
        padded[ky : ky + height * step_y : step_y, kx : kx + width * step_x : step_x] += 1
    (top, _), (left, _) = op.sides
    return padded[top : top + shape[1], left : left + shape[2]]


def _over_steps(events: Whole) -> Whole:
    return narrowed(np.asarray(events.sum(axis=tuple(range(1, events.ndim)))))
