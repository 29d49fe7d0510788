"""Emit a graph's nodes in the order in which they run, in a model of either form."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import replace

from typing_extensions import assert_never

from edgespike.graph import (
    Add,
    Concatenate,
    Conv2d,
    Delay,
    Dense,
    Input,
    MaxPool2d,
    Membrane,
    Multiply,
    Node,
    Readout,
    Reshape,
    SumPool2d,
    Threshold,
)
from edgespike.graph.tensor import Integers
from edgespike.targets.tflite.planning.affine import Affine
from edgespike.targets.tflite.planning.joining import partial_sums
from edgespike.targets.tflite.planning.membranes import Potentials
from edgespike.targets.tflite.planning.plan import NodePlan, Plan, readers
from edgespike.targets.tflite.planning.storage import (
    SUMS,
    WHOLE,
    Form,
    Storage,
    widens_exactly,
    zero_point,
)
from edgespike.targets.tflite.writing.emitter import Emitter, Value
from edgespike.targets.tflite.writing.schema import Activation
from edgespike.targets.tflite.writing.sixteen import (
    emit_levels,
    emit_tiles,
    in_units_of,
    within_channels,
)
from edgespike.targets.tflite.writing.thresholds import emit_threshold, emit_values
from edgespike.targets.tflite.writing.weighted import (
    emit_max_pool2d,
    emit_sum_pool2d,
    emit_weighted,
    in_stored_order,
)


class Walk(ABC):
    """Emits every node of a graph and keeps its value.

    What depends on how the model treats steps is left to a subclass: where the input comes from,
    and the nodes that carry something from step to step.
    """

    def __init__(self, plan: Plan, emitter: Emitter) -> None:
        self.graph = plan.graph
        self.plans = plan.nodes
        self.emitter = emitter
        self.values: dict[str, Value] = {}
        self._readers = readers(plan.graph)
        self._joined: dict[tuple[int, ...], Value] = {}
        self._in_units: dict[tuple[int, Storage], Value] = {}

    def run(self, only: Collection[str] | None = None) -> None:
        """Emit all nodes, or some, except those that are merged into the one that follows."""
        for node in self.graph.nodes:
            if node.name in self.plans and (only is None or node.name in only):
                value = self._emit(node, self.plans[node.name])
                largest = max(abs(bound) for bound in self.graph.tensors[node.name].bounds)
                self.values[node.name] = replace(value, largest=largest)

    @abstractmethod
    def enter(self, node: Node) -> Value:
        """Return the graph's input."""

    @abstractmethod
    def delay(self, node: Node, op: Delay) -> Value:
        """Return a delay's output."""

    @abstractmethod
    def membrane(self, node: Node, op: Membrane, x: Value, numbers: Potentials) -> Value:
        """Emit neurons with a potential."""

    @abstractmethod
    def readout(self, node: Node, x: Value) -> Value:
        """Return the readout's value of accumulators."""

    def _emit(self, node: Node, plan: NodePlan) -> Value:
        """Emit a node; one that has weights of its own or merged into it first emits those."""
        if plan.staircase is not None and isinstance(node.op, Threshold):
            steps = plan.staircase
            sums = [self._sums(node, plan, SUMS, centre) for centre in steps.centre]
            return emit_levels(self.emitter, node.name, node.op, steps, sums, plan.output)
        if plan.affine is not None:
            weighted = self._weighted(node, plan, plan.affine)
            return self._read_out(node, weighted) if isinstance(node.op, Readout) else weighted
        match node.op:
            case Input():
                return self.enter(node)
            case Dense() | Conv2d():
                raise TypeError(f"{node.name} has weights and is planned without them")
            case MaxPool2d() as op:
                return emit_max_pool2d(self.emitter, node.name, op, self._inputs(node, plan)[0])
            case SumPool2d() as op:
                (x,) = self._inputs(node, plan)
                return emit_sum_pool2d(self.emitter, node.name, op, x, plan.output)
            case Add():
                return self._add(node, self._inputs(node, plan))
            case Multiply():
                return self._multiply(node, plan)
            case Concatenate():
                return self._concatenate(node, self._inputs(node, plan), plan)
            case Reshape() as op:
                return self._reshape(node, op, self._inputs(node, plan)[0])
            case Delay() as op:
                return self.delay(node, op)
            case Threshold() as op:
                (x,), (tensor,) = self._inputs(node, plan), self.graph.input_tensors(node)
                return emit_threshold(self.emitter, node.name, op, tensor, x)
            case Membrane() as op:
                if plan.potentials is None:
                    raise TypeError(f"{node.name} is a membrane and is planned without potentials")
                return self.membrane(node, op, self._inputs(node, plan)[0], plan.potentials)
            case Readout():
                return self.readout(node, self._inputs(node, plan)[0])
            case _:
                assert_never(node.op)

    def _inputs(self, node: Node, plan: NodePlan) -> list[Value]:
        """Return what a node without weights takes, stored as its output is."""
        if plan.entering.form is not Form.FLOAT:
            return [self._entering(name, plan.entering) for name in node.inputs]
        return [self.converted(self.values[name], plan.output) for name in node.inputs]

    def _read_out(self, node: Node, x: Value) -> Value:
        if len(x.shape) > 1:  # a pixel whose reshape was merged with it
            x = self.emitter.reshape(x, self.graph.tensors[node.name].shape)
        return self.readout(node, x)

    def _weighted(self, node: Node, plan: NodePlan, affine: Affine) -> Value:
        """Emit a weighted operator with what is merged into it."""
        output = plan.output
        if plan.tiles is not None:
            parts = [self._sums(node, plan, WHOLE, centre) for centre in plan.tiles.centres]
            return emit_tiles(self.emitter, node.name, plan.tiles, parts)
        if not isinstance(node.op, Threshold):
            return self._sums(node, plan, output)
        integers = output.form is not Form.FLOAT
        activation = Activation.RELU6 if integers else Activation.RELU
        count = self._sums(node, plan, plan.counted or output, activation=activation)
        count = count if integers else self.emitter.elementwise("MINIMUM", count, 1)
        return emit_values(self.emitter, node.name, node.op, count, output)

    def _sums(
        self,
        node: Node,
        plan: NodePlan,
        stored: Storage,
        less: Integers | int = 0,
        activation: Activation = Activation.NONE,
    ) -> Value:
        """Emit the product of a node's weights, or of those merged into it, less a constant."""
        source, affine = plan.source or node, plan.affine
        if affine is None:
            raise TypeError(f"{node.name} is planned without weights")
        affine = replace(affine, bias=affine.bias - less)
        if source.name in source.inputs:  # nothing but a threshold, of values that others read too
            x = self._entering(source.name, plan.entering)
            return within_channels(self.emitter, node.name, affine, x, stored)
        if not isinstance(source.op, Dense | Conv2d):
            raise TypeError(f"{source.name} is planned as a weighted node and has no weights")
        x, affine = self._side_by_side(source, plan.entering, affine)
        return emit_weighted(self.emitter, node.name, source.op, affine, x, stored, activation)

    def _side_by_side(
        self, source: Node, entering: Storage, affine: Affine
    ) -> tuple[Value, Affine]:
        """Return a weighted node's inputs, joined once for all operators that take them."""
        parts = [self._entering(name, entering) for name in source.inputs]
        key = tuple(part.index for part in parts)
        if key not in self._joined:
            self._joined[key] = self.emitter.concatenate(f"{source.name}.inputs", parts)
        return self._joined[key], in_stored_order(affine, parts)

    def _entering(self, name: str, storage: Storage) -> Value:
        """Return a weighted node's input, stored as the node takes it."""
        value = self.values[name]
        if value.form is Form.INT8 and storage.form is Form.INT16:
            value = self.emitter.convert(value, replace(storage, scale=value.storage.scale))
        return self._in_units_of(self.converted(value, storage), storage)

    def converted(self, value: Value, storage: Storage) -> Value:
        """Return a value in another form: to float32 in units of 1 if others are not whole there.

        See :meth:`edgespike.targets.tflite.writing.emitter.Emitter.convert`.
        """
        if value.form is Form.INT16 and storage.form is Form.FLOAT:
            exact = widens_exactly(value.storage.scale, value.largest)
            value = value if exact else self._in_units_of(value, WHOLE)
        return self.emitter.convert(value, storage)

    def _in_units_of(self, value: Value, storage: Storage) -> Value:
        """Return a value with another scale and zero point, and the form that it has."""
        if value.storage == storage:
            return value
        key = (value.index, storage)
        if key not in self._in_units:
            in_units = Emitter.in_units_of if storage.form is Form.INT8 else in_units_of
            scaled = in_units(self.emitter, value, storage)
            self._in_units[key] = replace(scaled, flattened=value.flattened)
        return self._in_units[key]

    def _concatenate(self, node: Node, values: Sequence[Value], plan: NodePlan) -> Value:
        """Put channels side by side; in int8 all have one scale and zero point."""
        if plan.output.form is Form.INT8:
            values = [
                value
                if value.storage == plan.output
                else self.emitter.in_units_of(value, plan.output)
                for value in values
            ]
        return self.emitter.concatenate(node.name, values)

    def _add(self, node: Node, values: Sequence[Value]) -> Value:
        """Add one summand after the other; in int8 each partial sum has its own zero point."""
        total = values[0]
        sums = partial_sums(self.graph.input_tensors(node))
        for value, tensor in zip(values[1:], sums[1:], strict=True):
            zero = zero_point(tensor) or 0 if total.form is Form.INT8 else 0
            storage = replace(total.storage, zero_point=zero)
            inputs = [total.index, value.index]
            total = self.emitter.emit(node.name, "ADD", inputs, total.shape, storage)
        return total

    def _multiply(self, node: Node, plan: NodePlan) -> Value:
        if plan.output.form is Form.FLOAT:
            left, right = self._inputs(node, plan)
            return self.emitter.elementwise("MUL", left, right, name=node.name)
        values = [
            self._entering(name, Storage(Form.INT16, self.values[name].storage.scale))
            for name in node.inputs
        ]
        inputs, shape = [value.index for value in values], values[0].shape
        return self.emitter.emit(node.name, "MUL", inputs, shape, plan.output)

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
        return all(isinstance(reader.op, Dense) for reader in self._readers[node.name])
