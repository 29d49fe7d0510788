"""A graph's nodes as those of a NIR file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from typing_extensions import assert_never

from edgespike.converters.nir.hdf5 import Tree
from edgespike.converters.nir.membranes import written
from edgespike.converters.nir.receivers import Receiver
from edgespike.floats.net import Reals
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


class Writer:
    """Makes a file's nodes and edges of a graph.

    Parameters
    ----------
    graph
        The graph.
    receiver
        The simulator that will read the file.
    dt
        Seconds of a step.
    """

    def __init__(self, graph: Graph, receiver: Receiver, dt: float) -> None:
        self.graph, self.receiver, self.dt = graph, receiver, dt
        self.refused: list[str] = []
        """What has no form in NIR at all."""
        self.lost: list[str] = []
        """What the receiver computes otherwise."""
        self.names = self._names()
        self._nodes: dict[str, Tree] = {}
        self._edges: list[tuple[str, str]] = []
        self.scales: dict[str, Reals] = {}

    def tree(self) -> Tree:
        """Return the graph's group; faults are noted."""
        # From the end, since a membrane may divide the weights before it.
        for node in reversed(self.graph.nodes):
            if (tree := self._node(node)) is not None:
                self._nodes[self.names[node.name]] = tree
        for node in self.graph.nodes:
            if self.names[node.name] in self._nodes:
                self._connect(node)
        if self.graph.is_recurrent and not self.receiver.loops:
            self.lost.append(
                f"the graph is recurrent; {self.receiver.producer.name} does not read loops"
            )
        places = {node.name: place for place, node in enumerate(self.graph.nodes)}
        for found in (self.refused, self.lost):
            found.sort(key=lambda line: places.get(line.partition(" ")[0], len(places)))
        ordered = {name: self._nodes[name] for name in self.names.values() if name in self._nodes}
        edges = np.array(self._edges, object).reshape(-1, 2)
        return {"type": "NIRGraph", "nodes": dict(ordered), "edges": edges}

    def _names(self) -> dict[str, str]:
        """Return names that simulators use as those of modules: letters, digits and _."""
        names: dict[str, str] = {}
        for node in self.graph.nodes:
            base = re.sub(r"[^A-Za-z0-9_]", "_", node.name)
            base = {self.graph.input.name: "input", self.graph.readout.name: "output"}.get(
                node.name, f"{base}_" if base in ("input", "output") else base
            )
            name, number = base, 2
            while name in names.values():
                name, number = f"{base}_{number}", number + 1
            names[node.name] = name
        return names

    def _node(self, node: Node) -> Tree | None:
        """Return a node's fields; ``None`` if it becomes edges alone."""
        op = node.op
        match op:
            case Input():
                return {"type": "Input", "shape": np.array(op.shape)}
            case Readout():
                return self._readout(node, op)
            case Dense():
                weight, bias = self._weights(node, op.weight, op.bias)
                return {"type": "Affine", "weight": weight, "bias": bias}
            case Conv2d():
                return self._conv(node, op)
            case SumPool2d():
                return self._known(node, "SumPool2d", self._pool(node, op))
            case Reshape():
                return self._reshape(node, op)
            case Membrane():
                return self._membrane(node, op)
            case Threshold():
                return self._threshold(node, op)
            case Delay():
                return self._delay(node, op)
            case Add():
                return None
            case MaxPool2d() | Concatenate() | Multiply():
                self.refused.append(f"{node.name} is a {op.kind}, which NIR has not")
                return None
            case _:
                assert_never(op)

    def _known(self, node: Node, kind: str, tree: Tree) -> Tree:
        if kind not in self.receiver.nodes:
            self.lost.append(
                f"{node.name} would be {kind}, which {self.receiver.producer.name} does not read"
            )
        return tree

    def _readout(self, node: Node, op: Readout) -> Tree:
        if np.unique(op.scale).size > 1:
            self.lost.append(
                f"{node.name} has scales that differ from class to class; NIR's output has none"
            )
        if op.mode is not ReadoutMode.SUM:
            self.lost.append(
                f"{node.name} takes the {op.mode.value} of the steps, which NIR does not say"
            )
        if op.members > 1:
            self.lost.append(f"{node.name} joins {op.members} members, which NIR does not say")
        shape = self.graph.tensors[node.inputs[0]].shape
        return {"type": "Output", "shape": np.array(shape)}

    def _weights(self, node: Node, weight: Any, bias: Any) -> tuple[Reals, Reals]:
        scale = self.scales.get(node.name)
        if scale is None:
            return weight.astype(np.float64), bias.astype(np.float64)
        each = scale.reshape(-1, *(1,) * (weight.ndim - 1))
        return weight / each, bias / scale

    def _conv(self, node: Node, op: Conv2d) -> Tree:
        weight, bias = self._weights(node, op.weight, op.bias)
        if op.groups > 1 and self.receiver.uniform:
            self.lost.append(f"{node.name} has {op.groups} groups; the receiver reads one")
        shape = self.graph.tensors[node.inputs[0]].shape
        return {
            "type": "Conv2d",
            "weight": weight,
            "bias": bias,
            "stride": np.array(op.stride),
            "padding": self._padding(node, op),
            "dilation": np.array(op.dilation),
            "groups": np.array(op.groups),
            "input_shape": np.array(shape[1:]),
        }

    def _pool(self, node: Node, op: SumPool2d) -> Tree:
        padding = self._padding(node, op)
        if padding.any() and self.receiver.producer.name == "sinabs":
            self.lost.append(f"{node.name} has padding {op.padding}, which sinabs leaves out")
        return {
            "type": "SumPool2d",
            "kernel_size": np.array(op.kernel),
            "stride": np.array(op.stride),
            "padding": padding,
        }

    def _padding(self, node: Node, op: Conv2d | SumPool2d) -> Any:
        (top, bottom), (left, right) = op.sides
        if (top, left) != (bottom, right):
            self.refused.append(
                f"{node.name} has padding {op.padding}; NIR pads opposite sides alike"
            )
        return np.array((top, left))

    def _reshape(self, node: Node, op: Reshape) -> Tree:
        shape = self.graph.tensors[node.inputs[0]].shape
        if len(op.shape) != 1:
            self.refused.append(
                f"{node.name} gives shape {op.shape}; NIR has Flatten, to one axis, alone"
            )
        tree: Tree = {
            "type": "Flatten",
            "start_dim": np.array(0),
            "end_dim": np.array(-1),
            "input_type": np.array(shape),
        }
        return self._known(node, "Flatten", tree)

    def _membrane(self, node: Node, op: Membrane) -> Tree:
        found = written(self.graph, node, op, self.receiver, self.dt, self.lost)
        if found.scale is not None:
            source = self.graph[node.inputs[0]]
            alone = sum(source.name in each.inputs for each in self.graph.nodes) == 1
            if isinstance(source.op, Dense | Conv2d) and alone:
                self.scales[source.name] = found.scale
            else:
                self.lost.append(
                    f"{node.name} has thresholds that differ, and no layer of its own before it "
                    "whose weights could be divided"
                )
        return found.node

    def _threshold(self, node: Node, op: Threshold) -> Tree:
        if op.levels > 1 or op.flipped.any() or op.offset or op.unit != 1:
            self.refused.append(f"{node.name} has levels; NIR's Threshold is 1 above and 0 below")
        shape = self.graph.tensors[node.inputs[0]].shape
        theta = op.theta[:, 0].reshape(-1, *(1,) * (len(shape) - 1))
        values = np.broadcast_to(theta, shape) - 0.5  # reached from theta on
        return self._known(node, "Threshold", {"type": "Threshold", "threshold": values})

    def _delay(self, node: Node, op: Delay) -> Tree | None:
        if op.initial:
            self.refused.append(f"{node.name} begins with {op.initial}; NIR's begins with 0")
        values = np.full(op.shape, self.dt)
        return self._known(node, "Delay", {"type": "Delay", "delay": values})

    def _connect(self, node: Node) -> None:
        for source in self._sources(node.inputs):
            edge = (self.names[source], self.names[node.name])
            if edge in self._edges:
                self.refused.append(f"{node.name} adds {source} twice; double the weights instead")
            self._edges.append(edge)

    def _sources(self, inputs: Sequence[str]) -> list[str]:
        """Return what feeds a node, with sums taken apart: edges into one node add up."""
        found: list[str] = []
        for name in inputs:
            node = self.graph[name]
            found += self._sources(node.inputs) if isinstance(node.op, Add) else [name]
        return found
