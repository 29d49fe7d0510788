"""What the native engine computes of a graph: nodes that run as one, and whose values it stores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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
    SumPool2d,
    Threshold,
)
from edgespike.targets.cpu.native.codes import When
from edgespike.targets.cpu.native.limits import largest
from edgespike.targets.cpu.native.products import Window, window_of
from edgespike.targets.cpu.native.words import INT32
from edgespike.trace import observed_names


@dataclass(frozen=True)
class Plan:
    """How a graph's nodes become the engine's operations.

    Parameters
    ----------
    windows
        What each layer reads, by its name.
    absorbed
        The dense layer whose sums begin with the other value that an addition adds to them, by the
        addition's name. Nothing else reads it.
    cells
        The neurons that alone read the sums of a layer or of such an addition and run with it, by
        its name.
    counted
        The dense layer that a readout alone sums over several steps; empty if there is none.
    same
        Names of what follows from the input of the same step alone.
    late
        Names of what only the answer reads, and that only after the last step.
    values
        The place of each node whose values are stored, by its name, in the graph's order.
    run
        The nodes that are operations of the engine, in the graph's order.
    """

    windows: Mapping[str, Window]
    absorbed: Mapping[str, Node]
    cells: Mapping[str, Node]
    counted: str
    same: frozenset[str]
    late: frozenset[str]
    values: Mapping[str, int]
    run: tuple[Node, ...]

    def when(self, name: str) -> When:
        """Return at which steps the operation runs that gives a node's values."""
        if name in self.late:
            return When.LAST
        return When.ONCE if name in self.same else When.ALWAYS


def plan_of(graph: Graph) -> Plan:
    """Plan a graph that the engine holds."""
    windows = {
        node.name: window_of(graph, node, node.op)
        for node in graph.nodes
        if isinstance(node.op, Conv2d | Dense)
    }
    readers, same = _readers(graph), _same_at_every_step(graph)
    absorbed = {
        node.name: layer
        for node in graph.nodes
        if (layer := _layer_in(graph, node, readers, same)) is not None
    }
    alone = [*windows, *absorbed]
    cells = {name: cell for name in alone if (cell := _cell_after(readers[name])) is not None}
    stored = _stored_nodes(graph, windows, absorbed, cells)
    return Plan(
        windows,
        absorbed,
        cells,
        _counted_layer(graph, readers, windows),
        same,
        _needed_at_last(graph, readers),
        {node.name: place for place, node in enumerate(stored)},
        _operations(graph, cells, stored),
    )


def _readers(graph: Graph) -> dict[str, list[Node]]:
    """Return the nodes that read each node, once each."""
    readers: dict[str, list[Node]] = {node.name: [] for node in graph.nodes}
    for node in graph.nodes:
        for name in dict.fromkeys(node.inputs):
            readers[name].append(node)
    return readers


def _layer_in(
    graph: Graph, node: Node, readers: Mapping[str, list[Node]], same: frozenset[str]
) -> Node | None:
    """Return a dense layer whose sums can begin with the other value that is added to them.

    Nothing else reads that layer. Of two, the one stays by itself that may be the same at every
    step.
    """
    if not isinstance(node.op, Add) or len(set(node.inputs)) != 2 or len(node.inputs) != 2:
        return None
    layers = [graph[name] for name in node.inputs if len(readers[name]) == 1]
    layers = [each for each in layers if isinstance(each.op, Dense)]
    changing = [each for each in layers if each.name not in same]
    return next(iter([*changing, *layers]), None)


def _cell_after(readers: list[Node]) -> Node | None:
    """Return the neurons that alone read a layer's sums."""
    if len(readers) != 1 or not isinstance(readers[0].op, Threshold | Membrane):
        return None
    return readers[0]


def _counted_layer(
    graph: Graph, readers: Mapping[str, list[Node]], windows: Mapping[str, Window]
) -> str:
    """Name the dense layer that a readout alone sums over several steps; empty if none."""
    readout = graph.readout
    (name,) = readout.inputs
    node = graph[name]
    assert isinstance(readout.op, Readout)
    if graph.steps == 1 or readout.op.mode is not ReadoutMode.SUM:
        return ""
    if not isinstance(node.op, Dense) or len(readers[name]) > 1:
        return ""
    window = windows[name]
    low, high = graph.tensors[readout.name].bounds
    source = graph.tensors[window.root.name]
    if window.pool != (1, 1) or window.covered != (1, 1) or source.bounds[0] < 0:
        return ""
    most = source.bounds[1] * graph.steps
    small = max(-low, high, most, largest(node.op.bias) * graph.steps) < INT32
    return name if small else ""


def _same_at_every_step(graph: Graph) -> frozenset[str]:
    """Name what follows from the input of the same step alone."""
    found = {graph.input.name}
    for node in graph.nodes[1:]:
        if not _has_state(node) and found.issuperset(node.inputs):
            found.add(node.name)
    return frozenset(found)


def _needed_at_last(graph: Graph, readers: Mapping[str, list[Node]]) -> frozenset[str]:
    """Name what only the answer reads, and that only after the last step."""
    readout = graph.readout
    assert isinstance(readout.op, Readout)
    if readout.op.mode is not ReadoutMode.LAST:
        return frozenset()
    found = {readout.name}
    for node in reversed(graph.nodes):
        reading = {reader.name for reader in readers[node.name]}
        if reading and reading <= found and not _has_state(node) and not node.op.emits_events:
            found.add(node.name)
    return frozenset(found)


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


def _stored_nodes(
    graph: Graph,
    windows: Mapping[str, Window],
    absorbed: Mapping[str, Node],
    cells: Mapping[str, Node],
) -> list[Node]:
    """Return the nodes whose values are stored, in the graph's order."""
    needed = {graph.input.name, graph.readout.name, *observed_names(graph), *event_sources(graph)}
    before = 0
    while len(needed) > before:  # another round for each delay whose source comes later
        before = len(needed)
        for node in reversed(graph.nodes):
            if node.name not in needed and node.name not in cells:
                continue
            if node.name in windows:
                needed.add(windows[node.name].root.name)
                continue
            layer = absorbed.get(node.name)
            if layer is not None:
                needed.add(windows[layer.name].root.name)
            others = [name for name in node.inputs if layer is None or name != layer.name]
            needed.update(name for name in others if name not in cells)
    return [node for node in graph.nodes if node.name in needed]


def _operations(graph: Graph, cells: Mapping[str, Node], stored: list[Node]) -> tuple[Node, ...]:
    """Return the nodes that are operations: neurons are part of the layer that they belong to."""
    names = {node.name for node in stored} | cells.keys()
    within = {cell.name for cell in cells.values()}
    return tuple(
        node
        for node in graph.nodes
        if node.name in names - within and not isinstance(node.op, Input | Delay)
    )
