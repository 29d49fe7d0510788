"""The same net in real numbers in an order that suits levels.

A max pool in front of a ReLU moves behind it, and so do affine maps with positive factors between
the two: all of them are monotone, so the values behind both are the same, bit for bit. Levels are
then chosen before the pool, which a graph can only apply to events.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from edgespike.floats.net import (
    FloatAdd,
    FloatAffine,
    FloatConcatenate,
    FloatNet,
    FloatNode,
    FloatPool2d,
    FloatRelu,
    FloatReshape,
    Pooling,
)


def rewritten(net: FloatNet) -> tuple[FloatNet, frozenset[str]]:
    """Return the net with max pools behind the activations that follow them.

    Returns
    -------
    net, moved
        The net, and the names of nodes whose values are no longer those of the source's.
    """
    nodes, moved = list(net.nodes), set()
    while True:
        uses = consumers(nodes)
        places = {node.name: i for i, node in enumerate(nodes)}
        for i, node in enumerate(nodes):
            source = nodes[places[node.inputs[0]]] if len(node.inputs) == 1 else None
            if source is not None and uses[source.name] == 1 and _swappable(source, node):
                place = places[source.name]
                nodes[place] = replace(node, name=source.name, inputs=source.inputs)
                nodes[i] = replace(source, name=node.name, inputs=(source.name,))
                moved.add(source.name)
                break
        else:
            return replace(net, nodes=tuple(nodes)), frozenset(moved)


def _swappable(pool: FloatNode, then: FloatNode) -> bool:
    if not (isinstance(pool.op, FloatPool2d) and pool.op.pooling is Pooling.MAX):
        return False
    if isinstance(then.op, FloatAffine):
        return bool((then.op.scale > 0).all())
    return isinstance(then.op, FloatRelu)


def consumers(nodes: list[FloatNode] | tuple[FloatNode, ...]) -> Counter[str]:
    """Return how many inputs each node is."""
    return Counter(name for node in nodes for name in node.inputs)


def tied(net: FloatNet) -> list[set[str]]:
    """Return the names of activations whose levels must stand for the same values.

    They meet in an addition without a weighted layer in between, so their levels are added.
    """
    by_name = {node.name: node for node in net.nodes}

    def activations(name: str) -> set[str] | None:
        """Return the activations that a value comes from, or ``None`` if it is something else."""
        node = by_name[name]
        match node.op:
            case FloatRelu():
                return {name}
            case FloatPool2d(Pooling.MAX):
                return activations(node.inputs[0])
            case FloatAdd():
                found = [activations(source) for source in node.inputs]
                return None if None in found else set().union(*filter(None, found))
            case _:
                return None

    groups: list[set[str]] = []
    for node in net.of_type(FloatAdd):
        found = activations(node.name)
        if found is not None:
            joined = [group for group in groups if group & found]
            groups = [group for group in groups if not group & found]
            groups.append(found.union(*joined))
    return groups


def towards_answer(net: FloatNet) -> frozenset[str]:
    """Return the nodes whose sums become the answer without events in between."""
    by_name = {node.name: node for node in net.nodes}
    found, waiting = set(), list(net.nodes[-1].inputs)
    while waiting:
        name = waiting.pop()
        found.add(name)
        node = by_name[name]
        sums = isinstance(node.op, FloatAffine | FloatAdd | FloatConcatenate | FloatReshape) or (
            isinstance(node.op, FloatPool2d) and node.op.pooling is not Pooling.MAX
        )
        waiting += node.inputs if sums else ()
    return frozenset(found)
