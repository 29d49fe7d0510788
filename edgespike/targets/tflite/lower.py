"""From a graph to the bytes of a ``.tflite`` file."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from edgespike.graph import Graph
from edgespike.targets.tflite.planning.plan import make_plan, runs_by_step
from edgespike.targets.tflite.writing.by_step import Memory, OneStep, memories, remembering
from edgespike.targets.tflite.writing.emitter import Emitter, Value
from edgespike.targets.tflite.writing.walk import channels_last
from edgespike.targets.tflite.writing.whole_sample import WholeSample


@dataclass(frozen=True)
class State:
    """A tensor that is an input and, after the step, an output of the model.

    Parameters
    ----------
    memory
        What it holds.
    output
        Its place among the model's outputs. Among the inputs, states stand behind the sample in
        their own order.
    """

    memory: Memory
    output: int

    @property
    def initial(self) -> int:
        """The number that is stored in every element before a sample's first step."""
        return self.memory.initial + self.memory.storage.zero_point


@dataclass(frozen=True)
class Lowered:
    """A written model and how to read its tensors.

    Parameters
    ----------
    content
        The file's bytes.
    input
        What the model takes: ``(batch, *input.shape)``, or ``(batch, steps, *input.shape)`` for
        several steps at once.
    outputs
        What it gives, first the readout: after the last step, or after this step.
    shown
        Where the readout and the nodes that were asked for are among the outputs. Where the model
        takes all steps at once, samples and steps share the first dimension of these nodes,
        ``(batch * steps, *shape)``; of the readout too if it was asked for.
    states
        What the model takes and gives beside, if it computes one step; none if it computes all.
    operators
        The kinds of operators in use.
    tensors
        How many tensors there are.
    activation_bytes
        Bytes of all that is computed for one sample, if no memory is shared.
    constant_scales
        How many scales its weights and biases have, those of each channel counted one by one.
    """

    content: bytes
    input: Value
    outputs: tuple[Value, ...]
    shown: Mapping[str, int]
    states: tuple[State, ...]
    operators: tuple[str, ...]
    tensors: int
    activation_bytes: int
    constant_scales: int

    @property
    def carried(self) -> list[list[int]]:
        """Place among the outputs and stored first value of each state."""
        return [[state.output, state.initial] for state in self.states]


def lower(graph: Graph, show: Collection[str] = (), four_bits: bool = False) -> Lowered:
    """Write a graph as a model whose outputs are the readout and the nodes of ``show``.

    The model of a recurrent graph computes one step. With ``four_bits``, weights of layers in int8
    take 4 bits each where they fit. The graph must have no
    :func:`edgespike.targets.tflite.check.violations`.
    """
    if runs_by_step(graph):
        return _lower_step(graph, show, four_bits)
    choices = make_plan(graph, four_bits).choices
    emitter = Emitter(graph.name, graph.steps, four_bits)
    walk = WholeSample(graph, choices, emitter)
    walk.run()
    values = {graph.readout.name: walk.final, **{name: walk.values[name] for name in show}}
    return _finish(graph, emitter, walk.input, values, walk.final)


def lower_unrolled(graph: Graph) -> Lowered:
    """Write a recurrent graph as a model that takes all steps of a sample, one after the other."""
    choices = make_plan(graph).choices
    emitter = Emitter(graph.name, 1, four_bits=False)
    shape = channels_last(graph.tensors[graph.input.name].shape)
    storage = choices[graph.input.name].output
    source = emitter.declare(graph.input.name, (graph.steps, *shape), storage)
    side_by_side = emitter.reshape(source, (graph.steps * shape[0], *shape[1:]))
    kept, needed = list(memories(graph, choices)), remembering(graph)
    before: dict[str, Value] = {}
    for step, x in enumerate(emitter.split(side_by_side, graph.steps), start=1):
        walk = OneStep(graph, choices, emitter, x, before)
        walk.run(only=None if step == graph.steps else needed)
        before = {memory.name: walk.remembered(memory) for memory in kept}
    final = walk.values[graph.readout.name]
    return _finish(graph, emitter, source, {graph.readout.name: final}, final)


def _lower_step(graph: Graph, show: Collection[str], four_bits: bool) -> Lowered:
    """Write a recurrent graph as a model that computes one step."""
    choices = make_plan(graph, four_bits).choices
    emitter = Emitter(graph.name, 1, four_bits)
    shape = channels_last(graph.tensors[graph.input.name].shape)
    source = emitter.declare(graph.input.name, shape, choices[graph.input.name].output)
    kept = list(memories(graph, choices))
    before = {
        memory.name: emitter.declare(f"{memory.name}.before", memory.shape, memory.storage)
        for memory in kept
    }
    walk = OneStep(graph, choices, emitter, source, before)
    walk.run()
    inputs = {value.index for value in (source, *before.values())}

    def computed(value: Value) -> Value:
        """Copy what is an input; runtimes want outputs that an operator computes."""
        return emitter.reshape(value, value.shape) if value.index in inputs else value

    final = computed(walk.values[graph.readout.name])
    after = [computed(walk.remembered(memory)) for memory in kept]
    values = {name: walk.values[name] for name in show} | {graph.readout.name: final}
    states = list(zip(kept, before.values(), after, strict=True))
    return _finish(graph, emitter, source, values, final, states)


def _finish(
    graph: Graph,
    emitter: Emitter,
    source: Value,
    values: Mapping[str, Value],
    final: Value,
    states: Sequence[tuple[Memory, Value, Value]] = (),
) -> Lowered:
    """Write the model; a tensor that is several things at once is one output."""
    found = [final, *(after for _, _, after in states), *values.values()]
    outputs = list({value.index: value for value in found}.values())
    places = {value.index: place for place, value in enumerate(outputs)}
    builder = emitter.builder
    content = builder.finish(
        [source.index, *(before.index for _, before, _ in states)],
        [value.index for value in outputs],
        f"edgespike graph {graph.name}, SHA-256 {graph.hash}",
    )
    return Lowered(
        content,
        source,
        tuple(outputs),
        {name: places[value.index] for name, value in values.items()},
        tuple(State(memory, places[after.index]) for memory, _, after in states),
        tuple(builder.operator_names),
        builder.tensor_count,
        builder.activation_bytes,
        builder.constant_scales,
    )
