"""The parts that a graph runs in: single operations over all steps of a block, and loops.

A part takes values ``(steps, batch, *shape)``, channels last, from a dictionary, and adds its own
to it. A first axis of 1 stands for the same values at every step. What is carried from block to
block is kept in another dictionary, which is empty at the start of a sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from typing_extensions import assert_never

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
    SumPool2d,
    Threshold,
)
from edgespike.targets.cpu import stateful, stateless
from edgespike.targets.cpu.components import components
from edgespike.targets.cpu.stateless import Array
from edgespike.targets.shared.number_types import narrow_type
from edgespike.trace import observed_names

Values = dict[str, Array]
States = dict[str, Any]


class Part(Protocol):
    """One strongly connected component of a graph, prepared to run."""

    def run(self, values: Values, steps: int, state: States) -> None:
        """Run that many steps."""


def make_parts(graph: Graph) -> list[Part]:
    """Prepare a graph's parts, in an order in which they can run."""
    return [
        Loop(graph, nodes) if len(nodes) > 1 else prepare_node(graph, nodes[0])
        for nodes in components(graph)
    ]


def prepare_node(graph: Graph, node: Node) -> Part:
    """Prepare one operation; a delay, as it runs outside of loops.

    Raises
    ------
    TypeError
        The operation is the input, which is given.
    """
    inputs, output = graph.input_tensors(node), graph.tensors[node.name]
    match node.op:
        case Dense() as op:
            return Stateless(node, stateless.prepare_dense(op, inputs[0]))
        case Conv2d() as op:
            return Stateless(node, stateless.prepare_conv2d(op, inputs[0], output))
        case SumPool2d() as op:
            return Stateless(node, stateless.prepare_sum_pool2d(op, inputs[0], output))
        case MaxPool2d() as op:
            return Stateless(node, stateless.prepare_max_pool2d(op, output))
        case Add():
            return Stateless(node, stateless.prepare_add(inputs))
        case Reshape() as op:
            return Stateless(node, stateless.prepare_reshape(op))
        case Threshold() as op:
            return Stateless(node, stateless.prepare_threshold(op, inputs[0]))
        case Delay() as op:
            return Stateful(node, stateful.prepare_delay(op, output))
        case Membrane() as op:
            return Stateful(node, stateful.prepare_membrane(op, inputs[0], graph.steps))
        case Readout() as op:
            return Stateful(node, stateful.prepare_readout(op, output))
        case Input():
            raise TypeError(f"{node.name} ({node.op.kind}) is not computed: its values are given")
        case _:
            assert_never(node.op)


class Stateless:
    """An operation without state: all steps at once, folded into the batch."""

    def __init__(self, node: Node, kernel: stateless.Kernel) -> None:
        self._node = node
        self._kernel = kernel

    def run(self, values: Values, steps: int, state: States) -> None:
        """Run as many steps as differ."""
        inputs = [values[name] for name in self._node.inputs]
        different = max(len(array) for array in inputs)
        out = self._kernel(*(_folded(array, different) for array in inputs))
        values[self._node.name] = out.reshape(different, -1, *out.shape[1:])


def _folded(array: Array, steps: int) -> Array:
    """Fold the steps into the batch."""
    if len(array) != steps:
        array = np.broadcast_to(array, (steps, *array.shape[1:]))
    return array.reshape(-1, *array.shape[2:])


class Stateful:
    """An operation with state."""

    def __init__(self, node: Node, kernel: stateful.StatefulKernel) -> None:
        self._node = node
        self._kernel = kernel

    def run(self, values: Values, steps: int, state: States) -> None:
        """Run that many steps."""
        name, (source,) = self._node.name, self._node.inputs
        values[name], state[name] = self._kernel(values[source], state.get(name), steps)


class Loop:
    """Operations on cycles: all of them at one step, then all at the next.

    Parameters
    ----------
    graph
        The graph that they are part of.
    nodes
        All nodes of one component, in the graph's order.
    """

    def __init__(self, graph: Graph, nodes: Sequence[Node]) -> None:
        own = {node.name for node in nodes}
        outer = [node for node in graph.nodes if node.name not in own]
        taken = {name for node in outer for name in node.inputs}
        self._input = graph.input.name
        self._outside = {name for node in nodes for name in node.inputs} - own
        self._shown = sorted(own & taken.union(observed_names(graph)))
        self._delays: list[tuple[str, str, Array]] = []
        """Name, source, and what it returns for one sample at the first step, ``(1, 1, *shape)``"""
        self._operations: list[Part] = []
        for node in nodes:
            if isinstance(node.op, Delay):
                first = _first_values(node.op, narrow_type(*graph.tensors[node.name].bounds))
                self._delays.append((node.name, node.inputs[0], first))
            else:
                self._operations.append(prepare_node(graph, node))

    def run(self, values: Values, steps: int, state: States) -> None:
        """Run that many steps."""
        samples = values[self._input].shape[1]
        for name, _, first in self._delays:
            if name not in state:
                state[name] = np.broadcast_to(first, (1, samples, *first.shape[2:]))
        shown: dict[str, list[Array]] = {name: [] for name in self._shown}
        for step in range(steps):
            now = {name: _at(values[name], step) for name in self._outside}
            self._step(now, state)
            for name, each in shown.items():
                each.append(now[name])
        values.update({name: np.concatenate(each) for name, each in shown.items()})

    def _step(self, now: Values, state: States) -> None:
        """Add the values of one step to those from outside."""
        for name, _, _ in self._delays:
            now[name] = state[name]
        for operation in self._operations:
            operation.run(now, 1, state)
        for name, source, _ in self._delays:
            state[name] = now[source]


def _at(array: Array, step: int) -> Array:
    """Return the values of one step, ``(1, batch, *shape)``."""
    place = step % len(array)
    return array[place : place + 1]


def _first_values(op: Delay, dtype: np.dtype[Any]) -> Array:
    """Return what a delay gives one sample at its first step, ``(1, 1, *shape)``."""
    channels, *positions = op.shape
    return np.full((1, 1, *positions, channels), op.initial, dtype)
