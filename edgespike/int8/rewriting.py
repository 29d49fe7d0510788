"""What a net of stored numbers becomes before its graph: fewer operations, the same numbers."""

from __future__ import annotations

from dataclasses import replace

from edgespike.graph.ops.windows import padded_twice
from edgespike.int8.additions import Doubled
from edgespike.int8.net import (
    Int8Add,
    Int8Conv2d,
    Int8Function,
    Int8Net,
    Int8Node,
    Int8Pad,
)


def simplified(net: Int8Net) -> Int8Net:
    """Return an equal net; some nodes are gone, the others have their names and numbers.

    - A tensor that is added to itself is a function of it.
    - Zero points around an image are padding of the convolution that reads it.
    - What the readout does not depend on is left out.
    """
    nodes: dict[str, Int8Node] = {}
    for node in net.nodes:
        nodes[node.name] = _with_padding(_as_function(node), nodes)
    needed = {net.nodes[0].name, net.nodes[-1].name}
    for node in reversed(nodes.values()):
        if node.name in needed:
            needed.update(node.inputs)
    return replace(net, nodes=tuple(node for node in nodes.values() if node.name in needed))


def _as_function(node: Int8Node) -> Int8Node:
    if isinstance(node.op, Int8Add) and len(set(node.inputs)) == 1:
        op = Int8Function(Doubled(node.op.combine))
        return replace(node, op=op, inputs=node.inputs[:1])
    return node


def _with_padding(node: Int8Node, before: dict[str, Int8Node]) -> Int8Node:
    """Return a node that pads its input itself, if it can, instead of reading it from pads."""
    op = node.op
    while isinstance(op, Int8Conv2d | Int8Pad):
        pad = before[node.inputs[0]]
        if not isinstance(pad.op, Int8Pad) or min(*op.padding, *pad.op.padding) < 0:
            break
        op = replace(op, padding=padded_twice(op.padding, pad.op.padding))
        node = replace(node, op=op, inputs=pad.inputs)
    return node
