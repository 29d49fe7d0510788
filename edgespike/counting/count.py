"""Counting: events times fan-out, from what a target actually ran.

The events that enter a weighted layer are counted there. Sum pools, reshapes and additions are
transparent: each event passes through them separately. A max pool absorbs the events of a window
and emits the largest of their values; for single spikes, that is one spike. A product absorbs the
events of both factors; where both have one, it multiplies and emits one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from edgespike import interpreter
from edgespike.counting.bounds import most_counted, most_events
from edgespike.counting.charges import check_all_known
from edgespike.counting.counts import Counts, LayerCounts
from edgespike.counting.exact import INT64_LIMIT, Whole
from edgespike.counting.fanout import Convention, fan_out
from edgespike.counting.products import (
    CONVENTIONS,
    EventRows,
    arrivals,
    channels_last,
    exact_numbers,
    synapses_reached,
    windows_entered,
)
from edgespike.counting.tally import Tally, event_sources, stored_events, tally_trace
from edgespike.errors import InputError
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
    Readout,
    Reshape,
    Signal,
    SumPool2d,
    Threshold,
)
from edgespike.graph.ops.windows import padded_size
from edgespike.graph.tensor import FLOAT64_LIMIT, Integers
from edgespike.trace import Trace

Events = Mapping[Signal, Whole]
"""Events of each kind that arrive at a node, ``(steps, *shape)``; a missing kind has none."""

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

    Raises
    ------
    UnsupportedError
        An operation of the graph is neither counted nor declared free; all are listed.
    """

    def __init__(self, graph: Graph) -> None:
        check_all_known(graph)
        self._graph = graph
        self._rows = [_row(graph, node) for node in graph.nodes if node.op.free is None]
        self._signals = {name: graph.tensors[name].signal for name in event_sources(graph)}
        self._delays = list(graph.of_type(Delay))
        self._passing = _passing(graph, {row.source for row in self._rows})
        events = most_events(graph)
        reached = {row.name: row.reached for row in self._rows if row.source}
        self._most = most_counted(graph, events, reached)
        numbers = exact_numbers(self._most)  # of one sample: as narrow as can be
        self._rows = [
            row if row.synapses is None else replace(row, synapses=row.synapses.astype(numbers))
            for row in self._rows
        ]
        self._most_each = {name: events[name] for name in event_sources(graph)}
        self._busiest = max(self._most_each.items(), key=itemgetter(1))
        self._most_samples = INT64_LIMIT // max(1, self._busiest[1])

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
        most = self._most * tally.samples
        if most <= FLOAT64_LIMIT:
            stored = stored_events(tally.events)
            return self._counts(tally.events, stored, tally.samples, exact_numbers(most))
        events = {name: array.astype(np.object_) for name, array in tally.events.items()}
        counts = self._counts(events, events, tally.samples, np.dtype(np.object_))
        self._check_limit(counts)
        return counts

    def _counts(
        self,
        events: Mapping[str, Whole],
        stored: Mapping[str, NDArray[Any]],
        samples: int,
        numbers: np.dtype[Any],
    ) -> Counts:
        """Count with products in a type that is exact.

        ``events`` can be added up; ``stored`` are the same in any types.
        """
        leaving = {
            name: EventRows(stored[name], most * samples) for name, most in self._most_each.items()
        }
        entering = {name: {self._signals[name]: flat} for name, flat in leaving.items()}
        for name, passed in self._passed_on(events, samples).items():
            entering[name] = {kind: EventRows(array) for kind, array in passed.items()}
        nothing = np.zeros(self._graph.steps, np.int64)
        none: Mapping[Convention, Whole] = dict.fromkeys(CONVENTIONS, nothing)
        layers = []
        once = np.array([row.neurons * samples for row in self._rows], np.int64)
        every_step = np.repeat(once[:, None], self._graph.steps, axis=1)
        for row, updates in zip(self._rows, every_step, strict=True):
            currents = updates if row.keeps_current else nothing
            operations, multiplied, pooled, arriving = none, none, nothing, nothing
            if row.source:
                arriving = arrivals(entering[row.source])
            if row.synapses is not None:
                kinds = entering[row.source]
                if Signal.SPIKES in kinds:
                    operations = synapses_reached(kinds[Signal.SPIKES], row.synapses, numbers)
                if Signal.GRADED in kinds:
                    multiplied = synapses_reached(kinds[Signal.GRADED], row.synapses, numbers)
            elif row.windows is not None:
                pooled = windows_entered(entering[row.source], row.windows)
            left = leaving[row.name].total if row.name in leaving else nothing
            if row.multiplies:
                multiplied = dict.fromkeys(CONVENTIONS, left)
            spikes = left if row.spiking else nothing
            layers.append(
                LayerCounts(
                    row.name,
                    operations,
                    multiplied,
                    updates,
                    spikes,
                    left,
                    pooled,
                    currents,
                    arriving,
                )
            )
        return Counts(samples, tuple(layers))

    def _passed_on(self, found: Mapping[str, Whole], samples: int) -> dict[str, Events]:
        """Return the events that leave delays and the nodes that events pass through."""
        passed: dict[str, Events] = {}
        for node, op in self._delays:  # its source may come later in the graph
            passed[node.name] = {op.signal: _delayed(op, found[node.inputs[0]], samples)}
        for node in self._passing:
            inputs = [
                passed[name] if name in passed else {self._signals[name]: found[name]}
                for name in node.inputs
            ]
            passed[node.name] = _passed_on(node, inputs)
        return passed

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


@dataclass(frozen=True)
class _Row:
    """What is known of a node that is counted, before anything runs.

    Parameters
    ----------
    name
        Name of the node.
    neurons
        How many neurons it has.
    spiking
        Whether what leaves it are spikes of neurons.
    keeps_current
        Whether its neurons keep a synaptic current beside their potential.
    multiplies
        Whether each event that leaves it is a product.
    source
        Name of the node whose events reach its synapses or windows; empty if it has neither.
    synapses
        Of a weighted layer: the synapses that leave each element of its input, channels last, by
        convention. Whole numbers ``(elements, conventions)`` in any type; a graph's size keeps them
        far below 2**53.
    windows
        Of a max pool: how many windows each element of its input is in, channels last, int64
        ``(elements,)``; one number if it is the same for all.
    reached
        All synapses, whatever their weight, or all windows of all channels.
    """

    name: str
    neurons: int
    spiking: bool
    keeps_current: bool = False
    multiplies: bool = False
    source: str = ""
    synapses: NDArray[Any] | None = None
    windows: Integers | int | None = None
    reached: int = 0


def _row(graph: Graph, node: Node) -> _Row:
    tensor = graph.tensors[node.name]
    neurons = tensor.size if node.op.has_neurons else 0
    row = _Row(node.name, neurons, node.op.has_neurons and tensor.signal is Signal.SPIKES)
    match node.op:
        case Dense() | Conv2d() as op:
            (source,) = node.inputs
            shape = graph.tensors[source].shape
            leaving = [fan_out(op, shape, kind) for kind in CONVENTIONS]
            while isinstance(graph[source].op, Reshape):  # the same elements, ordered once
                (source,) = graph[source].inputs
            shape = graph.tensors[source].shape
            leaving = [each.reshape(shape) for each in leaving]
            reached = int(leaving[CONVENTIONS.index(Convention.EVERY)].sum())
            synapses = np.stack([channels_last(each) for each in leaving], axis=1)
            return replace(row, source=source, synapses=synapses, reached=reached)
        case MaxPool2d() as op:
            (source,) = node.inputs
            channels = tensor.shape[0]
            windows = np.repeat(windows_over(op, graph.tensors[source].shape), channels)
            each = int(windows[0]) if (windows == windows[0]).all() else windows
            return replace(row, source=source, windows=each, reached=int(windows.sum()))
        case Membrane() as op:
            return replace(row, keeps_current=op.decay_syn is not None)
        case Multiply():
            return replace(row, multiplies=True)
        case Input() | Threshold() | Readout():
            return row  # no synapse ends here; neurons and the events that leave are counted
        case SumPool2d() | Add() | Concatenate() | Reshape() | Delay():
            raise TypeError(f"{node.name} ({node.op.kind}) is free")
        case _:
            assert_never(node.op)


def _passing(graph: Graph, used: set[str]) -> list[Node]:
    """Return the nodes that events pass through on their way to a node that is used.

    What sums of accumulators add is not events.
    """
    carrying = {node.name for node in graph.nodes if node.op.emits_events}
    carrying.update(node.name for node, _ in graph.of_type(Delay))
    found = []
    for node in graph.nodes:
        passes = isinstance(node.op, SumPool2d | Reshape | Add | Concatenate)
        if passes and carrying.issuperset(node.inputs):
            carrying.add(node.name)
            found.append(node)
    needed = set(used)
    for node in reversed(found):
        if node.name in needed:
            needed.update(node.inputs)
    return [node for node in found if node.name in needed]


def _delayed(op: Delay, events: Whole, samples: int) -> Whole:
    """Move event sums ``(steps, *shape)`` to the next step; at the first, ``initial`` arrives."""
    initial = op.initial if op.signal is Signal.SPIKES else int(op.initial != 0)
    return np.concatenate([np.full_like(events[:1], initial * samples), events[:-1]])


def _passed_on(node: Node, inputs: list[Events]) -> Events:
    """Return the events that pass through a node, by kind."""
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
        case Concatenate():
            return {kind: np.concatenate(_of_kind(kind, inputs), axis=1) for kind in kinds}
        case (
            Input()
            | Dense()
            | Conv2d()
            | MaxPool2d()
            | Delay()
            | Threshold()
            | Membrane()
            | Multiply()
            | Readout()
        ):
            raise TypeError(f"events end at {node.name} ({node.op.kind})")
        case _:
            assert_never(node.op)


def _of_kind(kind: Signal, inputs: Sequence[Events]) -> list[Whole]:
    """Return each input's events of a kind, zeros where it has none; they keep their shape."""
    return [
        events[kind] if kind in events else np.zeros_like(next(iter(events.values())))
        for events in inputs
    ]


def windows_over(op: MaxPool2d, shape: tuple[int, ...]) -> Integers:
    """Return how many pooling windows each position of an input of ``shape`` is in."""
    step_y, step_x = op.stride
    height, width = op.output_size(shape)
    padded = np.zeros(padded_size(shape, op.sides), np.int64)
    for ky, kx in np.ndindex(*op.kernel):
        padded[ky : ky + height * step_y : step_y, kx : kx + width * step_x : step_x] += 1
    (top, _), (left, _) = op.sides
    return padded[top : top + shape[1], left : left + shape[2]]
