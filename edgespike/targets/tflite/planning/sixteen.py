"""Plan nodes with 16-bit activations and 8-bit weights, where int8 has no exact form of them.

A weighted node's sums are stored unchanged, or less a constant of each channel: the multiplier is
1. Levels of a threshold behind it are counted by a second operator, see
:mod:`edgespike.targets.tflite.planning.staircase`. Zero points are 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgespike.graph import Conv2d, Dense, Graph, Membrane, Node, Readout, Tensor, Threshold
from edgespike.graph.ops import Weighted
from edgespike.graph.tensor import per_channel
from edgespike.targets.tflite.limits import INT16_LIMIT, WEIGHT_LIMIT
from edgespike.targets.tflite.planning.affine import Affine, fold_spikes
from edgespike.targets.tflite.planning.joining import joined_tensor
from edgespike.targets.tflite.planning.plan import NodePlan
from edgespike.targets.tflite.planning.reasons import obstacle_in_16_bits
from edgespike.targets.tflite.planning.requantise import unit_ratio
from edgespike.targets.tflite.planning.staircase import Staircase, staircase
from edgespike.targets.tflite.planning.storage import (
    ACTIVATION_SCALE,
    FLOAT32,
    SUMS,
    WHOLE,
    Form,
    Storage,
    activation_scale,
    shared_scale,
)
from edgespike.targets.tflite.planning.tiles import tile


@dataclass(frozen=True)
class SixteenPlanner:
    """Plans the nodes of a graph that int8 does not compute.

    Parameters
    ----------
    graph, plans, aligned
        As for :class:`edgespike.targets.tflite.planning.weighted.WeightedPlanner`.
    """

    graph: Graph
    plans: Mapping[str, NodePlan]
    aligned: Mapping[str, Storage]

    def threshold(
        self, source: Node, op: Dense | Conv2d, follower: Node, neurons: Threshold
    ) -> tuple[NodePlan | None, str]:
        """Plan a weighted node and the threshold that follows; or say why it cannot be."""
        entering, sums = self._entering(source), self.graph.tensors[follower.inputs[0]]
        why = self._outside(follower, neurons)
        why = why or obstacle_in_16_bits(Affine(op.weight, op.bias), self._entered(source))
        if why:
            return None, why
        if neurons.levels == 1:
            output = self._levels(follower, neurons, clamped=True)
            counted = None if counts(neurons) else SUMS
            ratio = unit_ratio(entering.scale, (counted or output).scale)
            affine = fold_spikes(op, neurons, sums, float(ratio[0]))
            why = "one threshold: the multiplier is 1"
            return NodePlan(output, why, entering, source, affine, counted=counted), ""
        steps, why = staircase(neurons, sums)
        if steps is None:
            return None, why
        return self._counted(follower, neurons, steps, entering, source, op), ""

    def for_each_reader(
        self, source: Node, op: Dense | Conv2d, readers: Sequence[Node]
    ) -> dict[str, NodePlan] | None:
        """Plan a weighted node again for each of several thresholds; ``None`` if one cannot be.

        To compute sums twice takes time, to keep them in float32 takes more.
        """
        found = {}
        for reader in readers if len(readers) > 1 else ():
            if not isinstance(reader.op, Threshold):
                return None
            plan, _ = self.threshold(source, op, reader, reader.op)
            if plan is None:
                return None
            found[reader.name] = plan
        return found or None

    def sums(
        self, name: str, source: Node, op: Weighted, merged: Node | None
    ) -> tuple[NodePlan | None, str]:
        """Plan a weighted node whose sums others read.

        ``merged`` is ``source`` if that is joined from several nodes, else ``None``.
        """
        sums = self.graph.tensors[name]
        read_as_float = all(
            isinstance(reader.op, Membrane | Readout)
            for reader in self.graph.nodes
            if name in reader.inputs
        )
        tiled = read_as_float and sums.shape[1:] == ()
        return self._unchanged(source, op, merged, sums, WHOLE, tiled)

    def readout(self, source: Node, op: Weighted) -> tuple[NodePlan | None, str]:
        """Plan a weighted node together with the readout that returns its sums."""
        accumulator = self.graph.tensors[self.graph.readout.inputs[0]]
        # A tensor has one scale: if those of the classes differ, it holds sums in units of 1.
        scale = shared_scale(self.graph.readout_op.scale) or 1.0
        output = Storage(Form.INT16, scale)
        return self._unchanged(source, op, source, accumulator, output, tiled=True)

    def lone(self, node: Node, op: Threshold) -> tuple[NodePlan | None, str]:
        """Plan a threshold of 16-bit values that others read too."""
        why = self._outside(node, op)
        if why:
            return None, why
        (tensor,), (name,) = self.graph.input_tensors(node), node.inputs
        steps, why = staircase(op, tensor)
        if steps is None:
            return None, why
        channels = tensor.shape[0]
        weight, bias = np.ones((channels, 1, 1, 1), np.int64), np.zeros(channels, np.int64)
        one = Conv2d(weight, bias, groups=channels)
        source = Node(name, one, (name,))
        return self._counted(node, op, steps, self.plans[name].output, source, one), ""

    def multiply(self, node: Node) -> tuple[NodePlan | None, str]:
        """Plan a product of two values; or say why it cannot be.

        Its scale is the product of theirs, so the multiplier is 1.
        """
        why = self._not_of(node, [self.graph.tensors[node.name]])
        if why:
            return None, why
        left, right = (self.plans[name].output.scale for name in node.inputs)
        output = Storage(Form.INT16, float(np.float32(left * right)))
        return NodePlan(output, "16 bits hold the product"), ""

    def add(self, node: Node, sums: Sequence[Tensor]) -> tuple[NodePlan | None, str]:
        """Plan an addition, given what each partial sum is; or say why it cannot be."""
        why = self._not_of(node, sums)
        return (None, why) if why else (NodePlan(SUMS, "16 bits hold the sums", SUMS), "")

    def _not_of(self, node: Node, results: Sequence[Tensor]) -> str:
        """Say why 16 bits cannot hold a node's results or inputs; empty if they can."""
        for tensor in (*self.graph.input_tensors(node), *results):
            if self._beyond(tensor):
                low, high = tensor.bounds
                return f"16 bits do not hold {low}..{high}"
        stored = (self.plans[name].output.form for name in node.inputs)
        return "its input is in float32" if Form.FLOAT in stored else ""

    def _unchanged(
        self,
        source: Node,
        op: Weighted,
        merged: Node | None,
        sums: Tensor,
        output: Storage,
        tiled: bool,
    ) -> tuple[NodePlan | None, str]:
        """Plan sums that are stored as they are, or in tiles, if permitted, which float32 adds."""
        entering, affine = self._entering(source), Affine(op.weight, op.bias)
        low, high = sums.bounds
        why = obstacle_in_16_bits(affine, self._entered(source))
        if why:
            return None, why
        if max(-low, high) <= INT16_LIMIT:
            affine = replace(affine, scale=unit_ratio(entering.scale, output.scale))
            why = "16 bits hold the sums: the multiplier is 1"
            return NodePlan(output, why, entering, merged, affine), ""
        tiles = tile(sums) if tiled else None
        if tiles is None:
            return None, f"16 bits do not hold sums of {low}..{high}"
        affine = replace(affine, scale=unit_ratio(entering.scale, WHOLE.scale))
        why = f"16 bits hold the sums {_parts(len(tiles.centres))}, which float32 adds up"
        largest = max(-low, high)
        return NodePlan(FLOAT32, why, entering, merged, affine, largest, tiles=tiles), ""

    def _counted(
        self,
        node: Node,
        op: Threshold,
        steps: Staircase,
        entering: Storage,
        source: Node,
        weighted: Weighted,
    ) -> NodePlan:
        """Plan sums whose levels are counted."""
        windows = len(steps.centre)
        parts = f", {_parts(windows)}" if windows > 1 else ""
        why = f"16-bit sums{parts}, and lines that are proven at all of its {op.levels} thresholds"
        if steps.lines is None:
            why = f"16-bit sums{parts}, compared with each of its {op.levels} thresholds"
        sign = per_channel(steps.sign, weighted.weight.ndim)
        ratio = unit_ratio(entering.scale, SUMS.scale)
        affine = Affine(weighted.weight * sign, steps.sign * weighted.bias, ratio)
        output = self._levels(node, op, clamped=steps.single)
        counted = steps.counted if steps.single and not counts(op) else None
        return NodePlan(output, why, entering, source, affine, counted=counted, staircase=steps)

    def _levels(self, node: Node, op: Threshold, clamped: bool) -> Storage:
        """Return how levels are stored, where possible as what they meet in a product.

        If a clamp gives them, it sets their scale.
        """
        if clamped and counts(op):
            return Storage(Form.INT16, activation_scale(op.levels))
        aligned = self.aligned.get(node.name)
        return Storage(Form.INT16, ACTIVATION_SCALE if aligned is None else aligned.scale)

    def _outside(self, node: Node, op: Threshold) -> str:
        """Say why 16 bits cannot hold a threshold's output; empty if they can."""
        tensor = self.graph.tensors[node.name]
        if self._beyond(tensor):
            low, high = tensor.bounds
            return f"16 bits do not hold {low}..{high}"
        return f"a unit of {op.unit} is beyond {WEIGHT_LIMIT}" if op.unit > WEIGHT_LIMIT else ""

    def _beyond(self, tensor: Tensor) -> bool:
        return max(abs(end) for end in tensor.bounds) > INT16_LIMIT

    def _entered(self, source: Node) -> Tensor:
        return joined_tensor(self.graph.input_tensors(source))

    def _entering(self, source: Node) -> Storage:
        """Return how a node takes its inputs, which may have other scales so far."""
        outputs = (self.plans[name].output for name in source.inputs)
        scales = [output.scale for output in outputs if output.form is not Form.FLOAT]
        return Storage(Form.INT16, scales[0] if scales else ACTIVATION_SCALE)


def counts(op: Threshold) -> bool:
    """Return whether a threshold's output is the number of thresholds that are reached."""
    return (op.offset, op.unit) == (0, 1)


def _parts(count: int) -> str:
    return "less a constant" if count == 1 else f"in {count} parts"
