"""Emitting a graph's nodes in the order in which they run, whatever the form of the model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from edgespike.graph import (
    Add,
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
from edgespike.graph.ops import Weighted
from edgespike.targets.tflite.planning.neurons import emit_threshold
from edgespike.targets.tflite.planning.plan import Choice, partial_sums
from edgespike.targets.tflite.planning.storage import Form, zero_point
from edgespike.targets.tflite.planning.weighted import (
    emit_max_pool2d,
    emit_sum_pool2d,
    emit_weighted,
    side_by_side,
)
from edgespike.targets.tflite.writing.emitter import Emitter, Value
from edgespike.targets.tflite.writing.schema import Activation


class Walk(ABC):
    """Emits every node of a graph and keeps its value.

    What depends on how the model deals with steps is for a subclass: where the input comes from,
    and the nodes that remember something.
    """

    def __init__(self, graph: Graph, choices: Mapping[str, Choice], emitter: Emitter) -> None:
        self.graph = graph
        self.choices = choices
        self.emitter = emitter
        self.values: dict[str, Value] = {}

    def run(self, only: Collection[str] | None = None) -> None:
        """Emit all nodes, or some, but those that are merged into the one that follows."""
        for node in self.graph.nodes:
            if node.name in self.choices and (only is None or node.name in only):
                self.values[node.name] = self._emit(node)

    @abstractmethod
    def enter(self, node: Node) -> Value:
        """Return the graph's input."""

    @abstractmethod
    def delay(self, node: Node, op: Delay) -> Value:
        """Return what a delay gives."""

    @abstractmethod
    def membrane(self, node: Node, op: Membrane, x: Value) -> Value:
        """Emit neurons with a potential."""

    @abstractmethod
    def readout(self, node: Node, x: Value) -> Value:
        """Return the readout's value of accumulators."""

    def _emit(self, node: Node) -> Value:
        if isinstance(node.op, Input):
            return self.enter(node)
        if isinstance(node.op, Delay):
            return self.delay(node, node.op)
        if self.choices[node.name].affine is not None:
            value = self._weighted(node)
            return self._read_out(node, value) if isinstance(node.op, Readout) else value
        return self._plain(node, [self.values[name] for name in node.inputs])

    def _read_out(self, node: Node, x: Value) -> Value:
        if len(x.shape) > 1:  # a pixel whose reshape was merged with it
            x = self.emitter.reshape(x, self.graph.tensors[node.name].shape)
        return self.readout(node, x)

    def _plain(self, node: Node, inputs: Sequence[Value]) -> Value:
        output = self.choices[node.name].output
        values = [self.emitter.convert(value, output) for value in inputs]
        match node.op:
            case Readout():
                return self.readout(node, values[0])
            case Threshold() as op:
                (tensor,) = self.graph.input_tensors(node)
                return emit_threshold(self.emitter, node.name, op, tensor, values[0])
            case Membrane() as op:
                return self.membrane(node, op, values[0])
            case MaxPool2d() as op:
                return emit_max_pool2d(self.emitter, node.name, op, values[0])
            case SumPool2d() as op:
                return emit_sum_pool2d(self.emitter, node.name, op, values[0], output)
            case Add():
                return self._add(node, values)
            case Reshape() as op:
                return self._reshape(node, op, values[0])
        raise TypeError(f"{node.name} is of kind {node.op.kind}, which is not known here")

    def _weighted(self, node: Node) -> Value:
        """Emit a weighted node with what is merged into it."""
        choice = self.choices[node.name]
        source = choice.source or node
        op, affine, output = source.op, choice.affine, choice.output
        if not isinstance(op, Weighted) or affine is None:
            raise TypeError(f"{node.name} has no weights")
        parts = [self.values[name] for name in source.inputs]
        parts = [self.emitter.convert(part, choice.entering) for part in parts]
        x, affine = side_by_side(self.emitter, source.name, parts, affine)
        if not isinstance(node.op, Threshold):
            return emit_weighted(self.emitter, node.name, op, affine, x, output)
        integers = output.form is Form.INT8
        activation = Activation.RELU6 if integers else Activation.RELU
        above = emit_weighted(self.emitter, node.name, op, affine, x, output, activation)
        return above if integers else self.emitter.elementwise("MINIMUM", above, 1)

    def _add(self, node: Node, values: Sequence[Value]) -> Value:
        """Add one summand after the other; in int8 each partial sum has a zero point of its own."""
        total = values[0]
        sums = partial_sums(self.graph.input_tensors(node))
        for value, tensor in zip(values[1:], sums[1:], strict=True):
            zero = zero_point(tensor) or 0 if total.form is Form.INT8 else 0
            storage = replace(total.storage, zero_point=zero)
            inputs = [total.index, value.index]
            total = self.emitter.emit(node.name, "ADD", inputs, total.shape, storage)
        return total

    def _reshape(self, node: Node, op: Reshape, x: Value) -> Value:
        """Keep the graph's order, channels first, unless only dense layers can see it."""
        (source,) = self.graph.input_tensors(node)
        shape = source.shape
        if len(shape) == 3 and len(op.shape) == 1 and self._only_dense_follows(node):
            channels, height, width = shape
            flat = self.emitter.reshape(x, op.shape, name=node.name)
            return replace(flat, flattened=(channels, height, width))
        if len(shape) == 3:
            x = self.emitter.transpose(x, (2, 0, 1))
        x = self.emitter.reshape(x, op.shape, name=node.name)
        return self.emitter.transpose(x, (1, 2, 0)) if len(op.shape) == 3 else x

    def _only_dense_follows(self, node: Node) -> bool:
        consumers = [other for other in self.graph.nodes if node.name in other.inputs]
        return all(isinstance(other.op, Dense) for other in consumers)


def channels_last(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the order of axes that TFLite wants."""
    return (*shape[1:], shape[0])
