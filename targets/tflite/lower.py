"""From a graph to the bytes of a ``.tflite`` file."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from edgespike.graph import (
    Add,
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
from edgespike.targets.tflite.emitter import Emitter, Value
from edgespike.targets.tflite.neurons import (
    emit_membrane,
    emit_threshold,
    join_steps,
    split_steps,
)
from edgespike.targets.tflite.plan import make_plan, partial_sums
from edgespike.targets.tflite.schema import Activation
from edgespike.targets.tflite.storage import Form, zero_point
from edgespike.targets.tflite.weighted import emit_max_pool2d, emit_sum_pool2d, emit_weighted


@dataclass(frozen=True)
class Lowered:
    """A written model and how to read its tensors.

    Parameters
    ----------
    content
        The file's bytes.
    input
        What the model takes: ``(batch, *input.shape)``, or ``(batch, steps, *input.shape)`` for
        graphs of several steps.
    outputs
        What it gives: the readout after the last step, then the nodes that were asked for, by
        name. Samples and steps share their first dimension, ``(batch * steps, *shape)``.
    operators
        The kinds of operators in use.
    tensors
        How many tensors there are.
    activation_bytes
        Bytes of all that is computed for one sample, if no memory is shared.
    """

    content: bytes
    input: Value
    outputs: tuple[tuple[str, Value], ...]
    operators: tuple[str, ...]
    tensors: int
    activation_bytes: int


def lower(graph: Graph, show: Collection[str] = (), four_bits: bool = False) -> Lowered:
    """Write a graph as a model whose outputs are the readout and the nodes of ``show``.

    With ``four_bits``, weights of layers in int8 take 4 bits each where they fit. The graph
    must have no :func:`edgespike.targets.tflite.limits.violations`.
    """
    lowering = _Lowering(graph, four_bits)
    for node in graph.nodes:
        lowering.add(node)
    final = (graph.readout.name, lowering.final)
    shown = [(name, lowering.values[name]) for name in show]
    outputs = (final, *(item for item in shown if item[1] != lowering.final))
    builder = lowering.emitter.builder
    content = builder.finish(
        [lowering.input.index],
        [value.index for _, value in outputs],
        f"edgespike graph {graph.name}, SHA-256 {graph.hash}",
    )
    return Lowered(
        content,
        lowering.input,
        outputs,
        tuple(builder.operator_names),
        builder.tensor_count,
        builder.activation_bytes,
    )


class _Lowering:
    """Walks a graph and keeps each node's value."""

    def __init__(self, graph: Graph, four_bits: bool) -> None:
        self.graph = graph
        self.choices = make_plan(graph, four_bits).choices
        self.emitter = Emitter(graph.name, graph.steps, four_bits)
        self.values: dict[str, Value] = {}
        self.input: Value
        self.final: Value

    def add(self, node: Node) -> None:
        """Emit a node, unless it is merged into the one that follows."""
        if node.name not in self.choices:
            return
        inputs = [self.values[name] for name in node.inputs if name in self.values]
        if isinstance(node.op, Input):
            value = self._input(node)
        elif isinstance(node.op, Readout):
            value = self._readout(node, inputs)
        elif self.choices[node.name].affine is not None:
            value = self._weighted(node)
        else:
            value = self._plain(node, inputs)
        self.values[node.name] = value

    def _plain(self, node: Node, inputs: Sequence[Value]) -> Value:
        output = self.choices[node.name].output
        values = [self.emitter.convert(value, output) for value in inputs]
        match node.op:
            case Threshold() as op:
                (tensor,) = self.graph.input_tensors(node)
                return emit_threshold(self.emitter, node.name, op, tensor, values[0])
            case Membrane() as op:
                return emit_membrane(self.emitter, node.name, op, values[0])
            case MaxPool2d() as op:
                return emit_max_pool2d(self.emitter, node.name, op, values[0])
            case SumPool2d() as op:
                return emit_sum_pool2d(self.emitter, node.name, op, values[0], output)
            case Add():
                return self._add(node, values)
            case Reshape() as op:
                return self._reshape(node, op, values[0])
        raise TypeError(f"{node.name} is of kind {node.op.kind}, which is not known here")

    def _input(self, node: Node) -> Value:
        shape = channels_last(self.graph.tensors[node.name].shape)
        storage = self.choices[node.name].output
        steps = self.graph.steps
        whole = shape if steps == 1 else (steps, *shape)
        self.input = self.emitter.declare(node.name, whole, storage, steps=1)
        if steps == 1:
            return self.input
        return self.emitter.reshape(self.input, shape, name=node.name)

    def _weighted(self, node: Node) -> Value:
        """Emit a weighted node with what is merged into it."""
        choice = self.choices[node.name]
        source = choice.source or node
        op, affine, output = source.op, choice.affine, choice.output
        if not isinstance(op, Weighted) or affine is None:
            raise TypeError(f"{node.name} has no weights")
        x = self.emitter.convert(self.values[source.inputs[0]], choice.entering)
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

    def _readout(self, node: Node, inputs: Sequence[Value]) -> Value:
        """Give the accumulators after every step; those after the last are the model's output."""
        if self.graph.steps == 1:
            value = inputs[0] if inputs else self._weighted(node)
            if len(value.shape) > 1:  # a pixel whose reshape was merged with it
                value = self.emitter.reshape(value, self.graph.tensors[node.name].shape)
            self.final = value
            return value
        emitter = self.emitter
        (x,) = inputs
        totals: list[Value] = []
        for part in split_steps(emitter, x):
            before = totals[-1] if totals else None
            totals.append(emitter.elementwise("ADD", before, part, steps=1) if before else part)
        self.final = emitter.reshape(totals[-1], x.shape, steps=1, name=node.name)
        return join_steps(emitter, totals, x.shape, f"{node.name}.steps")


def channels_last(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Give the order of axes that TFLite wants."""
    return (*shape[1:], shape[0])
