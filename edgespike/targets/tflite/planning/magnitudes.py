"""How large the numbers can get that float32 kernels compute for nodes without weights."""

from __future__ import annotations

import numpy as np

from edgespike.graph import Graph, Membrane, Node
from edgespike.graph.ops.membrane import FRACTION_BITS
from edgespike.graph.tensor import Integers
from edgespike.targets.tflite.planning.plan import fraction_bits


def value_magnitude(graph: Graph, node: Node) -> int:
    """Bound a node's output, and any sum of its inputs."""
    own = max(abs(bound) for bound in graph.tensors[node.name].bounds)
    return max(own, _inputs(graph, node))


def threshold_magnitude(graph: Graph, node: Node) -> int:
    """Bound ``x`` and ``x - theta + 1``, where theta is in the range of ``x`` or just above it."""
    (tensor,) = graph.input_tensors(node)
    width = int((tensor.high - tensor.low).max())
    return max(value_magnitude(graph, node), _inputs(graph, node) + width + 1)


def membrane_magnitude(op: Membrane, least: Integers, most: Integers, saturates: bool) -> int:
    """Bound a potential, and its distance from the threshold, in units of its last fraction bit.

    ``least`` and ``most`` bound it before it saturates, if it does.
    """
    largest = int(np.maximum(-least, most).max())
    theta = int(op.theta.max()) << FRACTION_BITS
    return (largest + theta) >> (FRACTION_BITS - fraction_bits(op, saturates))


def _inputs(graph: Graph, node: Node) -> int:
    return sum(max(abs(bound) for bound in tensor.bounds) for tensor in graph.input_tensors(node))
