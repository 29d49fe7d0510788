"""Choose, for each node, numbers in which TFLite computes it exactly.

Spikes, int8: every activation has scale 6, every weight scale 1, so the requantising multiplier is
exactly 1 and no kernel rounds. With the bias ``b + 1 - theta`` and a fused RELU6, which clamps the
stored integer to 0..1, the output is 1 exactly where ``acc >= theta``.

Levels, int8: activations have scale ``6 / levels``, at which RELU6 clamps to ``0..levels``. Each
output channel has its own multiplier, which is proven at every threshold, see
:mod:`edgespike.targets.tflite.planning.requantise`.

Signed levels, int8: as above, and the offset is added in int8, see
:mod:`edgespike.targets.tflite.writing.thresholds`.

Readout, int16: as for spikes, with 16-bit activations and without a clamp, for accumulators. Its
output has the scale of the graph's readout, so that it reads as logits.

Inside a model, scales serve exactness only; what users see is in real units, see
:mod:`edgespike.targets.tflite.writing.border`.

Sums that meet in an addition, such as those of a layer's input and of its output at the step
before: one operator on both inputs, laid side by side, see
:mod:`edgespike.targets.tflite.planning.joining`.

Where the plan is for TensorFlow Lite Micro, 16 bits for what int8 does not hold, see
:mod:`edgespike.targets.tflite.planning.sixteen`.

Everything else, such as products of events, float32: whole numbers. Every sum, product and
comparison is exact while no partial sum, in whatever order it is formed, exceeds 2**24. What
membranes need is in :mod:`edgespike.targets.tflite.planning.membranes`.

A node gets the first of these that is proven. Where float32 is not exact either, that is a
violation, see :mod:`edgespike.targets.tflite.check`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

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
    Tensor,
    Threshold,
)
from edgespike.targets.tflite.planning.affine import Affine
from edgespike.targets.tflite.planning.alignment import align
from edgespike.targets.tflite.planning.joining import find_joins, partial_sums
from edgespike.targets.tflite.planning.magnitudes import (
    product_magnitude,
    threshold_magnitude,
    value_magnitude,
)
from edgespike.targets.tflite.planning.membranes import (
    keeps_current,
    keeps_potential,
    keeps_spikes,
    plan_potentials,
)
from edgespike.targets.tflite.planning.plan import (
    NodePlan,
    Plan,
    StateTensor,
    carries_readout,
    channels_last,
    current_name,
    potential_name,
    readers,
    runs_by_step,
    spikes_name,
)
from edgespike.targets.tflite.planning.reasons import outside_int8
from edgespike.targets.tflite.planning.sixteen import SixteenPlanner
from edgespike.targets.tflite.planning.storage import FLOAT32, Form, Storage, zero_point
from edgespike.targets.tflite.planning.weighted import WeightedPlanner

_NOT_IN_INT8 = "int8 has no exact form of it"
_TWO_SCALES = "in int8 its scale would be the product of two, which float32 rounds"
_NO_16_BITS = ", and no 16-bit form of it is planned"
_UNCHANGED = "it changes no number"


def make_plan(graph: Graph, weight_bits: int = 8, sixteen: bool = False) -> Plan:
    """Plan a graph. The target's check decides whether float32 is exact.

    ``weight_bits`` and ``sixteen`` are those of
    :class:`edgespike.targets.tflite.planning.plan.Plan`. With 4 or 2 bits, weights are scaled up
    only to what 4 bits hold if that is enough.
    """
    delays: dict[str, Storage] = {}
    while True:
        planner = _Planner(graph, weight_bits < 8, sixteen, delays)
        for node in graph.nodes:
            planner.add(node)
        # A delay is planned before its source. If that is stored differently, plan again.
        found = planner.delays_stored_otherwise()
        if not found:
            return Plan(graph, weight_bits, planner.plans, sixteen)
        delays |= found


class _Planner:
    """Walks a graph and keeps each node's plan.

    Parameters
    ----------
    graph
        The graph.
    few_bits
        Whether weights are scaled up only to what 4 bits hold if that is enough.
    sixteen
        Whether 16 bits are used instead of float32.
    delays
        How the outputs of delays are stored; of others, as int8 if that holds them.
    """

    def __init__(
        self, graph: Graph, few_bits: bool, sixteen: bool, delays: Mapping[str, Storage]
    ) -> None:
        self.graph = graph
        self.delays = delays
        self.plans: dict[str, NodePlan] = {}
        self._refusals: dict[str, str] = {}
        self._joins = find_joins(graph)
        self._joined = {part for name in self._joins for part in graph[name].inputs}
        self._aligned = align(graph, self._joins.values())
        self._readers = readers(graph)
        self._weighted = WeightedPlanner(graph, self.plans, self._aligned, few_bits)
        self._sixteen = SixteenPlanner(graph, self.plans, self._aligned) if sixteen else None

    def delays_stored_otherwise(self) -> dict[str, Storage]:
        """Return how delays must be stored that are not stored as their sources are.

        In 16 bits if the source is, else in float32, which takes values of any storage.
        """
        found = {}
        for node, _ in self.graph.of_type(Delay):
            here, source = (self.plans[name].output for name in (node.name, node.inputs[0]))
            if here == source:
                continue
            if source.form is Form.INT16 and node.name not in self.delays:
                found[node.name] = source
            elif here != FLOAT32:
                found[node.name] = FLOAT32
        return found

    def add(self, node: Node) -> None:
        """Plan a node, and one that is computed with it."""
        if node.name in self.plans or node.name in self._joined or self._is_merged(node):
            return
        name, tensor, sources = node.name, self.graph.tensors[node.name], self._sources(node)
        source = self._joins.get(name, node)
        match source.op:
            case Dense() | Conv2d() as op:
                self._add_weighted(node, source, op)
            case Input():
                self.plans[name] = self._events(node, [tensor], self._aligned.get(name, FLOAT32))
            case MaxPool2d():
                self.plans[name] = self._max_pool(node, tensor, sources[0])
            case SumPool2d():
                self.plans[name] = self._sum(node, [tensor], sources[0])
            case Add():
                self.plans[name] = self._add(node, sources[0])
            case Multiply():
                self.plans[name] = self._multiply(node)
            case Concatenate():
                self.plans[name] = self._concatenate(node)
            case Reshape():
                self.plans[name] = self._stored(node, sources[0], _UNCHANGED)
            case Delay() as op:
                self.plans[name] = self._delay(node, op)
            case Threshold() as op:
                self.plans[name] = self._threshold(node, op, sources[0])
            case Membrane() as op:
                self.plans[name] = self._membrane(node, op)
            case Readout():
                self.plans[name] = self._lone_readout(node)
            case _:
                assert_never(source.op)

    def _sources(self, node: Node) -> list[Storage]:
        """Return how a node's inputs are stored; those that are not planned yet are left out."""
        return [self.plans[name].output for name in node.inputs if name in self.plans]

    def _stored(
        self, node: Node, storage: Storage, why: str, states: Iterable[StateTensor] = ()
    ) -> NodePlan:
        """Plan a node without weights."""
        in_float = storage.form is Form.FLOAT
        largest = value_magnitude(self.graph, node) if in_float else 0
        return NodePlan(storage, why, largest=largest, states=tuple(states))

    def _events(self, node: Node, outputs: Sequence[Tensor], storage: Storage) -> NodePlan:
        """Plan the input, a pool or a sum: in int8, if that holds all it computes."""
        why = self._outside_int8(outputs, self._sources(node))
        return self._stored(node, FLOAT32 if why else storage, why or "int8 holds every value")

    def _outside_int8(self, outputs: Sequence[Tensor], sources: Sequence[Storage]) -> str:
        """Say why what is planned in int8 or float32 only is not in int8; empty if it is."""
        why = outside_int8(outputs, sources)
        return f"{why}{_NO_16_BITS}" if why and self._sixteen is not None else why

    def _max_pool(self, node: Node, tensor: Tensor, source: Storage) -> NodePlan:
        if source.form is Form.INT16:
            return self._stored(node, source, "16 bits hold every value")
        return self._events(node, [tensor], source)

    def _threshold(self, node: Node, op: Threshold, source: Storage) -> NodePlan:
        """Plan a threshold that is computed alone."""
        why = self._refusals.get(node.name, _NOT_IN_INT8)
        if self._sixteen is not None and source.form is Form.INT16:
            plan, why = self._sixteen.lone(node, op)
            if plan is not None:
                return plan
        return NodePlan(FLOAT32, why, largest=threshold_magnitude(self.graph, node, op))

    def _sum(self, node: Node, outputs: Sequence[Tensor], source: Storage) -> NodePlan:
        """Plan a sum, whose range and so zero point are not those of its source."""
        zero = zero_point(outputs[-1]) or 0
        return self._events(node, outputs, replace(source, zero_point=zero))

    def _add(self, node: Node, source: Storage) -> NodePlan:
        sums = partial_sums(self.graph.input_tensors(node))
        plan = self._sum(node, sums, source)
        if self._sixteen is None or plan.output.form is Form.INT8:
            return plan
        found, why = self._sixteen.add(node, sums)
        return found or replace(plan, why=why)

    def _multiply(self, node: Node) -> NodePlan:
        plan, why = None, _TWO_SCALES
        if self._sixteen is not None:
            plan, why = self._sixteen.multiply(node)
        return plan or NodePlan(FLOAT32, why, largest=product_magnitude(self.graph, node))

    def _concatenate(self, node: Node) -> NodePlan:
        """Plan channels side by side: in int8 if all inputs are; a product gives them one scale."""
        storage = self._aligned.get(node.name, FLOAT32)
        outputs = [self.graph.tensors[node.name]]
        sources = [replace(each, scale=1.0) for each in self._sources(node)]
        why = self._outside_int8(outputs, sources)
        return self._stored(node, FLOAT32 if why else storage, why or "int8 holds every value")

    def _state(self, node: Node, name: str, storage: Storage, initial: int = 0) -> StateTensor:
        shape = channels_last(self.graph.tensors[node.name].shape)
        return StateTensor(name, shape, storage, initial)

    def _delay(self, node: Node, op: Delay) -> NodePlan:
        """Store a delay's output as its source is stored."""
        storage = self.delays.get(node.name, self._aligned.get(node.name, FLOAT32))
        why = "carried from step to step as an input and an output of the model"
        return self._stored(node, storage, why, [self._state(node, node.name, storage, op.initial)])

    def _membrane(self, node: Node, op: Membrane) -> NodePlan:
        kept = {
            potential_name(node): keeps_potential(op),
            current_name(node): keeps_current(op),
            spikes_name(node): keeps_spikes(op),
        }
        states = tuple(self._state(node, name, FLOAT32) for name in kept if kept[name])
        found = plan_potentials(op, self.graph.input_tensors(node)[0], self.graph.steps)
        largest = found.largest
        return NodePlan(FLOAT32, _NOT_IN_INT8, largest=largest, states=states, potentials=found)

    def _lone_readout(self, node: Node) -> NodePlan:
        """Plan a readout that is not computed with the weighted node before it."""
        if not carries_readout(self.graph):
            why = _UNCHANGED if self._reads_one_step() else _NOT_IN_INT8
            return self._stored(node, FLOAT32, why)
        least = self.graph.tensors[node.name].bounds[0]
        initial = least if self.graph.readout_op.mode is ReadoutMode.MAX else 0
        states = [self._state(node, node.name, FLOAT32, initial)]
        return self._stored(node, FLOAT32, _NOT_IN_INT8, states)

    def _add_weighted(self, node: Node, source: Node, op: Dense | Conv2d) -> None:
        """Plan a weighted node, or an addition that joins several, with its follower if any."""
        why = "its sums are needed elsewhere than in one threshold or readout"
        follower = self._follower(node)
        if follower is not None:
            plan, why = self._with_follower(source, op, follower)
            if plan is not None:
                self.plans[follower.name] = plan
                return
            self._refusals[follower.name] = why
        joined = None if source is node else source
        if self._sixteen is not None:
            found = self._sixteen.for_each_reader(source, op, self._readers[node.name])
            if found is None:
                plan, _ = self._sixteen.sums(node.name, source, op, joined)
                found = None if plan is None else {node.name: plan}
            if found is not None:
                self.plans |= found
                return
        self.plans[node.name] = self._weighted.in_float(
            source, Affine(op.weight, op.bias), why, joined
        )

    def _with_follower(
        self, source: Node, op: Dense | Conv2d, follower: Node
    ) -> tuple[NodePlan | None, str]:
        """Plan a weighted node and its follower as one; return only why if they must be two."""
        plan, why = self._weighted.with_follower(source, op, follower)
        if self._sixteen is None or (plan is not None and plan.output.form is not Form.FLOAT):
            return plan, why
        if isinstance(follower.op, Threshold):
            found, refusal = self._sixteen.threshold(source, op, follower, follower.op)
        else:
            found, refusal = self._sixteen.readout(source, op)
        if found is not None:
            return found, ""
        return (None, refusal) if plan is None else (replace(plan, why=refusal), "")

    def _follower(self, node: Node) -> Node | None:
        """Return the only reader of a node's weighted sums, if the two can be one operator."""
        last, *others = self._readers[node.name]
        tensor = self.graph.tensors[node.name]
        if isinstance(last.op, Reshape) and tensor.size == tensor.shape[0]:
            flat, *more = self._readers[last.name]  # one pixel: there is no order to change
            if isinstance(flat.op, Readout):
                last, others = flat, others + more
        if others:
            return None
        if isinstance(last.op, Threshold):
            return last
        return last if isinstance(last.op, Readout) and self._reads_one_step() else None

    def _is_merged(self, node: Node) -> bool:
        """Return whether a node is a reshape between a weighted node and its follower."""
        return isinstance(node.op, Reshape) and node.inputs[0] not in self.plans

    def _reads_one_step(self) -> bool:
        """Return whether the readout returns its input, not what several steps add up to."""
        by_step = runs_by_step(self.graph) and not carries_readout(self.graph)
        return self.graph.steps == 1 or by_step
