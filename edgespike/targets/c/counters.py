"""Counters of synaptic operations, compiled in where a macro asks for them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgespike.counting.fanout import Convention, fan_out
from edgespike.graph import (
    Add,
    Concatenate,
    Conv2d,
    Dense,
    Graph,
    Node,
    Reshape,
    Signal,
    SumPool2d,
)
from edgespike.graph.ops.windows import padded_size
from edgespike.targets.c.program import Program, array_text
from edgespike.targets.c.values import Value
from edgespike.targets.shared.channels_last import plane

Reached = NDArray[np.uint64]
"""How many synapses each element of a node's values reaches, modulo ``2**64``, by convention, in
the order of :data:`CONVENTIONS`: ``(3, *shape)``, channels first."""

CONVENTIONS = (Convention.EVERY, Convention.NONZERO, Convention.QUANTISED)
"""The order in which they are counted; ``fan_out.c`` and the header name it."""

MOST_ELEMENTS = 2**24
"""Most elements of the sources of all layers, counted once for each layer, with counters."""


def counted_layers(graph: Graph) -> list[Node]:
    """Return the layers whose operations are counted, in their order."""
    return [node for node in graph.nodes if isinstance(node.op, Dense | Conv2d)]


def too_large(graph: Graph) -> bool:
    """Return whether a graph is written without counters: their tables would take too much."""
    layers = counted_layers(graph)
    sizes = sum(graph.tensors[name].size for node in layers for name in node.inputs)
    return sizes > MOST_ELEMENTS


@dataclass(frozen=True)
class Fan:
    """The synapses of a layer that the events of one source reach.

    Parameters
    ----------
    layer
        Number of the layer.
    source
        Name of the node at which the events arise, or of a delay.
    reached
        Of each of its elements.
    """

    layer: int
    source: str
    reached: Reached


def fans(graph: Graph) -> list[Fan]:
    """Return, for each layer, from which nodes events reach it and how many synapses each does.

    Events pass one by one through sum pools, reshapes, additions and concatenations: what leaves
    such a node goes back to its sources.
    """
    found = []
    for number, layer in enumerate(counted_layers(graph)):
        op, (name,) = layer.op, layer.inputs
        assert isinstance(op, Dense | Conv2d)
        shape = graph.tensors[name].shape
        leaving = np.stack([fan_out(op, shape, each) for each in CONVENTIONS]).astype(np.uint64)
        open_ends = {name: leaving}
        for node in reversed(graph.nodes):
            if node.name not in open_ends:
                continue
            reached = open_ends[node.name]
            before = _before(graph, node, reached)
            if before is None:
                found.append(Fan(number, node.name, reached))
                continue
            for source, each in zip(node.inputs, before, strict=True):
                open_ends[source] = open_ends[source] + each if source in open_ends else each
    return found


def _before(graph: Graph, node: Node, reached: Reached) -> list[Reached] | None:
    """Return what the inputs' elements reach through a node; ``None`` if events arise at it."""
    shapes = [graph.tensors[name].shape for name in node.inputs]
    match node.op:
        case Add():
            return [reached] * len(shapes)
        case Reshape():
            return [reached.reshape(3, *shapes[0])]
        case Concatenate():
            ends = np.cumsum([shape[0] for shape in shapes])
            return np.split(reached, ends[:-1], axis=1)
        case SumPool2d() as op:
            return [_unpooled(op, shapes[0], reached)]
        case _:
            return None


def _unpooled(op: SumPool2d, shape: tuple[int, ...], reached: Reached) -> Reached:
    """Add up, for each element of a pool's input, what all its windows reach."""
    step_y, step_x = op.stride
    height, width = op.output_size(shape)
    padded = np.zeros((3, shape[0], *padded_size(shape, op.sides)), np.uint64)
    for y, x in np.ndindex(*op.kernel):
        padded[..., y : y + height * step_y : step_y, x : x + width * step_x : step_x] += reached
    (top, _), (left, _) = op.sides
    return padded[..., top : top + shape[1], left : left + shape[2]]


class Counters:
    """Writes the counters of a program: a table for each layer and source, and calls."""

    def __init__(self, program: Program, graph: Graph, prefix: str) -> None:
        self._program, self._graph, self._prefix = program, graph, prefix
        self._fans = [] if too_large(graph) else fans(graph)
        self._written = 0

    def add(self, name: str, value: Value, at: str) -> None:
        """Count the events of a node's values at this place of a step."""
        for fan in self._fans:
            if fan.source == name:
                table, reached = self._table(fan, value)
                kind = self._kernel(name, value, reached)
                self._program.step.append(f"COUNT({kind}, {table}, {at});")

    def _kernel(self, name: str, value: Value, reached: str) -> str:
        graded = self._graph.tensors[name].signal is Signal.GRADED
        kind = "graded" if graded else "spikes"
        kind += f"_{'bits' if value.levels else value.c_type}_{reached}"
        if value.levels:
            stride = "(op->channels + 31) / 32 * op->levels"
            first = "(values[c / 32 * op->levels] >> c % 32 & 1)"
            events = first if graded or value.levels == 1 else "number(values, op->levels, c)"
        else:
            stride = "op->channels"
            events = "values[c] != 0" if graded else "(uint64_t)values[c]"
        kernels, prefix = self._program.kernels, self._prefix
        kernels.use("fan_out", prefix=prefix)
        if "number" in events:
            kernels.use("count_number", prefix=prefix)
            kind += "_levels"
        kernels.use(
            "count",
            prefix=prefix,
            kind=kind,
            value=value.c_type,
            counts="multiplied" if graded else "operations",
            reached=reached,
            stride=stride,
            events=events,
        )
        return kind

    def _table(self, fan: Fan, value: Value) -> tuple[str, str]:
        """Write what a source's elements reach; return its name and the type of its numbers."""
        height, width, channels = plane(self._graph.tensors[fan.source].shape)
        reached = np.moveaxis(fan.reached, 1, -1).reshape(3, height, width, channels)
        by_place = reached.transpose(1, 2, 0, 3)  # rows, columns, conventions, channels
        first_rows, row = _classes(by_place)
        first_columns, column = _classes(by_place[first_rows].transpose(1, 0, 2, 3))
        few = by_place[first_rows][:, first_columns]
        name = f"fan_out_{self._written}"
        self._written += 1
        kind = "uint32_t" if int(few.max()) < 2**32 else "uint64_t"
        word = "uint32_t"
        tables = [("row", row, word), ("column", column, word), ("reached", few, kind)]
        text = "".join(array_text(f"{name}_{part}", each, of) for part, each, of in tables)
        numbers = f"{height}, {width}, {channels}, {value.levels}, {fan.layer}"
        pointers = f"{name}_reached, NULL" if kind == "uint32_t" else f"NULL, {name}_reached"
        self._program.constants.append(
            f"#ifdef {self._prefix}_COUNT\n{text}"
            f"static const struct fan_out {name} = {{{numbers}, "
            f"{len(first_columns)}, {name}_row, {name}_column, {pointers}}};\n#endif\n"
        )
        return name, kind


def _classes(values: Reached) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the first of each class of equal entries, and the class of each entry."""
    first: dict[bytes, int] = {}
    places = [first.setdefault(each.tobytes(), len(first)) for each in values]
    classes = np.array(places, np.intp)
    return np.array([places.index(number) for number in range(len(first))], np.intp), classes
