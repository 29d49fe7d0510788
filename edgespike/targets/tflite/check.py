"""What of a graph TFLite cannot do exactly, or in a file of some size."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgespike.graph import (
    Graph,
    Membrane,
    Node,
    Threshold,
)
from edgespike.graph.ops.neurons import FRACTION_BITS
from edgespike.graph.tensor import FLOAT32_LIMIT
from edgespike.targets.tflite.limits import UNROLLED_STEPS
from edgespike.targets.tflite.planning.joining import joined_tensor
from edgespike.targets.tflite.planning.plan import Plan, fraction_bits, make_plan, runs_by_step
from edgespike.targets.tflite.planning.storage import Form


def violations(graph: Graph) -> list[str]:
    """List what float32 cannot hold exactly, and what is too large to unroll."""
    return [*_too_many_steps(graph), *_beyond_float32(graph)]


def _too_many_steps(graph: Graph) -> Iterator[str]:
    if graph.steps > UNROLLED_STEPS and not runs_by_step(graph):
        yield (
            f"steps is {graph.steps}; the limit is {UNROLLED_STEPS}, since every step is written "
            "into the file: use fewer steps or the cpu target"
        )


def _beyond_float32(graph: Graph) -> Iterator[str]:
    plan = make_plan(graph)
    for node in graph.nodes:
        if plan.forms.get(node.name) is Form.FLOAT:
            largest = _float_magnitude(graph, plan, node)
            if largest > FLOAT32_LIMIT:
                yield (
                    f"{node.name} ({node.op.kind}) needs whole numbers up to {largest} in float32, "
                    f"where only those up to {FLOAT32_LIMIT} are exact; use smaller weights, "
                    "fewer inputs or fewer steps, or the cpu target"
                )


def _float_magnitude(graph: Graph, plan: Plan, node: Node) -> int:
    """Bound every number that a node computes in float32."""
    choice = plan.choices[node.name]
    if choice.affine is not None:
        source = joined_tensor(graph.input_tensors(choice.source or node))
        return int(choice.affine.magnitudes(source).max())
    if isinstance(node.op, Membrane):
        return _membrane_magnitude(graph, node, node.op)
    own = max(abs(bound) for bound in graph.tensors[node.name].bounds)
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
