"""Plan a weighted node, alone or in one operator with the threshold or readout after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from edgespike.graph import Conv2d, Dense, Graph, Node, Tensor, Threshold
from edgespike.targets.tflite.limits import INT4_WEIGHT_LIMIT, INT16_LIMIT, WEIGHT_LIMIT
from edgespike.targets.tflite.planning.affine import Affine, fold_levels, fold_spikes
from edgespike.targets.tflite.planning.joining import joined_tensor
from edgespike.targets.tflite.planning.plan import NodePlan
from edgespike.targets.tflite.planning.reasons import obstacle, unproven
from edgespike.targets.tflite.planning.requantise import unit_ratio
from edgespike.targets.tflite.planning.storage import (
    ACTIVATION_SCALE,
    FLOAT32,
    Form,
    Storage,
    shared_scale,
    zero_point,
    zero_point_of,
)


@dataclass(frozen=True)
class WeightedPlanner:
    """Plans the weighted nodes of a graph.

    Parameters
    ----------
    graph
        The graph.
    plans
        Of the nodes so far, among them all inputs of the node to plan.
    aligned
        As :func:`edgespike.targets.tflite.planning.alignment.align` returns it.
    few_bits
        Whether weights are scaled up only to what 4 bits hold if that is enough.
    """

    graph: Graph
    plans: Mapping[str, NodePlan]
    aligned: Mapping[str, Storage]
    few_bits: bool

    def in_float(self, source: Node, affine: Affine, why: str, merged: Node | None) -> NodePlan:
        """Plan a weighted node in float32; ``merged`` is that node if it is not planned alone."""
        tensor = joined_tensor(self.graph.input_tensors(source))
        largest = int(affine.magnitudes(tensor).max())
        return NodePlan(FLOAT32, why, FLOAT32, merged, affine, largest)

    def with_follower(
        self, source: Node, op: Dense | Conv2d, follower: Node
    ) -> tuple[NodePlan | None, str]:
        """Plan a weighted node and its follower as one; return only why if they must be two."""
        tensor = joined_tensor(self.graph.input_tensors(source))
        entering, apart = self._entering(source, tensor)
        if not isinstance(follower.op, Threshold):
            return self._readout(source, Affine(op.weight, op.bias), entering, apart), ""
        levels = follower.op.levels
        output = self.aligned.get(follower.name)
        if output is None:
            return None, f"int8 does not hold {levels} levels"
        accumulator = self.graph.tensors[follower.inputs[0]]
        counted = _counted(follower.op, self.graph.tensors[follower.name], output)
        ratio = (counted or output).scale / entering.scale
        if levels == 1:
            affine = fold_spikes(op, follower.op, accumulator, ratio)
            why = apart or obstacle(affine, tensor)
            if why:
                return self.in_float(source, affine, why, source), ""
            why = "one threshold: the multiplier is 1"
            return NodePlan(output, why, entering, source, affine, counted=counted), ""
        limits = (INT4_WEIGHT_LIMIT, WEIGHT_LIMIT) if self.few_bits else (WEIGHT_LIMIT,)
        for limit in limits:
            affine, proven = fold_levels(op, follower.op, accumulator, tensor, ratio, limit)
            if affine.largest_weight <= limit and proven.all():
                break
        why = apart or obstacle(affine, tensor) or unproven(op, follower.op, proven)
        if why:
            return None, why
        why = f"a multiplier for each channel is proven at all of its {levels} thresholds"
        return NodePlan(output, why, entering, source, affine, counted=counted), ""

    def _readout(self, source: Node, affine: Affine, entering: Storage, apart: str) -> NodePlan:
        tensor = joined_tensor(self.graph.input_tensors(source))
        why = apart or obstacle(affine, tensor)
        # An int8 value is the same integer in 16 bits as long as neither is shifted.
        stored = [self.plans[name].output for name in source.inputs]
        if any(each.form is not Form.INT8 or each.zero_point for each in stored):
            why = why or "its input is not stored as it is in int8"
        low, high = self.graph.tensors[self.graph.readout.inputs[0]].bounds
        if max(-low, high) > INT16_LIMIT:
            why = why or f"16 bits do not hold sums of {low}..{high}"
        if why:
            return self.in_float(source, affine, why, source)
        # A tensor has one scale: if those of the classes differ, it holds sums in units of 1.
        scale = shared_scale(self.graph.readout_op.scale) or 1.0
        affine = replace(affine, scale=unit_ratio(entering.scale, scale))
        why = "16 bits hold the sums: the multiplier is 1"
        entering = replace(entering, form=Form.INT16)
        return NodePlan(replace(entering, scale=scale), why, entering, source, affine)

    def _entering(self, source: Node, tensor: Tensor) -> tuple[Storage, str]:
        """Return how inputs side by side are stored in int8; or why they cannot be."""
        first, *others = (self._in_int8(name) for name in source.inputs)
        zero = zero_point(tensor)
        if any(self.plans[name].output.form is Form.INT16 for name in source.inputs):
            return first, "its input is in int16"
        if all(other == first for other in others):
            return first, ""
        if zero is None:
            return first, "its inputs have no zero point in common"
        return Storage(Form.INT8, first.scale, zero), ""

    def _in_int8(self, name: str) -> Storage:
        """Return how a node's output is stored in int8, or would be after a conversion."""
        stored = self.plans[name].output
        if stored.form is Form.INT8:
            return stored
        zero = zero_point(self.graph.tensors[name]) or 0
        return self.aligned.get(name, Storage(Form.INT8, ACTIVATION_SCALE, zero))


def _counted(op: Threshold, tensor: Tensor, output: Storage) -> Storage | None:
    """Return how the number of reached thresholds is stored; ``None`` if as the output is.

    To the runtimes, one threshold is as much as the output's unit times ``op.unit``, so that adding
    the offset gives the output.
    """
    if (op.offset, op.unit) == (0, 1):
        return None
    low, high = ((bound - op.offset) // op.unit for bound in tensor.bounds)
    scale = float(np.float32(output.scale * op.unit))
    return Storage(Form.INT8, scale, zero_point_of(low, high) or 0)
