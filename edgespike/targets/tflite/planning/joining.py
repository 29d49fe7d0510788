"""Joining weighted nodes whose sums meet in an addition: their inputs, laid side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgespike.graph import Add, Conv2d, Graph, Node, Tensor
from edgespike.graph.ops import Weighted


def find_joins(graph: Graph) -> dict[str, Node]:
    """Return, for each addition that one weighted operator can compute, that operator as a node.

    It takes the inputs of all the weighted nodes, joined along their channels. Nobody else may
    take the sums of these nodes, and convolutions must have one geometry.
    """
    readers: dict[str, int] = {}
    for node in graph.nodes:
        for name in node.inputs:
            readers[name] = readers.get(name, 0) + 1
    joins = {}
    for node, _ in graph.of_type(Add):
        parts = [graph[name] for name in node.inputs]
        if all(readers[part.name] == 1 for part in parts):
            joined = _join(parts)
            if joined is not None:
                joins[node.name] = joined
    return joins


def joined_tensor(tensors: Sequence[Tensor]) -> Tensor:
    """Return what several tensors are, laid side by side along their channels."""
    first = tensors[0]
    low = np.concatenate([tensor.low for tensor in tensors])
    high = np.concatenate([tensor.high for tensor in tensors])
    return Tensor((len(low), *first.shape[1:]), low, high, first.signal)


def _join(parts: Sequence[Node]) -> Node | None:
    """Make one weighted node of several, if their geometries and inputs permit."""
    ops = [part.op for part in parts if isinstance(part.op, Weighted)]
    sources = tuple(name for part in parts for name in part.inputs)
    if len(ops) < len(parts) or len(set(sources)) < len(sources):
        return None
    if len({_geometry(op) for op in ops}) > 1 or any(getattr(op, "groups", 1) > 1 for op in ops):
        return None
    weight = np.concatenate([op.weight for op in ops], axis=1)
    bias = np.sum([op.bias for op in ops], axis=0)
    op = replace(ops[0], weight=weight, bias=bias, float_nonzero=None)
    return Node(" + ".join(part.name for part in parts), op, sources)


def _geometry(op: Weighted) -> tuple[object, ...]:
    """Return all that must be equal; a kernel's placement on inputs of one size is part of it."""
    if not isinstance(op, Conv2d):
        return (type(op),)
    return (type(op), op.weight.shape[2:], op.stride, op.padding, op.dilation)
