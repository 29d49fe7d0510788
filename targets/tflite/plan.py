"""Choosing, for each node, numbers in which TFLite computes it exactly.

``INT8``: every activation has scale 6, every weight scale 1, so that the requantising multiplier
is exactly 1 and no kernel rounds. With the bias ``b + 1 - theta`` and a fused RELU6, which clamps
the stored integer to 0..1, the output is 1 exactly where ``acc >= theta``.

``INT16``: the same with 16-bit activations and without a clamp, for the readout's accumulators.

``FLOAT``: whole numbers in float32. Every sum, product and comparison is exact while no partial
sum, in whatever order it is formed, exceeds 2**24.

A node gets the first of these that its proven range allows; where float32 does not do either,
that is a violation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate
from typing import Any

import numpy as np

from edgespike.graph import (
    Add,
    Graph,
    Input,
    MaxPool2d,
    Membrane,
    Node,
    Readout,
    Reshape,
    SumPool2d,
    Tensor,
    Threshold,
)
from edgespike.graph.ops import Weighted
from edgespike.graph.ops.neurons import DECAY_ONE, FRACTION_BITS, reachable
from edgespike.graph.tensor import Integers

FLOAT_LIMIT = 2**24
"""Whole numbers up to here are exact in float32."""

INT8_ACCUMULATOR_LIMIT = 2**30
"""Built-in kernels double the 32-bit accumulator before they multiply it by one half."""

INT16_LIMIT = 2**15 - 1
WEIGHT_LIMIT = 127
"""TFLite's int8 weights leave out -128."""

STEP_LIMIT = 256
"""Membranes and the readout are unrolled: each step adds operators to the file."""


class Form(Enum):
    """The data type in which a node's output is computed."""

    INT8 = "int8"
    INT16 = "int16"
    FLOAT = "float32"

    @property
    def dtype(self) -> np.dtype[Any]:
        """The data type for numpy."""
        return np.dtype(self.value)


@dataclass(frozen=True)
class Plan:
    """What was chosen for a graph.

    Parameters
    ----------
    forms
        Form of each node's output; a merged weighted node has none.
    merged
        Weighted nodes whose accumulators are nobody else's: they are computed in one operator
        with the single threshold a channel that follows. Name of the threshold to weighted node.
    """

    forms: Mapping[str, Form]
    merged: Mapping[str, Node]


@dataclass(frozen=True)
class Affine:
    """Weight and bias as they are written."""

    weight: Integers
    bias: Integers

    def magnitude(self, graph: Graph, node: Node) -> int:
        """Bound every partial sum that a weighted node forms, in whatever order."""
        (tensor,) = graph.input_tensors(node)
        largest = max(abs(bound) for bound in tensor.bounds)
        axes = tuple(range(1, self.weight.ndim))
        sums = np.abs(self.weight).sum(axis=axes) * largest + np.abs(self.bias)
        return int(sums.max())


def make_plan(graph: Graph) -> Plan:
    """Choose forms for a graph; whether float32 suffices is for :func:`violations` to say."""
    merged = _merged(graph)
    skipped = {node.name for node in merged.values()}
    forms: dict[str, Form] = {}
    for node in graph.nodes:
        if node.name not in skipped:
            forms[node.name] = _form(graph, node, forms, merged)
    return Plan(forms, merged)


def affine(graph: Graph, plan: Plan, node: Node) -> tuple[Node, Affine]:
    """Give the weighted node behind a node, and its weight and bias with any threshold folded in.

    For a merged threshold the accumulator of the result is at least 1 where the neuron fires.
    """
    source = plan.merged.get(node.name, node)
    op = source.op
    if not isinstance(op, Weighted):  # the plan merges nothing else
        raise TypeError(type(op))
    if source is node or not isinstance(node.op, Threshold):
        return source, Affine(op.weight, op.bias)
    accumulator = graph.tensors[source.name]
    theta = reachable(node.op.theta[:, 0], accumulator.low, accumulator.high)
    flipped = node.op.flipped
    sign = np.where(flipped, -1, 1).reshape(-1, *[1] * (op.weight.ndim - 1))
    # Staying below theta, acc < theta, is reaching 1 - theta with everything negated.
    return source, Affine(op.weight * sign, np.where(flipped, theta - op.bias, op.bias + 1 - theta))


def zero_point(tensor: Tensor) -> int | None:
    """Give the stored int8 integer that stands for 0, or None where the range is too wide."""
    low, high = tensor.bounds
    least, most = max(-128, -128 - low), min(127, 127 - high)
    return min(max(0, least), most) if least <= most else None


def partial_sums(summands: Sequence[Tensor]) -> list[Tensor]:
    """Give what an addition has after each of its summands, from the first one on.

    With signs, a partial sum may leave the range of the whole sum, and int8 would saturate.
    """
    return list(accumulate(summands, lambda left, right: Add().infer([left, right], 1)))


def fraction_bits(op: Membrane) -> int:
    """Give how many fractional bits a membrane needs: none where nothing decays to a fraction."""
    return 0 if op.decay in (0, DECAY_ONE) else FRACTION_BITS


def violations(graph: Graph) -> list[str]:
    """List what float32 cannot hold exactly, and what is too large to unroll."""
    plan = make_plan(graph)
    lines = []
    if graph.steps > STEP_LIMIT:
        lines.append(
            f"steps is {graph.steps}; the limit is {STEP_LIMIT}, since every step is written "
            "into the file: use fewer steps or the cpu target"
        )
    for node in graph.nodes:
        if plan.forms.get(node.name) is Form.FLOAT:
            largest = _float_magnitude(graph, plan, node)
            if largest > FLOAT_LIMIT:
                lines.append(
                    f"{node.name} ({node.op.kind}) needs whole numbers up to {largest} in float32, "
                    f"where only those up to {FLOAT_LIMIT} are exact; use smaller weights, "
                    "fewer inputs or fewer steps, or the cpu target"
                )
    return lines


def _merged(graph: Graph) -> dict[str, Node]:
    consumers: dict[str, list[Node]] = {}
    for node in graph.nodes:
        for name in node.inputs:
            consumers.setdefault(name, []).append(node)
    merged = {}
    for node, _ in graph.of_type(Weighted):  # type: ignore[type-abstract]
        (*others, last) = consumers[node.name]
        if not others and _merges(graph, last):
            merged[last.name] = node
    return merged


def _merges(graph: Graph, node: Node) -> bool:
    single_threshold = isinstance(node.op, Threshold) and node.op.levels == 1
    return single_threshold or (isinstance(node.op, Readout) and graph.steps == 1)


def _form(graph: Graph, node: Node, forms: dict[str, Form], merged: dict[str, Node]) -> Form:
    if node.name in merged:
        return _merged_form(graph, Plan(forms, merged), node)
    outputs = [graph.tensors[node.name]]
    if isinstance(node.op, Add):
        outputs = partial_sums(graph.input_tensors(node))
    fits = all(zero_point(tensor) is not None for tensor in outputs)
    sources = {forms[name] for name in node.inputs}
    if isinstance(node.op, Reshape) or (isinstance(node.op, Readout) and graph.steps == 1):
        return sources.pop()
    if isinstance(node.op, Input | MaxPool2d | SumPool2d | Add):
        return Form.INT8 if fits and sources <= {Form.INT8} else Form.FLOAT
    return Form.FLOAT


def _merged_form(graph: Graph, plan: Plan, node: Node) -> Form:
    source, numbers = affine(graph, plan, node)
    narrow = (
        zero_point(graph.tensors[source.inputs[0]]) is not None
        and int(np.abs(numbers.weight).max()) <= WEIGHT_LIMIT
        and numbers.magnitude(graph, source) < INT8_ACCUMULATOR_LIMIT
    )
    if not narrow:
        return Form.FLOAT
    if isinstance(node.op, Threshold):
        return Form.INT8
    # What 16 bits store of an int8 spike is the same integer, as long as neither is shifted.
    spikes = graph.tensors[source.inputs[0]]
    stored = plan.forms[source.inputs[0]] is Form.INT8 and zero_point(spikes) == 0
    low, high = graph.tensors[source.name].bounds
    return Form.INT16 if stored and max(-low, high) <= INT16_LIMIT else Form.FLOAT


def _float_magnitude(graph: Graph, plan: Plan, node: Node) -> int:
    """Bound every number that a node computes in float32."""
    own = max(abs(bound) for bound in graph.tensors[node.name].bounds)
    if node.name in plan.merged or isinstance(node.op, Weighted):
        source, numbers = affine(graph, plan, node)
        return numbers.magnitude(graph, source)
    if isinstance(node.op, Membrane):
        return _membrane_magnitude(graph, node, node.op)
    largest = sum(max(abs(bound) for bound in t.bounds) for t in graph.input_tensors(node))
    if isinstance(node.op, Threshold):
        # x - theta + 1, where theta lies in the range or just above it
        (tensor,) = graph.input_tensors(node)
        largest += int((tensor.high - tensor.low).max()) + 1
    return max(own, largest)


def _membrane_magnitude(graph: Graph, node: Node, op: Membrane) -> int:
    least, most = op.potential_range(graph.input_tensors(node)[0], graph.steps)
    largest = int(np.maximum(-least, most).max())
    theta = int(op.theta.max()) << FRACTION_BITS
    return (largest + theta) >> (FRACTION_BITS - fraction_bits(op))
