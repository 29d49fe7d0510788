"""One step of a graph, given what it remembers: as a model, or unrolled over all steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from edgespike.graph import Delay, Dense, Graph, Membrane, Node, Reset, ResetTime
from edgespike.graph.ops.neurons import DECAY_ONE
from edgespike.targets.tflite.planning.affine import Affine
from edgespike.targets.tflite.planning.neurons import membrane_step, scale_up
from edgespike.targets.tflite.planning.plan import Choice, sums_steps
from edgespike.targets.tflite.planning.storage import FLOAT32, Storage
from edgespike.targets.tflite.planning.weighted import emit_weighted
from edgespike.targets.tflite.writing.emitter import Emitter, Value
from edgespike.targets.tflite.writing.walk import Walk, channels_last

POTENTIAL, SPIKES = "potential", "spikes"


@dataclass(frozen=True)
class Memory:
    """One thing that a graph remembers from step to step.

    Parameters
    ----------
    name
        A delay's or the readout's, or a membrane's with what of it is remembered.
    shape
        Behind the batch, channels last.
    storage
        How it is stored.
    initial
        Value of all elements at a sample's first step.
    """

    name: str
    shape: tuple[int, ...]
    storage: Storage
    initial: int = 0


def memories(graph: Graph, choices: Mapping[str, Choice]) -> Iterator[Memory]:
    """Yield what a graph remembers, in the order in which it runs."""
    for node in graph.nodes:
        shape = channels_last(graph.tensors[node.name].shape)
        if isinstance(node.op, Delay):
            yield Memory(node.name, shape, choices[node.name].output, node.op.initial)
        if isinstance(node.op, Membrane):
            if node.op.decay < DECAY_ONE:
                yield Memory(f"{node.name}.{POTENTIAL}", shape, FLOAT32)
            if node.op.reset_time is ResetTime.NEXT_STEP and node.op.reset is not Reset.NONE:
                yield Memory(f"{node.name}.{SPIKES}", shape, FLOAT32)
        if node is graph.readout and sums_steps(graph):
            yield Memory(node.name, shape, FLOAT32)


def remembering(graph: Graph) -> set[str]:
    """Name the nodes on which the next step depends."""
    found: set[str] = set()
    for node in reversed(graph.nodes):
        if isinstance(node.op, Delay):
            found.update(node.inputs)
    for node in reversed(graph.nodes):
        keeps = isinstance(node.op, Membrane) or (node is graph.readout and sums_steps(graph))
        if keeps or node.name in found:
            # A delay gives what the step before left, and needs nothing of this step.
            found.update((node.name, *(() if isinstance(node.op, Delay) else node.inputs)))
    return found


class OneStep(Walk):
    """Emits one step of a graph.

    Parameters
    ----------
    graph, choices, emitter
        As for :class:`edgespike.targets.tflite.writing.walk.Walk`.
    x
        The input of this step.
    before
        What the step before left, by name; nothing at a sample's first step.
    """

    def __init__(
        self,
        graph: Graph,
        choices: Mapping[str, Choice],
        emitter: Emitter,
        x: Value,
        before: Mapping[str, Value],
    ) -> None:
        super().__init__(graph, choices, emitter)
        self._x = x
        self._before = before
        self._made: dict[str, Value] = {}

    def remembered(self, memory: Memory) -> Value:
        """Return what this step leaves to the next one."""
        value = self._made.get(memory.name)
        if value is None:  # a delay's
            value = self.values[self.graph[memory.name].inputs[0]]
        return self.emitter.convert(value, memory.storage)

    def enter(self, node: Node) -> Value:
        """Return the input of this step."""
        return self._x

    def delay(self, node: Node, op: Delay) -> Value:
        """Return what the source left, or at the first step the initial value."""
        if node.name in self._before:
            return self._before[node.name]
        return self._constant(node.name, op, self.choices[node.name].output)

    def membrane(self, node: Node, op: Membrane, x: Value) -> Value:
        """Continue from the potential and the spikes of the step before."""
        names = [f"{node.name}.{kind}" for kind in (POTENTIAL, SPIKES)]
        before = [self._before.get(name) for name in names]
        v, fired = membrane_step(self.emitter, op, scale_up(self.emitter, op, x), *before)
        self._made.update(zip(names, (v, fired), strict=True))
        return fired

    def readout(self, node: Node, x: Value) -> Value:
        """Add the accumulators to those of the steps before, if they are summed."""
        if node.name in self._before:
            x = self.emitter.elementwise("ADD", self._before[node.name], x)
        self._made[node.name] = x
        return x

    def _constant(self, name: str, op: Delay, storage: Storage) -> Value:
        """Emit one value for every sample of a batch: sums of nothing, and a bias.

        A stored constant has no axis of the batch, which is known only when the model runs. By way
        of one feature, so that there are not as many weights as inputs times elements.
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
