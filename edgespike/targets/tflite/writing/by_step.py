"""One step of a graph, given its states: as a model, or unrolled over all steps."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgespike.graph import Delay, Dense, Membrane, Node, ReadoutMode
from edgespike.targets.tflite.planning.affine import Affine
from edgespike.targets.tflite.planning.membranes import Potentials
from edgespike.targets.tflite.planning.plan import (
    Plan,
    StateTensor,
    channels_last,
    current_name,
    potential_name,
    spikes_name,
)
from edgespike.targets.tflite.planning.storage import Storage
from edgespike.targets.tflite.writing.emitter import Emitter, Value
from edgespike.targets.tflite.writing.membranes import Kept, MembraneEmitter
from edgespike.targets.tflite.writing.walk import Walk
from edgespike.targets.tflite.writing.weighted import emit_weighted


def needed_by_next_step(plan: Plan) -> set[str]:
    """Name the nodes that the next step depends on."""
    found: set[str] = set()
    for node, _ in plan.graph.of_type(Delay):
        found.update(node.inputs)
    for node in reversed(plan.graph.nodes):
        if isinstance(node.op, Delay):  # it returns what the step before left
            continue
        carries = node.name in plan.nodes and plan.nodes[node.name].states
        if carries or node.name in found:
            found.update((node.name, *node.inputs))
    return found


class OneStep(Walk):
    """Emits one step of a graph.

    Parameters
    ----------
    plan, emitter
        As for :class:`edgespike.targets.tflite.writing.walk.Walk`.
    x
        The input of this step.
    before
        The states that the step before left, by name; none at a sample's first step.
    """

    def __init__(self, plan: Plan, emitter: Emitter, x: Value, before: Mapping[str, Value]) -> None:
        super().__init__(plan, emitter)
        self._x = x
        self._before = before
        self._after: dict[str, Value] = {}

    def after(self, state: StateTensor) -> Value:
        """Return what this step leaves to the next one."""
        value = self._after.get(state.name)
        if value is None:  # a delay's
            value = self.values[self.graph[state.name].inputs[0]]
        return self.converted(value, state.storage)

    def enter(self, node: Node) -> Value:
        """Return the input of this step."""
        return self._x

    def delay(self, node: Node, op: Delay) -> Value:
        """Return what the step before left, or at the first step the initial value."""
        if node.name in self._before:
            return self._before[node.name]
        return self._constant(node.name, op, self.plans[node.name].output)

    def membrane(self, node: Node, op: Membrane, x: Value, numbers: Potentials) -> Value:
        """Continue from what the step before left."""
        names = potential_name(node), current_name(node), spikes_name(node)
        neurons = MembraneEmitter(self.emitter, op, numbers)
        before = Kept(*(self._before.get(name) for name in names))
        output, kept = neurons.step(neurons.scaled(x), before)
        left = zip(names, (kept.v, kept.current, kept.fired), strict=True)
        self._after.update({name: value for name, value in left if value is not None})
        return output

    def readout(self, node: Node, x: Value) -> Value:
        """Combine the accumulators with those of the steps before, unless only these count."""
        if node.name in self._before:
            operator = "MAXIMUM" if self.graph.readout_op.mode is ReadoutMode.MAX else "ADD"
            x = self.emitter.elementwise(operator, self._before[node.name], x)
        self._after[node.name] = x
        return x

    def _constant(self, name: str, op: Delay, storage: Storage) -> Value:
        """Emit one value for every sample of a batch: dense layers of zero weights and a bias.

        A stored constant cannot have the batch's axis, whose size is known only when the model
        runs. The first layer has one output, since one layer alone would have as many weights as
        inputs times elements.
        """
        x = self._x
        x = self.emitter.reshape(x, (int(np.prod(x.shape)),)) if len(x.shape) == 3 else x
        x = self.emitter.convert(x, storage)
        for size in (1, int(np.prod(op.shape))):
            zeros = Dense(np.zeros((size, *x.shape), np.int64), np.full(size, op.initial))
            ratio = np.array([storage.scale / x.storage.scale], np.float32)
            affine = Affine(zeros.weight, zeros.bias, ratio)
            x = emit_weighted(self.emitter, name, zeros, affine, x, storage)
        return self.emitter.reshape(x, channels_last(op.shape), name=name)
