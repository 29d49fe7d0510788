"""One step of a graph, node by node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

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
    ReadoutMode,
    Reshape,
    SumPool2d,
    Threshold,
)
from edgespike.targets.onnx.emitter import (
    Emitter,
    Storage,
    Value,
    integer_type,
    storage_for,
)
from edgespike.targets.onnx.membranes import (
    MembraneStep,
    State,
    membrane_states,
    potential_type,
)
from edgespike.targets.onnx.pools import emit_max_pool
from edgespike.targets.onnx.requantise import Requantised, emit_requantised, requantised
from edgespike.targets.onnx.sums import as_convolution, emit_sums, operands
from edgespike.targets.onnx.thresholds import emit_threshold


def states(graph: Graph) -> Iterator[State]:
    """Yield what is carried from step to step; nothing for a single step."""
    if graph.steps == 1:
        return
    for node in graph.nodes:
        tensor = graph.tensors[node.name]
        if isinstance(node.op, Delay):
            yield State(node.name, tensor.shape, storage_for(*tensor.bounds), node.op.initial)
        elif isinstance(node.op, Membrane):
            (source,) = graph.input_tensors(node)
            yield from membrane_states(node, node.op, source, graph.steps)
        elif isinstance(node.op, Readout):
            # The least possible value leaves every maximum as it is.
            first = tensor.bounds[0] if node.op.mode is ReadoutMode.MAX else 0
            yield State(node.name, tensor.shape, readout_storage(graph), first)


def readout_storage(graph: Graph) -> Storage:
    """Return how the answer is stored, as int32 or int64."""
    return Storage(integer_type(max(abs(end) for end in graph.tensors[graph.readout.name].bounds)))


def input_type(graph: Graph) -> np.dtype[np.integer]:
    """Return the type of the model's input: the smallest of uint8, int8, int32 and int64."""
    low, high = graph.input_op.low, graph.input_op.high
    for dtype in (np.uint8, np.int8, np.int32):
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            return np.dtype(dtype)
    return np.dtype(np.int64)


def merged(graph: Graph) -> dict[str, Requantised]:
    """Return the thresholds that are computed in one operator with the convolution before."""
    readers: dict[str, list[str]] = {}
    for node in graph.nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node.name)
    found = {}
    for node, op in graph.of_type(Threshold):
        (name,) = node.inputs
        conv = graph[name]
        if isinstance(conv.op, Conv2d) and readers[name] == [node.name]:
            (source,) = graph.input_tensors(conv)
            plan = requantised(conv.op, op, source, graph.tensors[name])
            if plan is not None:
                found[node.name] = plan
    return found


class Step:
    """Emits one step.

    Parameters
    ----------
    graph, emitter
        The graph, and what takes the operators.
    x
        Input of this step.
    before
        What the step before left, by the state's name; empty at a sample's only step.

    Attributes
    ----------
    values
        Output of each node that is not merged into another.
    after
        What this step leaves.
    """

    def __init__(
        self, graph: Graph, emitter: Emitter, x: Value, before: Mapping[str, Value]
    ) -> None:
        self._graph, self._emitter, self._x, self._before = graph, emitter, x, before
        self.merged = merged(graph)
        self._skipped = {graph[name].inputs[0] for name in self.merged}
        self.values: dict[str, Value] = {}
        self.after: dict[str, Value] = {}

    def run(self) -> None:
        """Emit all nodes."""
        for node in self._graph.nodes:
            if node.name in self._skipped:
                continue
            value = self._node(node)
            if node is not self._graph.input:
                value = self._emitter.named(value, node.name)
            self.values[node.name] = value
        for node, _ in self._graph.of_type(Delay):
            storage = self.values[node.name].storage
            source = self.values[node.inputs[0]]
            self.after[node.name] = self._emitter.convert(source, storage, node.name)

    def _node(self, node: Node) -> Value:
        op, emitter, graph = node.op, self._emitter, self._graph
        match op:
            case Input():
                return self._x
            case Delay():
                return self._delay(node, op)
            case Readout():
                return self._readout(node, op)
            case Threshold() if node.name in self.merged:
                return self._requantised(node, op)
        inputs = [self.values[name] for name in node.inputs]
        x, source = inputs[0], graph.tensors[node.inputs[0]]
        match op:
            case Dense() | Conv2d():
                return emit_sums(emitter, node, op, x, source)
            case SumPool2d():
                conv = as_convolution(op, source.shape[0])
                return emit_sums(emitter, node, conv, x, source)
            case MaxPool2d():
                return emit_max_pool(emitter, node, op, x, source)
            case Add():
                return self._add(node, inputs)
            case Multiply():
                return self._multiply(node, inputs)
            case Concatenate():
                return self._concatenate(node, inputs)
            case Reshape():
                shape = emitter.constant((0, *op.shape), np.int64, f"{node.name}/shape")
                return Value(emitter.emit("Reshape", [x.name, shape], node.name), x.storage)
            case Threshold():
                return emit_threshold(emitter, node, op, x, source)
            case Membrane():
                step = MembraneStep(emitter, node, op, potential_type(op, source, graph.steps))
                output, after = step.run(x, len(source.shape) - 1, self._before)
                self.after.update(after)
                return output
            case _:
                assert_never(op)

    def _requantised(self, node: Node, op: Threshold) -> Value:
        conv = self._graph[node.inputs[0]]
        if not isinstance(conv.op, Conv2d):
            raise TypeError(f"{conv.name} is {conv.op.kind}; only convolutions are merged")
        (source,) = self._graph.input_tensors(conv)
        (x,) = operands(self._emitter, self.values[conv.inputs[0]], source, conv.name)
        names, plan = (conv.name, node.name), self.merged[node.name]
        return emit_requantised(self._emitter, names, conv.op, op, x.value, plan)

    def _delay(self, node: Node, op: Delay) -> Value:
        if node.name in self._before:
            return self._before[node.name]
        storage = storage_for(op.low, op.high)
        emitter = self._emitter
        shape = batch_and(emitter, self._x, op.shape, node.name)
        initial = emitter.constant(storage.stored(op.initial), storage.dtype, node.name)
        return Value(emitter.emit("Expand", [initial, shape], node.name), storage)

    def _readout(self, node: Node, op: Readout) -> Value:
        storage, emitter = readout_storage(self._graph), self._emitter
        x = emitter.convert(self.values[node.inputs[0]], storage, node.name)
        before = self._before.get(node.name)
        if before is not None and op.mode is not ReadoutMode.LAST:
            if op.mode is ReadoutMode.MAX:
                x = Value(emitter.larger(before.name, x.name, node.name), storage)
            else:
                x = Value(emitter.emit("Add", [before.name, x.name], node.name), storage)
        self.after[node.name] = x
        return x

    def _add(self, node: Node, inputs: list[Value]) -> Value:
        emitter, tensors = self._emitter, self._graph.input_tensors(node)
        bounds = [max(abs(end) for end in tensor.bounds) for tensor in tensors]
        storage = Storage(integer_type(sum(bounds)))
        first, *rest = [emitter.convert(x, storage, node.name).name for x in inputs]
        for index, x in enumerate(rest, start=1):
            name = node.name if index == len(rest) else f"{node.name}/part"
            first = emitter.emit("Add", [first, x], name)
        return Value(first, storage)

    def _multiply(self, node: Node, inputs: list[Value]) -> Value:
        """Multiply in a type that holds both factors and the product."""
        storage = product_storage(self._graph, node)
        factors = [self._emitter.convert(x, storage, node.name).name for x in inputs]
        return Value(self._emitter.emit("Mul", factors, node.name), storage)

    def _concatenate(self, node: Node, inputs: list[Value]) -> Value:
        emitter, tensor = self._emitter, self._graph.tensors[node.name]
        if len({x.storage for x in inputs}) == 1:
            storage = inputs[0].storage
        elif tensor.signal.is_event:
            storage = storage_for(*tensor.bounds)
        else:
            storage = Storage(integer_type(max(abs(end) for end in tensor.bounds)))
        names = [emitter.convert(x, storage, node.name).name for x in inputs]
        return Value(emitter.emit("Concat", names, node.name, axis=1), storage)


def product_storage(graph: Graph, node: Node) -> Storage:
    """Return the storage of a product and its factors, int32 or int64."""
    tensors = [graph.tensors[name] for name in (node.name, *node.inputs)]
    return Storage(integer_type(max(abs(end) for tensor in tensors for end in tensor.bounds)))


def batch_and(emitter: Emitter, x: Value, shape: tuple[int, ...], name: str) -> str:
    """Return the shape ``(batch, *shape)`` as a tensor; the batch is that of ``x``."""
    whole = emitter.emit("Shape", [x.name], f"{name}/batch", start=0, end=1)
    rest = emitter.constant(np.array(shape), np.int64, f"{name}/rest")
    return emitter.emit("Concat", [whole, rest], f"{name}/shape", axis=0)
