"""Choosing, for each node, numbers in which TFLite computes it exactly.

Spikes, int8: every activation has scale 6, every weight scale 1, so that the requantising
multiplier is exactly 1 and no kernel rounds. With the bias ``b + 1 - theta`` and a fused RELU6,
which clamps the stored integer to 0..1, the output is 1 exactly where ``acc >= theta``.

Levels, int8: activations have scale ``6 / levels``, so that RELU6 clamps to ``0..levels``, and each
output channel has a multiplier of its own that is proven at every threshold, see
:mod:`edgespike.targets.tflite.planning.requantise`.

Readout, int16: as for spikes, with 16-bit activations and without a clamp, for accumulators.

Sums that meet in an addition, of a layer's input and of what it gave the step before: one operator
on both, laid side by side, see :mod:`edgespike.targets.tflite.planning.joining`.

All else, float32: whole numbers. Every sum, product and comparison is exact while no partial
sum, in whatever order it is formed, exceeds 2**24.

A node gets the first of these that is proven; where float32 does not do either, that is a
violation, see :mod:`edgespike.targets.tflite.check`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate

from edgespike.graph import (
    Add,
    Delay,
    Graph,
    Input,
    MaxPool2d,
    Membrane,
    Node,
    Readout,
    ReadoutMode,
    Reshape,
    SumPool2d,
    Tensor,
    Threshold,
)
from edgespike.graph.ops import Weighted
from edgespike.graph.ops.neurons import DECAY_ONE, FRACTION_BITS
from edgespike.targets.tflite.limits import (
    INT4_WEIGHT_LIMIT,
    INT16_LIMIT,
    UNROLLED_STEPS,
    WEIGHT_LIMIT,
)
from edgespike.targets.tflite.planning.affine import Affine, fold_levels, fold_spikes
from edgespike.targets.tflite.planning.alignment import align
from edgespike.targets.tflite.planning.joining import find_joins, joined_tensor
from edgespike.targets.tflite.planning.reasons import obstacle, outside_int8, unproven
from edgespike.targets.tflite.planning.storage import (
    ACTIVATION_SCALE,
    FLOAT32,
    Form,
    Storage,
    zero_point,
)


@dataclass(frozen=True)
class Choice:
    """What was chosen for a node, and why.

    Parameters
    ----------
    output
        How its output is stored.
    entering
        How a weighted node, or what it is merged into, takes its input.
    why
        A few words.
    source
        The weighted node that is computed in one operator with this one: its accumulators are
        nobody else's. It may be joined from several, whose inputs it takes side by side.
    affine
        Weight and bias of the operator, with any threshold folded in.
    """

    output: Storage
    why: str
    entering: Storage = FLOAT32
    source: Node | None = None
    affine: Affine | None = None


@dataclass(frozen=True)
class Plan:
    """What was chosen for a graph: by name, for every node that is not merged into another."""

    choices: Mapping[str, Choice]

    @property
    def forms(self) -> dict[str, Form]:
        """Data type of each node's output."""
        return {name: choice.output.form for name, choice in self.choices.items()}


@lru_cache(maxsize=8)
def make_plan(graph: Graph, four_bits: bool = False) -> Plan:
    """Choose for a graph; whether float32 suffices is for the limits to say.

    With ``four_bits``, weights are scaled up to what 4 bits hold where that is enough.
    """
    in_float: frozenset[str] = frozenset()
    while True:
        planner = _Planner(graph, four_bits, in_float)
        for node in graph.nodes:
            planner.add(node)
        # What a delay gives is planned before its source; where that turned out otherwise, again.
        choices = planner.choices
        wrong = {
            node.name
            for node, _ in graph.of_type(Delay)
            if choices[node.name].output not in (FLOAT32, choices[node.inputs[0]].output)
        }
        if not wrong:
            return Plan(choices)
        in_float |= wrong


def runs_by_step(graph: Graph) -> bool:
    """Return whether the model computes one step of a graph, because it is recurrent, or all."""
    return graph.is_recurrent


def unrolls(graph: Graph) -> bool:
    """Return whether a recurrent graph is short enough to be written with all its steps as well."""
    return runs_by_step(graph) and graph.steps <= UNROLLED_STEPS


def fraction_bits(op: Membrane) -> int:
    """Return how many fractional bits a membrane needs: none where nothing decays to a fraction."""
    return 0 if op.decay in (0, DECAY_ONE) else FRACTION_BITS


def sums_steps(graph: Graph) -> bool:
    """Return whether the readout adds up several steps."""
    return graph.steps > 1 and graph.readout_op.mode is ReadoutMode.SUM


def partial_sums(summands: Sequence[Tensor]) -> list[Tensor]:
    """Return what an addition has after each of its summands, from the first one on.

    With signs, a partial sum may leave the range of the whole sum, and int8 would saturate.
    """
    return list(accumulate(summands, lambda left, right: Add().infer([left, right], 1)))


class _Planner:
    """Walks a graph and keeps each node's choice."""

    def __init__(self, graph: Graph, four_bits: bool, in_float: Collection[str]) -> None:
        self.graph = graph
        self.limits = (INT4_WEIGHT_LIMIT, WEIGHT_LIMIT) if four_bits else (WEIGHT_LIMIT,)
        self.in_float = in_float
        self.choices: dict[str, Choice] = {}
        self._refusals: dict[str, str] = {}
        self._joins = find_joins(graph)
        self._joined = {part for name in self._joins for part in graph[name].inputs}
        self._aligned = align(graph, self._joins.values())

    def add(self, node: Node) -> None:
        """Choose for a node, and for one that is computed with it."""
        if node.name in self.choices or node.name in self._joined or self._is_merged(node):
            return
        source = self._joins.get(node.name, node)
        if not isinstance(source.op, Weighted):
            self.choices[node.name] = self._plain(node)
            return
        follower = self._follower(node)
        why = "its sums are needed elsewhere than in one threshold or readout"
        if follower is not None:
            choice, why = self._together(source, source.op, follower)
            if choice is not None:
                self.choices[follower.name] = choice
                return
            self._refusals[follower.name] = why
        affine = Affine(source.op.weight, source.op.bias)
        joined = None if source is node else source
        self.choices[node.name] = Choice(FLOAT32, why, source=joined, affine=affine)

    def _follower(self, node: Node) -> Node | None:
        """Return the only reader of a node's weighted sums, where the two can be one operator."""
        last, *others = self._readers(node)
        tensor = self.graph.tensors[node.name]
        if isinstance(last.op, Reshape) and tensor.size == tensor.shape[0]:
            flat, *more = self._readers(last)  # one pixel: there is no order to change
            if isinstance(flat.op, Readout):
                last, others = flat, others + more
        if others or not isinstance(last.op, Readout | Threshold):
            return None
        return last if isinstance(last.op, Threshold) or self._reads_one_step() else None

    def _readers(self, node: Node) -> list[Node]:
        return [
            reader for reader in self.graph.nodes for name in reader.inputs if name == node.name
        ]

    def _is_merged(self, node: Node) -> bool:
        """Return whether a node is a reshape between a weighted node and its follower."""
        return isinstance(node.op, Reshape) and node.inputs[0] not in self.choices

    def _reads_one_step(self) -> bool:
        """Return whether the readout gives what it takes, and no sum over steps."""
        by_step = runs_by_step(self.graph) and not sums_steps(self.graph)
        return self.graph.steps == 1 or by_step

    def _together(self, source: Node, op: Weighted, follower: Node) -> tuple[Choice | None, str]:
        """Choose for a weighted node and its follower; nothing, and why, for levels in float32."""
        entering, *others = {self._in_int8(name) for name in source.inputs}
        tensor = joined_tensor(self.graph.input_tensors(source))
        apart = "its inputs have no scale and zero point in common" if others else ""
        if not isinstance(follower.op, Threshold):
            return self._readout(source, Affine(op.weight, op.bias), entering, apart), ""
        levels = follower.op.levels
        output = self._aligned.get(follower.name)
        if output is None:
            return None, f"int8 does not hold {levels} levels"
        accumulator = self.graph.tensors[follower.inputs[0]]
        ratio = output.scale / entering.scale
        if levels == 1:
            affine = fold_spikes(op, follower.op, accumulator, ratio)
            why = apart or obstacle(affine, tensor)
            if why:
                return Choice(FLOAT32, why, FLOAT32, source, affine), ""
            why = "one threshold: the multiplier is 1"
            return Choice(output, why, entering, source, affine), ""
        for limit in self.limits:
            affine, proven = fold_levels(op, follower.op, accumulator, tensor, ratio, limit)
            if affine.largest_weight <= limit and proven.all():
                break
        why = apart or obstacle(affine, tensor) or unproven(op, follower.op, proven)
        if why:
            return None, why
        why = f"a multiplier for each channel is proven at all of its {levels} thresholds"
        return Choice(output, why, entering, source, affine), ""

    def _readout(self, source: Node, affine: Affine, entering: Storage, apart: str) -> Choice:
        tensor = joined_tensor(self.graph.input_tensors(source))
        why = apart or obstacle(affine, tensor)
        # What 16 bits store of an int8 value is the same integer, as long as neither is shifted.
        forms = {self.choices[name].output.form for name in source.inputs}
        if forms != {Form.INT8} or entering.zero_point:
            why = why or "its input is not stored as it is in int8"
        low, high = self.graph.tensors[self.graph.readout.inputs[0]].bounds
        if max(-low, high) > INT16_LIMIT:
            why = why or f"16 bits do not hold sums of {low}..{high}"
        if why:
            return Choice(FLOAT32, why, FLOAT32, source, affine)
        storage = Storage(Form.INT16, entering.scale)
        return Choice(
            storage, "16 bits hold the sums: the multiplier is 1", storage, source, affine
        )

    def _in_int8(self, name: str) -> Storage:
        """Say how a node's output is stored in int8, or would be after a conversion."""
        stored = self.choices[name].output
        if stored.form is Form.INT8:
            return stored
        zero = zero_point(self.graph.tensors[name]) or 0
        return self._aligned.get(name, Storage(Form.INT8, ACTIVATION_SCALE, zero))

    def _plain(self, node: Node) -> Choice:
        """Choose for a node that is computed alone."""
        sources = [self.choices[name].output for name in node.inputs if name in self.choices]
        match node.op:
            case Reshape():
                return Choice(sources[0], "it changes no number")
            case Readout() if self._reads_one_step():
                return Choice(sources[0], "it changes no number")
            case Delay():
                return self._delay(node)
            case Input() | MaxPool2d() | SumPool2d() | Add():
                return self._events(node, sources)
        return Choice(FLOAT32, self._refusals.get(node.name, "int8 has no exact recipe for it"))

    def _delay(self, node: Node) -> Choice:
        """Store what a delay gives as its source is stored."""
        storage = FLOAT32 if node.name in self.in_float else self._aligned.get(node.name, FLOAT32)
        return Choice(storage, "carried from step to step as an input and an output of the model")

    def _events(self, node: Node, sources: Sequence[Storage]) -> Choice:
        """Choose for the input, a pool or a sum."""
        outputs = [self.graph.tensors[node.name]]
        if isinstance(node.op, Add):
            outputs = partial_sums(self.graph.input_tensors(node))
        why = outside_int8(outputs, sources)
        if why:
            return Choice(FLOAT32, why)
        why = "int8 holds every value"
        if isinstance(node.op, MaxPool2d):
            return Choice(sources[0], why)
        if isinstance(node.op, Input):
            return Choice(self._aligned[node.name], why)
        return Choice(replace(sources[0], zero_point=zero_point(outputs[-1]) or 0), why)
