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
    cells
        The neurons that alone read a layer's sums and run with it, by the layer's name.
    counted
        The dense layer that a readout alone sums over several steps; empty if there is none.
    same
        Names of what follows from the input of the same step alone.
    values
        The place of each node whose values are stored, by its name, in the graph's order.
    run
        The nodes that are operations of the engine, in the graph's order.
    """

    windows: Mapping[str, Window]
    cells: Mapping[str, Node]
    counted: str
    same: frozenset[str]
    values: Mapping[str, int]
    run: tuple[Node, ...]


def plan_of(graph: Graph) -> Plan:
    """Plan a graph that the engine holds."""
    windows = {
        node.name: window_of(graph, node, node.op)
        for node in graph.nodes
        if isinstance(node.op, Conv2d | Dense)
    }
    readers = _readers(graph)
    cells = {name: cell for name in windows if (cell := _cell_after(readers[name])) is not None}
    stored = _stored_nodes(graph, windows, cells)
    return Plan(
        windows,
        cells,
        _counted_layer(graph, readers, windows),
        _same_at_every_step(graph),
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
    graph: Graph, windows: Mapping[str, Window], cells: Mapping[str, Node]
) -> list[Node]:
    """Return the nodes whose values are stored, in the graph's order."""
    needed = {graph.input.name, graph.readout.name, *observed_names(graph), *event_sources(graph)}
    before = 0
    while len(needed) > before:  # another round for each delay whose source comes later
        before = len(needed)
        for node in reversed(graph.nodes):
            if node.name in windows and (node.name in needed or node.name in cells):
                needed.add(windows[node.name].root.name)
            elif node.name in needed:
                needed.update(name for name in node.inputs if name not in cells)
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
