"""How large the numbers can get that float32 kernels compute for nodes without weights."""

from __future__ import annotations

from edgespike.graph import Graph, Node, Threshold


def value_magnitude(graph: Graph, node: Node) -> int:
    """Bound a node's output, and any sum of its inputs."""
    return max(_own(graph, node), _inputs(graph, node))


def product_magnitude(graph: Graph, node: Node) -> int:
    """Bound a product and each of its factors."""
    ends = [graph.tensors[node.name].bounds, *(x.bounds for x in graph.input_tensors(node))]
    return max(abs(end) for pair in ends for end in pair)


def threshold_magnitude(graph: Graph, node: Node, op: Threshold) -> int:
    """Bound ``x`` and ``x - theta + 1``, where theta is in the range of ``x`` or just above it.

    The multiple of the unit that is added to the offset is bounded too.
    """
    (tensor,) = graph.input_tensors(node)
    width = int((tensor.high - tensor.low).max())
    values = value_magnitude(graph, node)
    return max(values, _inputs(graph, node) + width + 1, _own(graph, node) + abs(op.offset))


def _own(graph: Graph, node: Node) -> int:
    return max(abs(bound) for bound in graph.tensors[node.name].bounds)


def _inputs(graph: Graph, node: Node) -> int:
    return sum(max(abs(bound) for bound in tensor.bounds) for tensor in graph.input_tensors(node))
