"""The parts that a graph runs in: single operations over all steps of a block, and loops.

A part takes values ``(steps, batch, *shape)``, channels last, from a dictionary, and adds its own
to it. A first axis of 1 stands for the same values at every step. What is carried from block to
block is kept in another dictionary, which is empty at the start of a sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from typing_extensions import assert_never

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
    SumPool2d,
    Tensor,
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


class Single(Part, Protocol):
    """A single operation, which can be part of a loop."""

    def step(self, values: Values, state: States) -> None:
        """Run one step; values have no axis of steps, ``(batch, *shape)``."""


def make_parts(graph: Graph) -> list[Part]:
    """Prepare a graph's parts, in an order in which they can run."""
    return [
        Loop(graph, nodes) if len(nodes) > 1 else prepare_node(graph, nodes[0])
        for nodes in components(graph)
    ]


def stateless_first(graph: Graph, parts: Sequence[Part]) -> list[Part]:
    """Return the stateless operations that follow from the input of the same step alone.

    If that never changes, neither do their values.
    """
    found: dict[str, Part] = {}
    for part in parts:
        if isinstance(part, Stateless) and {graph.input.name, *found}.issuperset(part.inputs):
            found[part.name] = part
    return list(found.values())


def prepare_node(graph: Graph, node: Node) -> Single:
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
        case Multiply():
            return Stateless(node, stateless.prepare_multiply([*inputs, output]))
        case Concatenate():
            return Stateless(node, stateless.prepare_concatenate(output))
        case Reshape() as op:
            return Stateless(node, stateless.prepare_reshape(op))
        case Threshold() as op:
            return Stateless(node, stateless.prepare_threshold(op, inputs[0]))
        case Delay() as op:
            return Stateful(node, stateful.prepare_delay(op, output))
        case Membrane() as op:
            return Stateful(node, stateful.prepare_membrane(op, inputs[0], output, graph.steps))
        case Readout() as op:
            return Stateful(node, stateful.prepare_readout(op, output))
        case Input():
            raise TypeError(f"{node.name} ({node.op.kind}) is not computed: its values are given")
        case _:
            assert_never(node.op)


class Stateless:
    """An operation without state: all steps at once, folded into the batch."""

    def __init__(self, node: Node, kernel: stateless.Kernel) -> None:
        self.name = node.name
        self.inputs = node.inputs
        self._kernel = kernel

    def run(self, values: Values, steps: int, state: States) -> None:
        """Run as many steps as differ."""
        inputs = [values[name] for name in self.inputs]
        different = max(len(array) for array in inputs)
        out = self._kernel(*(_folded(array, different) for array in inputs))
        values[self.name] = out.reshape(different, -1, *out.shape[1:])

    def step(self, values: Values, state: States) -> None:
        """Run one step."""
        values[self.name] = self._kernel(*[values[name] for name in self.inputs])


def _folded(array: Array, steps: int) -> Array:
    """Fold the steps into the batch."""
    return np.broadcast_to(array, (steps, *array.shape[1:])).reshape(-1, *array.shape[2:])


class Stateful:
    """An operation with state."""

    def __init__(self, node: Node, kernel: stateful.StatefulKernel) -> None:
        self._node = node
        self._kernel = kernel

    def run(self, values: Values, steps: int, state: States) -> None:
        """Run that many steps."""
        name, (source,) = self._node.name, self._node.inputs
        values[name], state[name] = self._kernel(values[source], state.get(name), steps)

    def step(self, values: Values, state: States) -> None:
        """Run one step."""
        name, (source,) = self._node.name, self._node.inputs
        out, state[name] = self._kernel(values[source][None], state.get(name), 1)
        values[name] = out[0]


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
        self._delays: dict[str, tuple[str, Callable[[int], Array]]] = {}
        """Source of each delay, and its values at the first step for a number of samples."""
        self._operations: list[Single] = []
        for node in nodes:
            if isinstance(node.op, Delay):
                first_values = _first_values(node.op, graph.tensors[node.name])
                self._delays[node.name] = (node.inputs[0], first_values)
            else:
                self._operations.append(prepare_node(graph, node))

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
        for operation in self._operations:
            operation.step(now, state)
        for name, (source, _) in self._delays.items():
            state[name] = now[source]


def _first_values(op: Delay, output: Tensor) -> Callable[[int], Array]:
    """Return what makes a delay's values at the first step, for a number of samples."""
    channels, *positions = op.shape
    dtype = narrow_type(*output.bounds)
    return lambda samples: np.full((samples, *positions, channels), op.initial, dtype)
