"""The parts that a graph runs in: single operations over all steps of a block, and loops.

A part takes values ``(steps, batch, *shape)``, channels last, from a dictionary, and adds its own
to it. A first axis of 1 stands for the same values at every step. What goes on from block to block
is kept in another dictionary, empty at the start of a sample.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from edgespike.graph import Delay, Graph, Node, Tensor
from edgespike.targets.cpu import stateful, stateless
from edgespike.targets.cpu.components import components
from edgespike.targets.cpu.stateless import Array
from edgespike.targets.shared.number_types import narrow_type
from edgespike.trace import observed_names

Values = dict[str, Array]
States = dict[str, Any]


class Part(Protocol):
    """One strongly connected component of a graph, made ready to run."""

    def run(self, values: Values, steps: int, state: States) -> None:
        """Run that many steps."""


def make_parts(graph: Graph) -> list[Part]:
    """Make a graph ready, in an order in which its parts can run."""
    return [_make_part(graph, nodes) for nodes in components(graph)]


def _make_part(graph: Graph, nodes: list[Node]) -> Part:
    if len(nodes) > 1:
        return Loop(graph, nodes)
    (node,) = nodes
    if type(node.op) in stateless.PREPARE:
        return Stateless(node, _stateless_kernel(graph, node))
    return Stateful(node, _stateful_kernel(graph, node))


def _stateless_kernel(graph: Graph, node: Node) -> stateless.Kernel:
    prepare = stateless.PREPARE[type(node.op)]
    return prepare(node.op, graph.input_tensors(node), graph.tensors[node.name])


def _stateful_kernel(graph: Graph, node: Node) -> stateful.StatefulKernel:
    (source,) = graph.input_tensors(node)
    prepare = stateful.PREPARE[type(node.op)]
    return prepare(node.op, source, graph.tensors[node.name], graph.steps)


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
    return np.broadcast_to(array, (steps, *array.shape[1:])).reshape(-1, *array.shape[2:])


class Stateful:
    """An operation with state, on no cycle."""

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
        What they are part of.
    nodes
        All nodes of one component, in the graph's order.
    """

    def __init__(self, graph: Graph, nodes: list[Node]) -> None:
        own = {node.name for node in nodes}
        outer = [node for node in graph.nodes if node.name not in own]
        taken = {name for node in outer for name in node.inputs}
        self._input = graph.input.name
        self._outside = {name for node in nodes for name in node.inputs} - own
        self._shown = sorted(own & taken.union(observed_names(graph)))
        self._delays = {
            node.name: (node.inputs[0], _first_values(node.op, graph.tensors[node.name]))
            for node in nodes
            if isinstance(node.op, Delay)
        }
        self._operations = [
            (node.name, node.inputs, _step_of(graph, node))
            for node in nodes
            if node.name not in self._delays
        ]

    def run(self, values: Values, steps: int, state: States) -> None:
        """Run that many steps."""
        for name, (_, first_values) in self._delays.items():
            if name not in state:
                state[name] = first_values(values[self._input].shape[1])
        shown: dict[str, list[Array]] = {name: [] for name in self._shown}
        for step in range(steps):
            now = {name: values[name][step % len(values[name])] for name in self._outside}
            self._step(now, state)
            for name, each in shown.items():
                each.append(now[name])
        values.update({name: np.stack(each) for name, each in shown.items()})

    def _step(self, now: Values, state: States) -> None:
        """Add the values of one step to those from outside."""
        for name in self._delays:
            now[name] = state[name]
        for name, inputs, operation in self._operations:
            now[name], state[name] = operation([now[each] for each in inputs], state.get(name))
        for name, (source, _) in self._delays.items():
            state[name] = now[source]


def _first_values(op: Delay, output: Tensor) -> Callable[[int], Array]:
    """Make what a delay gives a batch at its first step."""
    channels, *positions = op.shape
    dtype = narrow_type(*output.bounds)
    return lambda samples: np.full((samples, *positions, channels), op.initial, dtype)


def _step_of(graph: Graph, node: Node) -> Callable[[list[Array], Any], tuple[Array, Any]]:
    """Make an operation ready to run one step: from inputs and state to output and state."""
    if type(node.op) in stateless.PREPARE:
        kernel = _stateless_kernel(graph, node)
        return lambda inputs, state: (kernel(*inputs), None)
    stateful_kernel = _stateful_kernel(graph, node)

    def run(inputs: list[Array], state: Any) -> tuple[Array, Any]:
        out, state = stateful_kernel(inputs[0][None], state, 1)
        return out[0], state

    return run
