"""How many neurons and synapses a graph is lowered to, bounded before any is made.

A graph file of a few bytes can declare large tensors and windows, but every neuron and every
synapse takes memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from typing_extensions import assert_never

from edgespike.graph import Conv2d, Delay, Dense, Graph, MaxPool2d, Node, SumPool2d
from edgespike.targets.loihi.rules import is_maximum, rule_of

ELEMENTS_LIMIT = 2**22
"""Most elements of all nodes together: about 100 bytes each while they are lowered. A Loihi 2 has a
million neurons."""

SYNAPSES_LIMIT = 2**27
"""Most synapses of a graph, 5 bytes each: a Loihi 1 has 130 million."""

NODE_SYNAPSES_LIMIT = 2**26
"""Most synapses that end at the neurons of one node: about 70 bytes each while they are made. In
unary coding, a layer of a shipped model has 46 million."""


def too_large(graph: Graph) -> list[str]:
    """Return why a graph is too large to be lowered: value, limit and way out; empty if it is not.

    Synapses are bounded from above, as if every output channel had as many as the largest.
    """
    return [*_too_many_elements(graph), *_too_many_synapses(graph)]


def _too_many_elements(graph: Graph) -> Iterator[str]:
    elements = graph.values_per_step
    if elements > ELEMENTS_LIMIT:
        yield (
            f"its nodes have {elements:,} elements; the limit is {ELEMENTS_LIMIT:,}, use smaller "
            "layers"
        )


def _too_many_synapses(graph: Graph) -> Iterator[str]:
    paths: dict[str, int] = {node.name: 1 for node, _ in graph.of_type(Delay)}
    over: set[str] = set()
    total = 0
    for node in graph.nodes:
        rule = rule_of(node.op)
        each = _paths(node, paths)
        size = graph.tensors[node.name].size
        if each * size > NODE_SYNAPSES_LIMIT:
            if not over.intersection(node.inputs):
                yield (
                    f"{node.name} ({node.op.kind}) has up to {each * size:,} synapses; the limit "
                    f"is {NODE_SYNAPSES_LIMIT:,}, use a smaller layer or smaller windows"
                )
            over.add(node.name)
        if rule.neurons is not None:
            pooled = is_maximum(graph, node)
            total += each * size + (graph.tensors[node.inputs[0]].size if pooled else 0)
        paths[node.name] = 1 if rule.starts_axons else each
    if total > SYNAPSES_LIMIT:
        yield (
            f"it has up to {total:,} synapses; the limit is {SYNAPSES_LIMIT:,}, use smaller layers"
        )


def _paths(node: Node, paths: Mapping[str, int]) -> int:
    """Bound the number of paths from neurons and sources that end at one element."""
    rule = rule_of(node.op)
    if rule.starts_axons and rule.neurons is None:
        return 0  # the input and delays have none
    if rule.adds_inputs:
        return sum(paths[name] for name in node.inputs)
    if rule.concatenates:
        return max(paths[name] for name in node.inputs)
    arriving, op = paths[node.inputs[0]], rule.synapses
    match op:
        case None:
            return arriving
        case Dense() | Conv2d():
            return arriving * int((op.weight != 0).reshape(len(op.weight), -1).sum(axis=1).max())
        case SumPool2d() | MaxPool2d():
            return arriving * int(np.prod(op.kernel, dtype=object))
        case _:
            assert_never(op)
