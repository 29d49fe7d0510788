"""A graph as a program of the native engine: its :mod:`.plan`, written as words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from typing_extensions import assert_never

from edgespike.counting.tally import event_sources
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
from edgespike.graph.ops import Pool2d
from edgespike.targets.cpu.native.cells import (
    write_membrane,
    write_threshold,
)
from edgespike.targets.cpu.native.codes import (
    MAGIC,
    MOST_SPIKES_OF_BYTES,
    CellKind,
    ModeCode,
    OpKind,
    Type,
)
from edgespike.targets.cpu.native.limits import fits
from edgespike.targets.cpu.native.plan import plan_of
from edgespike.targets.cpu.native.products import (
    Window,
    has_wide_sums,
    product_of,
    write_product,
)
from edgespike.targets.cpu.native.words import Words, stored
from edgespike.targets.shared.channels_last import order_of_reshape, plane
from edgespike.trace import observed_names

BYTES_OF_SUMS = 192 * 1024
"""Most sums of events, over all neurons and steps, that are kept in bytes first: they should stay
in a core's cache."""


@dataclass(frozen=True)
class Source:
    """Where events are summed: a node, and the place of its sums, one for each step and neuron."""

    name: str
    place: slice
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Program:
    """What the engine runs.

    Parameters
    ----------
    words
        As ``es_load`` reads it.
    sources
        Where events are summed.
    events
        How many sums there are.
    kept
        Of each observed node: name, type, and shape of its values, channels last.
    """

    words: bytes
    sources: tuple[Source, ...]
    events: int
    kept: tuple[tuple[str, Type, tuple[int, ...]], ...]


def program_of(graph: Graph) -> Program | None:
    """Write a graph's program; ``None`` if the engine's 32 bits do not hold all of its values."""
    if not fits(graph):
        return None
    return _Writer(graph).write()


class _Writer:
    """Writes one program."""

    def __init__(self, graph: Graph) -> None:
        self._graph, self._plan = graph, plan_of(graph)
        self._value = self._plan.values

    def write(self) -> Program:
        graph, words = self._graph, Words()
        words.add(MAGIC, graph.steps, len(self._value))
        for name in self._value:
            tensor = graph.tensors[name]
            words.add(self._stored(name), *plane(tensor.shape), tensor.bounds == (0, 1))
            if name == graph.readout.name:
                words.add(0)  # its range may be larger
            else:
                words.array(np.stack([tensor.low, tensor.high]))
        words.add(self._value[graph.input.name], self._value[graph.readout.name])
        words.add(len(self._plan.run))
        for node in self._plan.run:
            self._op(words, node)
        delays = [each for each in graph.of_type(Delay) if each[0].name in self._value]
        words.add(len(delays))
        for node, delay in delays:
            words.add(self._value[node.inputs[0]], self._value[node.name], delay.initial)
        sources, events = self._sources(words)
        names = observed_names(graph)
        words.add(len(names))
        words.array([self._value[name] for name in names])
        kept = tuple((name, self._stored(name), self._shape(name)) for name in names)
        return Program(words.bytes(), sources, events, kept)

    def _shape(self, name: str) -> tuple[int, ...]:
        channels, *positions = self._graph.tensors[name].shape
        return (*positions, channels)

    def _stored(self, name: str) -> Type:
        if name == self._graph.readout.name:
            return Type.I64
        return stored(*self._graph.tensors[name].bounds)

    def _op(self, words: Words, node: Node) -> None:
        graph, plan = self._graph, self._plan
        cell = plan.cells.get(node.name)
        output = node if cell is None else cell
        layer = plan.absorbed.get(node.name, node)
        window = plan.windows.get(layer.name)
        inputs = node.inputs if window is None else (window.root.name,)
        sources = graph.input_tensors(node)
        when = plan.when(output.name)
        words.add(self._kind(layer), when, self._value[output.name], len(inputs))
        words.array([self._value[name] for name in inputs])
        if isinstance(layer.op, Conv2d | Dense):
            self._linear(words, node, layer.op, plan.windows[layer.name])
            self._cell(words, cell, node)
            words.add(node.name == plan.counted)
            return
        match node.op:
            case Threshold() as op:
                write_threshold(words, op, sources[0])
            case Membrane() as op:
                write_membrane(words, op, sources[0], graph.steps)
            case MaxPool2d() | SumPool2d() as op:
                _pool(words, op)
            case Reshape():
                source, result = (graph.tensors[name].shape for name in (*node.inputs, node.name))
                words.array(order_of_reshape(source, result))
            case Readout() as op:
                words.add(ModeCode[op.mode.name], plan.counted in node.inputs)
            case Add() | Multiply() | Concatenate():
                pass
            case Input() | Delay() | Conv2d() | Dense():
                raise TypeError(f"{node.name} ({node.op.kind}) is not computed")
            case _:
                assert_never(node.op)

    def _kind(self, node: Node) -> OpKind:
        match node.op:
            case Conv2d() | Dense():
                return OpKind.LINEAR
            case Threshold() | Membrane():
                return OpKind.CELL
            case MaxPool2d():
                return OpKind.MAX_POOL
            case SumPool2d():
                return OpKind.SUM_POOL
            case Add():
                return OpKind.ADD
            case Multiply():
                return OpKind.MULTIPLY
            case Concatenate():
                return OpKind.CONCATENATE
            case Reshape():
                return OpKind.RESHAPE
            case Readout():
                return OpKind.READOUT
            case Input() | Delay():
                raise TypeError(f"{node.name} ({node.op.kind}) is not computed")
            case _:
                assert_never(node.op)

    def _linear(self, words: Words, node: Node, op: Conv2d | Dense, window: Window) -> None:
        """Write a layer whose sums are a node's: its own, or those of an addition."""
        sums = self._graph.tensors[node.name]
        counted = node.name == self._plan.counted
        product = product_of(self._graph, window, sums, as_events=counted)
        write_product(words, window, op.bias, product, wide=has_wide_sums(window, product, sums))
        layer = self._plan.absorbed.get(node.name)
        others = [self._value[name] for name in node.inputs if layer and name != layer.name]
        words.add(len(others), *others)

    def _cell(self, words: Words, cell: Node | None, layer: Node) -> None:
        sums = self._graph.tensors[layer.name]
        if cell is None:
            words.add(CellKind.PLAIN)
        elif isinstance(cell.op, Threshold):
            write_threshold(words, cell.op, sums)
        elif isinstance(cell.op, Membrane):
            write_membrane(words, cell.op, sums, self._graph.steps)

    def _sources(self, words: Words) -> tuple[tuple[Source, ...], int]:
        graph = self._graph
        sources: list[Source] = []
        events, in_bytes, most = 0, 0, 1
        names = event_sources(graph)
        words.add(len(names))
        for name in names:
            tensor = graph.tensors[name]
            graded = tensor.signal is Signal.GRADED
            words.add(self._value[name], graded)
            end = events + graph.steps * tensor.size
            sources.append(Source(name, slice(events, end), (graph.steps, *self._shape(name))))
            events = end
            if self._stored(name) is Type.U8:
                in_bytes += graph.steps * tensor.size
                most = max(most, 1 if graded else tensor.bounds[1])
        words.add(MOST_SPIKES_OF_BYTES // most if in_bytes and events <= BYTES_OF_SUMS else 0)
        return tuple(sources), events


def _pool(words: Words, op: Pool2d) -> None:
    (top, _), (left, _) = op.sides
    words.add(*op.kernel, *op.stride, top, left)
