"""How much memory and work a graph's check samples take, computed before either is spent.

A graph file of a few bytes can declare tensors, steps and windows of any size.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from typing_extensions import assert_never

from edgespike.errors import UnsupportedError
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
    Reshape,
    SumPool2d,
    Threshold,
)

STEP_VALUES_LIMIT = 2**25
"""Most values of all nodes in one step: 256 MiB as int64. It needs a few times that."""

SAMPLE_VALUES_LIMIT = 2**24
"""Most values of all samples of an artefact together, over all steps."""

WORK_LIMIT = 2**37
"""Most operations for one sample: the interpreter takes about 2 minutes."""

MEMBRANE_WORK = 32
"""How many operations one update of a membrane counts as, because of its divisions."""


def check_limits(graph: Graph) -> None:
    """Refuse a graph that is too large to compute even one sample.

    Raises
    ------
    UnsupportedError
        The graph is too large; each limit that is exceeded is named.
    """
    violations = list(_violations(graph))
    if violations:
        raise UnsupportedError(
            f"samples that check an artefact of graph {graph.name!r} cannot be computed", violations
        )


def _violations(graph: Graph) -> Iterator[str]:
    values, sample = graph.values_per_step, sample_values(graph)
    if values > STEP_VALUES_LIMIT:
        yield (
            f"its nodes have {values:,} values at each step; the limit is {STEP_VALUES_LIMIT:,}, "
            "use smaller layers"
        )
    if sample > SAMPLE_VALUES_LIMIT:
        yield (
            f"one sample has {sample:,} values in {graph.steps:,} steps; the limit is "
            f"{SAMPLE_VALUES_LIMIT:,}, use fewer steps or a smaller input"
        )
    if work(graph) > WORK_LIMIT:
        yield (
            f"one sample takes {work(graph):,} operations; the limit is {WORK_LIMIT:,}, use fewer "
            "steps or smaller layers"
        )


def sample_values(graph: Graph) -> int:
    """Return how many values one sample has."""
    return graph.steps * graph.tensors[graph.input.name].size


def work(graph: Graph) -> int:
    """Return how many operations the interpreter does for one sample."""
    return graph.steps * sum(_work(graph, node) for node in graph.nodes)


def _work(graph: Graph, node: Node) -> int:
    size = graph.tensors[node.name].size
    match node.op:
        case Dense() | Conv2d() as op:
            return size * int(op.weight[0].size)
        case SumPool2d() | MaxPool2d() as op:
            return size * math.prod(op.kernel)
        case Threshold() as op:
            return size * op.levels
        case Add() | Multiply():
            return size * len(node.inputs)
        case Membrane():
            return size * MEMBRANE_WORK
        case Input() | Delay() | Reshape() | Concatenate() | Readout():
            return size
        case _:
            assert_never(node.op)
