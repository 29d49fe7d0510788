"""From a graph to the bytes of a ``.tflite`` file."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from edgespike.graph import Graph
from edgespike.targets.tflite.planning.plan import (
    Plan,
    StateTensor,
    channels_last,
    runs_by_step,
)
from edgespike.targets.tflite.writing.border import emit_input, emit_logits
from edgespike.targets.tflite.writing.by_step import OneStep, needed_by_next_step
from edgespike.targets.tflite.writing.emitter import Emitter, Value
from edgespike.targets.tflite.writing.whole_sample import WholeSample

INPUT, LOGITS, ACCUMULATORS = "input", "logits", "accumulators"
"""Names in a model's signature; a state has the same name as input and as output."""


@dataclass(frozen=True)
class CarriedState:
    """A tensor that is an input and, after the step, an output of the model.

    Parameters
    ----------
    tensor
        Its name, shape and storage.
    output
        Its index among the model's outputs. Among the inputs, states follow the sample in their
        own order.
    """

    tensor: StateTensor
    output: int

    @property
    def initial(self) -> int:
        """The stored number that fills it before a sample's first step."""
        return self.tensor.initial + self.tensor.storage.zero_point


@dataclass(frozen=True)
class Lowered:
    """A lowered model and how to read its tensors.

    Parameters
    ----------
    content
        The file's bytes.
    input
        What the model takes: ``(batch, *input.shape)``, or ``(batch, steps, *input.shape)`` for
        several steps at once.
    outputs
        What it returns, first the logits: after the last step, or after this step.
    answer
        Index of the readout's accumulators among the outputs; that of the logits, 0, if the
        accumulators' declared scale makes them the logits.
    observed
        Index among the outputs of the readout and of each node that was asked for. If the model
        takes all steps at once, samples and steps share the first dimension of these nodes,
        ``(batch * steps, *shape)``; of the readout too if it was asked for.
    states
        What the model also takes and returns if it computes one step; none if it computes all.
    operators
        The kinds of operators in use.
    tensors
        How many tensors there are.
    activation_bytes
        Bytes of all tensors that are computed for one sample, if none share memory.
    constant_scales
        How many scales its weights and biases have, counted for each channel.
    """

    content: bytes
    input: Value
    outputs: tuple[Value, ...]
    answer: int
    observed: Mapping[str, int]
    states: tuple[CarriedState, ...]
    operators: tuple[str, ...]
    tensors: int
    activation_bytes: int
    constant_scales: int

    @property
    def carried(self) -> list[list[int]]:
        """Index among the outputs and stored initial value of each state."""
        return [[state.output, state.initial] for state in self.states]


def lower(plan: Plan, observed: Collection[str] = ()) -> Lowered:
    """Lower a graph to a model that returns the logits, the readout and the nodes of ``observed``.

    The model of a recurrent graph computes one step. The graph must have no
    :func:`edgespike.targets.tflite.check.violations`.
    """
    if runs_by_step(plan.graph):
        return _lower_step(plan, observed)
    emitter = Emitter(plan, plan.graph.steps)
    walk = WholeSample(plan, emitter)
    walk.run()
    values = {plan.graph.readout.name: walk.final, **{name: walk.values[name] for name in observed}}
    return _finish(plan.graph, emitter, walk.input, values, walk.final)


def lower_unrolled(plan: Plan) -> Lowered:
    """Lower a recurrent graph to a model that takes all steps of a sample, one after the other."""
    graph = plan.graph
    emitter = Emitter(plan, 1)
    shape = channels_last(graph.tensors[graph.input.name].shape)
    storage = plan.nodes[graph.input.name].output
    source, x = emit_input(emitter, graph, (graph.steps, *shape), storage)
    side_by_side = emitter.reshape(x, (graph.steps * shape[0], *shape[1:]))
    needed = needed_by_next_step(plan)
    before: dict[str, Value] = {}
    for step, x in enumerate(emitter.split(side_by_side, graph.steps), start=1):
        walk = OneStep(plan, emitter, x, before)
        walk.run(only=None if step == graph.steps else needed)
        before = {state.name: walk.after(state) for state in plan.states}
    final = walk.values[graph.readout.name]
    return _finish(graph, emitter, source, {graph.readout.name: final}, final)


def _lower_step(plan: Plan, observed: Collection[str]) -> Lowered:
    """Lower a recurrent graph to a model that computes one step."""
    graph, states = plan.graph, list(plan.states)
    emitter = Emitter(plan, 1)
    shape = channels_last(graph.tensors[graph.input.name].shape)
    source, x = emit_input(emitter, graph, shape, plan.nodes[graph.input.name].output)
    before = {
        state.name: emitter.declare(f"{state.name}.before", state.shape, state.storage)
        for state in states
    }
    walk = OneStep(plan, emitter, x, before)
    walk.run()
    inputs = {value.index for value in (source, *before.values())}

    def computed(value: Value) -> Value:
        """Copy a value that is an input; runtimes want outputs that an operator computes."""
        return emitter.reshape(value, value.shape) if value.index in inputs else value

    final = computed(walk.values[graph.readout.name])
    after = [computed(walk.after(state)) for state in states]
    values = {name: walk.values[name] for name in observed} | {graph.readout.name: final}
    carried = list(zip(states, before.values(), after, strict=True))
    return _finish(graph, emitter, source, values, final, carried)


def _finish(
    graph: Graph,
    emitter: Emitter,
    source: Value,
    values: Mapping[str, Value],
    final: Value,
    states: Sequence[tuple[StateTensor, Value, Value]] = (),
) -> Lowered:
    """Finish the model. A tensor with several roles is one output."""
    logits = emit_logits(emitter, graph, final)
    found = [logits, final, *(after for _, _, after in states), *values.values()]
    outputs = list({value.index: value for value in found}.values())
    places = {value.index: place for place, value in enumerate(outputs)}
    builder = emitter.builder
    taken, given = {INPUT: source.index}, {LOGITS: logits.index}
    if logits is not final:
        given[ACCUMULATORS] = final.index
    for state, before, after in states:
        name = f"state.{state.name}"
        taken[name], given[name] = before.index, after.index
    content = builder.finish(
        taken,
        [value.index for value in outputs],
        given,
        f"edgespike graph {graph.name}, SHA-256 {graph.hash}",
    )
    return Lowered(
        content,
        source,
        tuple(outputs),
        places[final.index],
        {name: places[value.index] for name, value in values.items()},
        tuple(CarriedState(state, places[after.index]) for state, _, after in states),
        tuple(builder.operator_names),
        builder.tensor_count,
        builder.activation_bytes,
        builder.constant_scales,
    )
