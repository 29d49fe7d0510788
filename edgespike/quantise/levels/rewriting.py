"""The same net in real numbers in an order that suits levels.

A max pool in front of a ReLU or tanh moves behind it, and so do affine maps with positive factors
between the two: all of them are monotone, so the values behind both are the same, bit for bit.
Levels are then chosen before the pool, which a graph can only apply to events.
"""

from __future__ import annotations

from dataclasses import replace

from edgespike.floats.net import (
    FloatAdd,
    FloatAffine,
    FloatConcatenate,
    FloatDelay,
    FloatNet,
    FloatNode,
    FloatPool2d,
    FloatRelu,
    FloatReshape,
    FloatTanh,
    Pooling,
)


def rewritten(net: FloatNet) -> tuple[FloatNet, frozenset[str]]:
    """Return the net with max pools behind the activations that follow them.

    Returns
    -------
    net, moved
        The net, and the names of nodes whose values are no longer those of the source's.
    """
    moved = set()
    while (pair := _pool_before(net)) is not None:
        pool, then = pair
        changed = {
            pool.name: replace(then, name=pool.name, inputs=pool.inputs),
            then.name: replace(pool, name=then.name, inputs=(pool.name,)),
        }
        net = replace(net, nodes=tuple(changed.get(node.name, node) for node in net.nodes))
        moved.add(pool.name)
    return net, frozenset(moved)


def _pool_before(net: FloatNet) -> tuple[FloatNode, FloatNode] | None:
    """Return a pool that can change places with the one node that uses it, and that node."""
    for node in net.nodes:
        if len(node.inputs) == 1:
            source = net.by_name[node.inputs[0]]
            delayed = any(isinstance(user.op, FloatDelay) for user in net.users[node.name])
            if len(net.users[source.name]) == 1 and not delayed and _swappable(source, node):
                return source, node
    return None


def _swappable(pool: FloatNode, then: FloatNode) -> bool:
    if not (isinstance(pool.op, FloatPool2d) and pool.op.pooling is Pooling.MAX):
        return False
    if isinstance(then.op, FloatAffine):
        return bool((then.op.scale > 0).all())
    return isinstance(then.op, FloatRelu | FloatTanh)


def tied(net: FloatNet) -> list[set[str]]:
    """Return the names of activations whose levels must stand for the same values.

    They meet in an addition without a weighted layer in between, so their levels are added.
    """

    def activations(name: str) -> set[str] | None:
        """Return the activations that a value comes from, or ``None`` if it is something else."""
        node = net.by_name[name]
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
    found, waiting = set(), list(net.nodes[-1].inputs)
    while waiting:
        name = waiting.pop()
        found.add(name)
        node = net.by_name[name]
        sums = isinstance(node.op, FloatAffine | FloatAdd | FloatConcatenate | FloatReshape) or (
            isinstance(node.op, FloatPool2d) and node.op.pooling is not Pooling.MAX
        )
        waiting += node.inputs if sums else ()
    return frozenset(found)
