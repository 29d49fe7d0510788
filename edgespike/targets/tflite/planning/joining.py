"""Join weighted nodes whose sums meet in an addition: their inputs, laid side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

import numpy as np
from typing_extensions import assert_never

from edgespike.graph import Add, Conv2d, Dense, Graph, Node, Tensor
from edgespike.targets.tflite.planning.plan import readers


def find_joins(graph: Graph) -> dict[str, Node]:
    """Return, for each addition that one weighted operator can compute, that operator as a node.

    It takes the inputs of all the weighted nodes, joined along their channels. Nothing else may
    read the sums of these nodes; convolutions must have one geometry and inputs of one size.
    """
    found = readers(graph)
    joins = {}
    for node, _ in graph.of_type(Add):
        parts = [graph[name] for name in node.inputs]
        if all(len(found[part.name]) == 1 for part in parts):
            joined = _join(graph, parts)
            if joined is not None:
                joins[node.name] = joined
    return joins


def joined_tensor(tensors: Sequence[Tensor]) -> Tensor:
    """Return several tensors laid side by side along their channels, as one."""
    first = tensors[0]
    low = np.concatenate([tensor.low for tensor in tensors])
    high = np.concatenate([tensor.high for tensor in tensors])
    return Tensor((len(low), *first.shape[1:]), low, high, first.signal)


def partial_sums(summands: Sequence[Tensor]) -> list[Tensor]:
    """Return the sums that an addition has after each of its summands, the first included.

    With signs, a partial sum may leave the range of the whole sum, and int8 would saturate.
    """
    return list(accumulate(summands, lambda left, right: Add().infer([left, right], 1)))


def _join(graph: Graph, parts: Sequence[Node]) -> Node | None:
    """Make one weighted node of several, if their geometries and inputs permit."""
    ops = [part.op for part in parts if isinstance(part.op, Dense | Conv2d)]
    sources = tuple(name for part in parts for name in part.inputs)
    if len(ops) < len(parts) or len(set(sources)) < len(sources):
        return None
    geometries = {_geometry(op) for op in ops}
    sizes = {graph.tensors[name].shape[1:] for name in sources}
    if len(geometries) > 1 or None in geometries or len(sizes) > 1:
        return None
    weight = np.concatenate([op.weight for op in ops], axis=1)
    bias = np.sum([op.bias for op in ops], axis=0)
    op = replace(ops[0], weight=weight, bias=bias, float_nonzero=None)
    return Node(" + ".join(part.name for part in parts), op, sources)


def _geometry(op: Dense | Conv2d) -> tuple[object, ...] | None:
    """Return how kernels are placed; ``None`` if the operation cannot be joined to others."""
    match op:
        case Dense():
            return ()
        case Conv2d() if op.groups > 1:
            return None
        case Conv2d():
            return (op.weight.shape[2:], op.stride, op.sides, op.dilation)
        case _:
            assert_never(op)
