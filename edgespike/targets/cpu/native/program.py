"""A graph as a program of the native engine."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

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
    ReadoutMode,
    Reshape,
    Signal,
    SumPool2d,
    Threshold,
)
from edgespike.graph.ops import Pool2d
from edgespike.targets.cpu.native.cells import (
    CellKind,
    membrane_fits,
    threshold_fits,
    write_membrane,
    write_threshold,
)
from edgespike.targets.cpu.native.products import (
    Product,
    Window,
    is_wide,
    plane,
    product_of,
    window_of,
    write_product,
)
from edgespike.targets.cpu.native.words import INT32, Stored, Words, stored
from edgespike.trace import observed_names

MAGIC = 0x31736567646502

MOST_WEIGHTS = 2**26
"""Most weights of a graph: each takes 8 bytes while a program is read."""

BYTES_OF_SUMS = 192 * 1024
"""Most sums of events, over all neurons and steps, that are kept in bytes first: they should stay
in a core's cache."""

MODES = (ReadoutMode.SUM, ReadoutMode.LAST, ReadoutMode.MAX)


class Kind(IntEnum):
    """Operations, numbered as ``enum op_kind`` in ``net.h``."""

    LINEAR = 1
    CELL = 2
    MAX_POOL = 3
    SUM_POOL = 4
    ADD = 5
    MULTIPLY = 6
    CONCATENATE = 7
    RESHAPE = 8
    READOUT = 9


class When(IntEnum):
    """At which steps an operation runs, numbered as ``enum when`` in ``net.h``."""

    ALWAYS = 0
    ONCE = 1
    LAST = 2


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
    kept: tuple[tuple[str, Stored, tuple[int, ...]], ...]


def program_of(graph: Graph) -> Program | None:
    """Write a graph's program; ``None`` if the engine's 32 bits do not hold all of its values."""
    if not _fits(graph):
        return None
    return _Writer(graph).write()


def _fits(graph: Graph) -> bool:
    weights = 0
    for node in graph.nodes:
        low, high = graph.tensors[node.name].bounds
        if not isinstance(node.op, Readout) and max(-low, high) >= INT32:
            return False
        match node.op:
            case Conv2d() | Dense() as op:
                weights += op.weight.size * (op.groups if isinstance(op, Conv2d) else 1)
                if max(_largest(op.weight), _largest(op.bias)) >= INT32:
                    return False
            case Threshold() as op:
                if not threshold_fits(op, graph.input_tensors(node)[0]):
                    return False
            case Membrane() as op:
                if not membrane_fits(op, graph.input_tensors(node)[0], graph.steps):
                    return False
            case Input() | Delay() | MaxPool2d() | SumPool2d() | Reshape() | Readout():
                pass
            case Add() | Multiply() | Concatenate():
                pass
            case _:
                assert_never(node.op)
    return weights <= MOST_WEIGHTS


def _largest(values: np.typing.NDArray[np.int64]) -> int:
    return int(np.abs(values).max(initial=0))


class _Writer:
    """Writes one program."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._readers: dict[str, list[Node]] = {node.name: [] for node in graph.nodes}
        for node in graph.nodes:
            for name in dict.fromkeys(node.inputs):
                self._readers[name].append(node)
        self._windows = {
            node.name: window_of(graph, node, node.op)
            for node in graph.nodes
            if isinstance(node.op, Conv2d | Dense)
        }
        self._counted = self._counted_layer()
        self._same = self._same_at_every_step()
        self._late = self._needed_at_last()
        self._absorbed = {
            node.name: layer for node in graph.nodes if (layer := self._layer_in(node)) is not None
        }
        self._fused = {
            node.name: cell for node in graph.nodes if (cell := self._cell_after(node)) is not None
        }
        self._needed = self._needed_values()
        self._value = {name: place for place, name in enumerate(self._needed)}

    def write(self) -> Program:
        graph, words = self._graph, Words()
        words.add(MAGIC, graph.steps, len(self._needed))
        for name in self._needed:
            tensor = graph.tensors[name]
            words.add(self._stored(name), *plane(tensor.shape))
            if name == graph.readout.name:
                words.add(0)  # its range may be larger
            else:
                words.array(np.stack([tensor.low, tensor.high]))
        words.add(self._value[graph.input.name], self._value[graph.readout.name])
        cells = {cell.name for cell in self._fused.values()}
        ops = [self._op(node) for node in graph.nodes if self._is_run(node, cells)]
        words.add(len(ops))
        for op in ops:
            words.extend(op)
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

    def _stored(self, name: str) -> Stored:
        if name == self._graph.readout.name:
            return Stored.I64
        return stored(*self._graph.tensors[name].bounds)

    def _layer_in(self, node: Node) -> Node | None:
        """Return a dense layer whose sums begin with the other value that is added to them.

        Nothing else reads that layer. Of two, the one stays by itself that may be the same at every
        step.
        """
        if not isinstance(node.op, Add) or len(set(node.inputs)) != 2 or len(node.inputs) != 2:
            return None
        layers = [self._graph[name] for name in node.inputs if len(self._readers[name]) == 1]
        layers = [each for each in layers if isinstance(each.op, Dense)]
        changing = [each for each in layers if each.name not in self._same]
        return next(iter([*changing, *layers]), None)

    def _cell_after(self, node: Node) -> Node | None:
        """Return the neurons that alone read a layer's sums."""
        if not isinstance(node.op, Conv2d | Dense) and node.name not in self._absorbed:
            return None
        if len(self._readers[node.name]) != 1:
            return None
        (reader,) = self._readers[node.name]
        return reader if isinstance(reader.op, Threshold | Membrane) else None

    def _counted_layer(self) -> str:
        """Name the dense layer that a readout alone sums over several steps; empty if none."""
        graph = self._graph
        readout = graph.readout
        (name,) = readout.inputs
        node = graph[name]
        assert isinstance(readout.op, Readout)
        if graph.steps == 1 or readout.op.mode is not ReadoutMode.SUM:
            return ""
        if not isinstance(node.op, Dense) or len(self._readers[name]) > 1:
            return ""
        window = self._windows[name]
        low, high = graph.tensors[readout.name].bounds
        source = graph.tensors[window.root.name]
        if window.pool != (1, 1) or window.covered != (1, 1) or source.bounds[0] < 0:
            return ""
        most = source.bounds[1] * graph.steps
        small = max(-low, high, most, _largest(node.op.bias) * graph.steps) < INT32
        return name if small else ""

    def _same_at_every_step(self) -> set[str]:
        """Name what follows from the input of the same step alone."""
        found = {self._graph.input.name}
        for node in self._graph.nodes[1:]:
            if not _has_state(node) and found.issuperset(node.inputs):
                found.add(node.name)
        return found

    def _needed_at_last(self) -> set[str]:
        """Name what only the answer reads, and that only after the last step."""
        graph = self._graph
        readout = graph.readout
        assert isinstance(readout.op, Readout)
        if readout.op.mode is not ReadoutMode.LAST:
            return set()
        found = {readout.name}
        for node in reversed(graph.nodes):
            readers = {reader.name for reader in self._readers[node.name]}
            if readers and readers <= found and not _has_state(node) and not node.op.emits_events:
                found.add(node.name)
        return found

    def _needed_values(self) -> list[str]:
        """Name the nodes whose values are stored, in the graph's order."""
        graph = self._graph
        needed = {graph.input.name, graph.readout.name}
        needed.update(observed_names(graph), event_sources(graph))
        for node in reversed(graph.nodes):
            self._add_needed(node, needed)
        for node, _ in graph.of_type(Delay):  # their sources may come later
            if node.name in needed:
                needed.add(node.inputs[0])
        while True:
            before = len(needed)
            for node in reversed(graph.nodes):
                self._add_needed(node, needed)
            if len(needed) == before:
                return [node.name for node in graph.nodes if node.name in needed]

    def _add_needed(self, node: Node, needed: set[str]) -> None:
        """Add what a node reads, if its own values are needed."""
        fused = node.name in self._fused
        if not (node.name in needed or fused):
            return
        if node.name in self._windows:
            needed.add(self._windows[node.name].root.name)
            return
        layer = self._absorbed.get(node.name)
        if layer is not None:
            needed.add(self._windows[layer.name].root.name)
        for name in node.inputs:
            if name not in self._fused and (layer is None or name != layer.name):
                needed.add(name)

    def _is_run(self, node: Node, cells: set[str]) -> bool:
        if isinstance(node.op, Input | Delay) or node.name in cells:
            return False
        return node.name in self._value or node.name in self._fused

    def _op(self, node: Node) -> Words:
        graph, words = self._graph, Words()
        cell = self._fused.get(node.name)
        output = node if cell is None else cell
        layer = self._absorbed.get(node.name, node)
        inputs = [graph[name] for name in node.inputs]
        if layer.name in self._windows:
            inputs = [self._windows[layer.name].root]
        sources = graph.input_tensors(node)
        words.add(self._kind(layer), self._when(output), self._value[output.name], len(inputs))
        words.array([self._value[each.name] for each in inputs])
        if isinstance(layer.op, Conv2d | Dense):
            self._linear(words, node, layer.op, self._windows[layer.name])
            self._cell(words, cell, node)
            words.add(node.name == self._counted)
            return words
        match node.op:
            case Threshold() as op:
                write_threshold(words, op, sources[0])
            case Membrane() as op:
                write_membrane(words, op, sources[0], graph.steps)
            case MaxPool2d() | SumPool2d() as op:
                _pool(words, op)
            case Reshape():
                words.array(self._order(node))
            case Readout() as op:
                words.add(MODES.index(op.mode), self._counted in node.inputs)
            case Add() | Multiply() | Concatenate():
                pass
            case Input() | Delay() | Conv2d() | Dense():
                raise TypeError(f"{node.name} ({node.op.kind}) is not computed")
            case _:
                assert_never(node.op)
        return words

    def _when(self, node: Node) -> When:
        if node.name in self._late:
            return When.LAST
        return When.ONCE if node.name in self._same else When.ALWAYS

    def _kind(self, node: Node) -> Kind:
        match node.op:
            case Conv2d() | Dense():
                return Kind.LINEAR
            case Threshold() | Membrane():
                return Kind.CELL
            case MaxPool2d():
                return Kind.MAX_POOL
            case SumPool2d():
                return Kind.SUM_POOL
            case Add():
                return Kind.ADD
            case Multiply():
                return Kind.MULTIPLY
            case Concatenate():
                return Kind.CONCATENATE
            case Reshape():
                return Kind.RESHAPE
            case Readout():
                return Kind.READOUT
            case Input() | Delay():
                raise TypeError(f"{node.name} ({node.op.kind}) is not computed")
            case _:
                assert_never(node.op)

    def _linear(self, words: Words, node: Node, op: Conv2d | Dense, window: Window) -> None:
        """Write a layer whose sums are a node's: its own, or those of an addition."""
        sums = self._graph.tensors[node.name]
        counted = node.name == self._counted
        product = product_of(self._graph, window, sums, as_events=counted)
        wide = product not in (Product.PAIRS8, Product.EVENTS) or is_wide(sums)
        write_product(words, window, op.bias, product, wide=wide)
        layer = self._absorbed.get(node.name)
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

    def _order(self, node: Node) -> np.typing.NDArray[np.int64]:
        """Return where each element of a reshape's result, channels last, is in its source."""
        source = self._graph.tensors[node.inputs[0]].shape
        height, width, channels = plane(source)
        places = np.arange(height * width * channels).reshape(height, width, channels)
        first = np.moveaxis(places, -1, 0).reshape(self._graph.tensors[node.name].shape)
        return np.moveaxis(first, 0, -1).ravel()

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
            if self._stored(name) is Stored.U8:
                in_bytes += graph.steps * tensor.size
                most = max(most, 1 if graded else tensor.bounds[1])
        words.add(255 // most if in_bytes and events <= BYTES_OF_SUMS else 0)
        return tuple(sources), events


def _has_state(node: Node) -> bool:
    """Return whether a node's value depends on earlier steps, beside its inputs."""
    match node.op:
        case Membrane() | Delay() | Readout():
            return True
        case Input() | Dense() | Conv2d() | Threshold() | MaxPool2d() | SumPool2d():
            return False
        case Add() | Multiply() | Concatenate() | Reshape():
            return False
        case _:
            assert_never(node.op)


def _pool(words: Words, op: Pool2d) -> None:
    (top, _), (left, _) = op.sides
    words.add(*op.kernel, *op.stride, top, left)
