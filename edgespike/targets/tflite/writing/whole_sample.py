"""The model that takes all steps of a sample at once: each layer runs once for all of them."""

from __future__ import annotations

from edgespike.graph import Delay, Membrane, Node, ReadoutMode
from edgespike.targets.tflite.planning.membranes import Potentials
from edgespike.targets.tflite.planning.plan import channels_last
from edgespike.targets.tflite.writing.border import emit_input
from edgespike.targets.tflite.writing.emitter import Value
from edgespike.targets.tflite.writing.membranes import MembraneEmitter
from edgespike.targets.tflite.writing.steps import join_steps, split_steps
from edgespike.targets.tflite.writing.walk import Walk


class WholeSample(Walk):
    """Emits a graph without delays; samples and steps share the first dimension.

    Attributes
    ----------
    input, final
        What the model takes, and the readout after the last step.
    """

    input: Value
    final: Value

    def enter(self, node: Node) -> Value:
        """Declare the model's input, with an axis of steps if there are several."""
        shape = channels_last(self.graph.tensors[node.name].shape)
        storage = self.plans[node.name].output
        steps = self.graph.steps
        whole = shape if steps == 1 else (steps, *shape)
        self.input, x = emit_input(self.emitter, self.graph, whole, storage)
        return x if steps == 1 else self.emitter.reshape(x, shape, name=node.name)

    def delay(self, node: Node, op: Delay) -> Value:
        """Refuse: steps that depend on each other cannot run at once."""
        raise TypeError(f"{node.name} is a delay; a recurrent graph runs step by step")

    def membrane(self, node: Node, op: Membrane, x: Value, numbers: Potentials) -> Value:
        """Unroll the potential over the steps."""
        return MembraneEmitter(self.emitter, op, numbers).whole_sample(node.name, x)

    def readout(self, node: Node, x: Value) -> Value:
        """Return the accumulators after every step; those after the last are the model's output."""
        if self.graph.steps == 1:
            self.final = x
            return x
        emitter = self.emitter
        parts = split_steps(emitter, x)
        if self.graph.readout_op.mode is ReadoutMode.LAST:
            self.final = emitter.reshape(parts[-1], x.shape, steps=1, name=node.name)
            return x
        operator = "MAXIMUM" if self.graph.readout_op.mode is ReadoutMode.MAX else "ADD"
        totals = parts[:1]
        for part in parts[1:]:
            totals.append(emitter.elementwise(operator, totals[-1], part, steps=1))
        self.final = emitter.reshape(totals[-1], x.shape, steps=1, name=node.name)
        return join_steps(emitter, totals, x.shape, f"{node.name}.steps")
