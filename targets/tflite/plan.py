"""Choosing, for each node, numbers in which TFLite computes it exactly.

Spikes, int8: every activation has scale 6, every weight scale 1, so that the requantising
multiplier is exactly 1 and no kernel rounds. With the bias ``b + 1 - theta`` and a fused RELU6,
which clamps the stored integer to 0..1, the output is 1 exactly where ``acc >= theta``.

Levels, int8: activations have scale ``6 / levels``, so that RELU6 clamps to ``0..levels``, and each
output channel has a multiplier of its own that is proven at every threshold, see
:mod:`edgespike.targets.tflite.requantise`.

Readout, int16: as for spikes, with 16-bit activations and without a clamp, for accumulators.

All else, float32: whole numbers. Every sum, product and comparison is exact while no partial
sum, in whatever order it is formed, exceeds 2**24.

A node gets the first of these that is proven; where float32 does not do either, that is a
violation, see :mod:`edgespike.targets.tflite.limits`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import (
    Add,
    Graph,
    Input,
    MaxPool2d,
    Node,
    Readout,
    Reshape,
    SumPool2d,
    Tensor,
    Threshold,
)
from edgespike.graph.ops import Weighted
from edgespike.targets.tflite.affine import (
    INT4_WEIGHT_LIMIT,
    WEIGHT_LIMIT,
    Affine,
    fold_levels,
    fold_spikes,
)
from edgespike.targets.tflite.requantise import ACCUMULATOR_LIMIT
from edgespike.targets.tflite.storage import (
    ACTIVATION_SCALE,
    FLOAT32,
    LARGEST_STORED,
    Form,
    Storage,
    activation_scale,
    zero_point,
)

INT16_LIMIT = 2**15 - 1

SHOWN = 4
"""Thresholds that a reason names as an example."""


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
        nobody else's.
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
    planner = _Planner(graph, four_bits)
    for node in graph.nodes:
        planner.add(node)
    return Plan(planner.choices)


def partial_sums(summands: Sequence[Tensor]) -> list[Tensor]:
    """Give what an addition has after each of its summands, from the first one on.

    With signs, a partial sum may leave the range of the whole sum, and int8 would saturate.
    """
    return list(accumulate(summands, lambda left, right: Add().infer([left, right], 1)))


class _Planner:
    """Walks a graph and keeps each node's choice."""

    def __init__(self, graph: Graph, four_bits: bool) -> None:
        self.graph = graph
        self.limits = (INT4_WEIGHT_LIMIT, WEIGHT_LIMIT) if four_bits else (WEIGHT_LIMIT,)
        self.choices: dict[str, Choice] = {}
        self._refusals: dict[str, str] = {}

    def add(self, node: Node) -> None:
        """Choose for a node, and for one that is computed with it."""
        if node.name in self.choices or self._is_merged(node):
            return
        if not isinstance(node.op, Weighted):
            self.choices[node.name] = self._plain(node)
            return
        follower = self._follower(node)
        why = "its sums are needed elsewhere than in one threshold or readout"
        if follower is not None:
            choice, why = self._together(node, node.op, follower)
            if choice is not None:
                self.choices[follower.name] = choice
                return
            self._refusals[follower.name] = why
        affine = Affine(node.op.weight, node.op.bias)
        self.choices[node.name] = Choice(FLOAT32, why, affine=affine)

    def _follower(self, node: Node) -> Node | None:
        """Give the only reader of a weighted node's sums, where the two can be one operator."""
        last, *others = self._readers(node)
        tensor = self.graph.tensors[node.name]
        if isinstance(last.op, Reshape) and tensor.size == tensor.shape[0]:
            flat, *more = self._readers(last)  # one pixel: there is no order to change
            if isinstance(flat.op, Readout):
                last, others = flat, others + more
        final = isinstance(last.op, Readout) and self.graph.steps == 1
        return last if not others and (final or isinstance(last.op, Threshold)) else None

    def _readers(self, node: Node) -> list[Node]:
        return [
            reader for reader in self.graph.nodes for name in reader.inputs if name == node.name
        ]

    def _is_merged(self, node: Node) -> bool:
        """Say whether a node is a reshape between a weighted node and its follower."""
        return isinstance(node.op, Reshape) and node.inputs[0] not in self.choices

    def _together(self, node: Node, op: Weighted, follower: Node) -> tuple[Choice | None, str]:
        """Choose for a weighted node and its follower; nothing, and why, for levels in float32."""
        entering = self._in_int8(node.inputs[0])
        if not isinstance(follower.op, Threshold):
            return self._readout(node, Affine(op.weight, op.bias), entering), ""
        levels = follower.op.levels
        if levels > LARGEST_STORED:
            return None, f"int8 does not hold {levels} levels"
        output = Storage(
            Form.INT8,
            activation_scale(levels),
            zero_point(self.graph.tensors[follower.name]) or 0,
        )
        accumulator, (source,) = self.graph.tensors[node.name], self.graph.input_tensors(node)
        ratio = output.scale / entering.scale
        if levels == 1:
            affine = fold_spikes(op, follower.op, accumulator, ratio)
            why = _obstacle(affine, source)
            if why:
                return Choice(FLOAT32, why, FLOAT32, node, affine), ""
            return Choice(output, "one threshold: the multiplier is 1", entering, node, affine), ""
        for limit in self.limits:
            affine, proven = fold_levels(op, follower.op, accumulator, source, ratio, limit)
            if affine.largest_weight <= limit and proven.all():
                break
        why = _obstacle(affine, source) or _unproven(op, follower.op, proven)
        if why:
            return None, why
        why = f"a multiplier for each channel is proven at all of its {levels} thresholds"
        return Choice(output, why, entering, node, affine), ""

    def _readout(self, node: Node, affine: Affine, entering: Storage) -> Choice:
        (source,) = self.graph.input_tensors(node)
        low, high = self.graph.tensors[node.name].bounds
        why = _obstacle(affine, source)
        # What 16 bits store of an int8 value is the same integer, as long as neither is shifted.
        if self.choices[node.inputs[0]].output.form is not Form.INT8 or entering.zero_point:
            why = why or "its input is not stored as it is in int8"
        if max(-low, high) > INT16_LIMIT:
            why = why or f"16 bits do not hold sums of {low}..{high}"
        if why:
            return Choice(FLOAT32, why, FLOAT32, node, affine)
        storage = Storage(Form.INT16, entering.scale)
        return Choice(storage, "16 bits hold the sums: the multiplier is 1", storage, node, affine)

    def _in_int8(self, name: str) -> Storage:
        """Say how a node's output is stored in int8, or would be after a conversion."""
        stored = self.choices[name].output
        if stored.form is Form.INT8:
            return stored
        return Storage(Form.INT8, ACTIVATION_SCALE, zero_point(self.graph.tensors[name]) or 0)

    def _plain(self, node: Node) -> Choice:
        """Choose for a node that is computed alone."""
        sources = {self.choices[name].output for name in node.inputs}
        if isinstance(node.op, Reshape) or (isinstance(node.op, Readout) and self.graph.steps == 1):
            return Choice(sources.pop(), "it changes no number")
        if not isinstance(node.op, Input | MaxPool2d | SumPool2d | Add):
            why = self._refusals.get(node.name, "int8 has no exact recipe for it")
            return Choice(FLOAT32, why)
        outputs = [self.graph.tensors[node.name]]
        if isinstance(node.op, Add):
            outputs = partial_sums(self.graph.input_tensors(node))
        why = _outside_int8(outputs, sources)
        if why:
            return Choice(FLOAT32, why)
        scale = next((source.scale for source in sources), ACTIVATION_SCALE)
        zero = zero_point(outputs[-1]) or 0
        return Choice(Storage(Form.INT8, scale, zero), "int8 holds every value")


def _obstacle(affine: Affine, source: Tensor) -> str:
    """Say what keeps a weighted node from int8 weights and input, if anything does."""
    if zero_point(source) is None:
        low, high = source.bounds
        return f"int8 does not hold its input, {low}..{high}"
    if affine.largest_weight > WEIGHT_LIMIT:
        return f"a weight of {affine.largest_weight} is beyond {WEIGHT_LIMIT}"
    largest = int(affine.magnitudes(source).max())
    return f"sums of up to {largest} are beyond 2**30" if largest >= ACCUMULATOR_LIMIT else ""


def _unproven(op: Weighted, threshold: Threshold, proven: NDArray[np.bool_]) -> str:
    """Say how many channels no multiplier serves, if any, with the first as an example."""
    if proven.all():
        return ""
    channel = int(np.argmin(proven))
    largest = int(np.abs(op.weight[channel]).max())
    thetas = ", ".join(map(str, threshold.theta[channel, :SHOWN].tolist()))
    more = ", ..." if threshold.levels > SHOWN else ""
    return (
        f"no multiplier is proven for {int((~proven).sum())} of {len(proven)} channels: "
        f"thresholds too uneven or weights too large, as in channel {channel} with thresholds "
        f"{thetas}{more} and weights up to {largest}"
    )


def _outside_int8(outputs: Sequence[Tensor], sources: set[Storage]) -> str:
    """Say what keeps a pool, a sum or the input from int8, if anything does."""
    for tensor in outputs:
        if zero_point(tensor) is None:
            low, high = tensor.bounds
            return f"int8 does not hold {low}..{high}"
    if not {source.form for source in sources} <= {Form.INT8}:
        return "its input is in float32"
    if len({source.scale for source in sources}) > 1:
        return "what it adds has different numbers of levels, and so different scales"
    return ""
