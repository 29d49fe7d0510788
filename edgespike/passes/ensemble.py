"""Several networks of one architecture as one graph that computes them side by side.

Every tensor of the merged graph is that of the first member, then that of the second, and so on,
along the first axis. All members read one input, so that their first weighted layers are one layer
with the outputs of all; every layer behind is a convolution with a group for each member. There
are no synapses between members, not even of weight 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from edgespike.errors import InputError, UnsupportedError
from edgespike.graph.graph import Graph, Node, as_graph
from edgespike.graph.ops import (
    Add,
    Conv2d,
    Delay,
    Dense,
    Input,
    Membrane,
    Operation,
    Readout,
    Reshape,
    Threshold,
    Weighted,
)


def ensemble(graphs: Sequence[Graph], name: str = "ensemble") -> Graph:
    """Merge networks of one architecture into one graph.

    Nodes keep the names of the first member's. Vectors become images of one pixel, ``(features,)``
    to ``(features, 1, 1)``, and dense layers convolutions. The readout holds the accumulators of
    all members, see :func:`edgespike.trace.member_logits`. Synaptic operations, multiply-
    accumulates and, behind the first weighted layers, all other counts are the members' sums;
    what stands before those, such as a pool of the input, is done once.

    Parameters
    ----------
    graphs
        At least one. They may differ in weights, biases, thresholds and scales of the readout, and
        must agree in everything else.
    name
        Of the merged graph.

    Returns
    -------
    graph
        Of one graph, that graph itself.

    Raises
    ------
    UnsupportedError
        The graphs differ, or members do something to their common input that only each could do
        for itself: split it into groups, compare it with thresholds of their own, or add it to
        their own events. All violations are listed; graphs are numbered from 0.
    InputError
        What is given is no list of graphs.
    GraphError
        The merged graph is too large.
    """
    if isinstance(graphs, Graph):
        raise InputError(f"graphs is one graph, {graphs.name!r}; give a list of them")
    members = tuple(map(as_graph, graphs))
    if len(members) == 1:
        return members[0]
    violations = [] if members else ["no graph is given; give one or more"]
    for number, other in enumerate(members[1:], start=1):
        violations += [
            f"graph {number} ({other.name}): {x}" for x in _differences(members[0], other)
        ]
    if not violations:
        violations = list(_not_shared(members))
    if violations:
        raise UnsupportedError(f"ensemble {name!r} cannot be made", violations)
    return Graph(name, tuple(_used(_side_by_side(members))), members[0].steps)


def _differences(first: Graph, other: Graph) -> Iterator[str]:
    if other.steps != first.steps:
        yield f"steps is {other.steps}, the first graph has {first.steps}"
    if _layout(other) != _layout(first):
        yield (
            f"its {len(other.nodes)} nodes are other operations, or connected otherwise, than the "
            f"first graph's {len(first.nodes)}; only graphs of one architecture can be merged"
        )
        return
    for mine, theirs in zip(first.nodes, other.nodes, strict=True):
        for line in _op_differences(mine.op, theirs.op):
            yield f"{theirs.name} ({theirs.op.kind}) {line}"


def _layout(graph: Graph) -> list[tuple[str, list[int]]]:
    """Return each node's kind and the places of the nodes that it takes from; names are free."""
    places = {node.name: place for place, node in enumerate(graph.nodes)}
    return [(node.op.kind, [places[name] for name in node.inputs]) for node in graph.nodes]


def _op_differences(first: Operation, other: Operation) -> Iterator[str]:
    for field in fields(first):
        mine, theirs = getattr(first, field.name), getattr(other, field.name)
        if field.name in _free(first):
            continue
        if isinstance(mine, np.ndarray):
            mine, theirs = f"shape {mine.shape}", f"shape {theirs.shape}"
        if mine != theirs:
            yield f"has {field.name} {_text(theirs)}, the first graph has {_text(mine)}"


def _free(op: Operation) -> set[str]:
    """Name the fields that may differ: where shapes are equal, all arrays may."""
    return {"low", "high"} if isinstance(op, Delay) else {"float_nonzero"}


def _text(value: Any) -> str:
    return str(getattr(value, "value", value))


def _own(graph: Graph) -> set[str]:
    """Name the nodes of which each member has its own: those behind a weighted layer."""
    own: set[str] = set()
    found = -1
    while len(own) > found:  # a delay may stand before its source
        found = len(own)
        own.update(
            node.name
            for node in graph.nodes
            if isinstance(node.op, Weighted) or not own.isdisjoint(node.inputs)
        )
    return own


def _not_shared(members: Sequence[Graph]) -> Iterator[str]:
    """Yield where members need of their common input what one graph cannot give them."""
    own = _own(members[0])
    for place, node in enumerate(members[0].nodes):
        op, shared = node.op, [name for name in node.inputs if name not in own]
        if not shared:
            continue
        if isinstance(op, Conv2d) and op.groups > 1:
            line = f"it splits what all members share into {op.groups} groups; use one group"
        elif isinstance(op, Add) and len(shared) < len(node.inputs):
            line = f"it adds {', '.join(shared)}, which all members share, to events of each"
        elif isinstance(op, Threshold | Membrane) and any(
            graph.nodes[place].op != op for graph in members
        ):
            line = "members compare what they share with different thresholds"
        elif isinstance(op, Readout):
            line = "it reads what all members share"
        else:
            continue
        yield f"{node.name} ({op.kind}): {line}; a weighted layer between gives each its own"


def _side_by_side(members: Sequence[Graph]) -> Iterator[Node]:
    """Return the merged graph's nodes, some of which may be reshapes that nobody takes."""
    first, own = members[0], _own(members[0])
    taken = {node.name for node in first.nodes}
    images: dict[str, str] = {}
    for place, node in enumerate(first.nodes):
        op = _merged(first, node, [graph.nodes[place].op for graph in members], own)
        inputs = node.inputs
        if isinstance(node.op, Reshape | Readout) or _sees_image(node, own):
            inputs = (_before_reshapes(first, inputs[0]),)
        if not isinstance(op, Delay):
            inputs = tuple(images.get(name, name) for name in inputs)
        if isinstance(op, Readout):
            flat = _new_name(f"{node.name}.flat", taken)
            yield Node(flat, Reshape(op.scale.shape), inputs)
            inputs = (flat,)
        yield Node(node.name, op, inputs)
        if isinstance(op, Input | Delay) and len(op.shape) == 1:
            images[node.name] = _new_name(f"{node.name}.image", taken)
            yield Node(images[node.name], Reshape(_image(op.shape)), (node.name,))


def _merged(first: Graph, node: Node, ops: Sequence[Any], own: set[str]) -> Operation:
    """Merge one node's operation of all members."""
    op, count = node.op, len(ops) if node.name in own else 1
    if isinstance(op, Weighted):
        groups = len(ops) if node.inputs[0] in own else 1
        return _convolution(ops, _kernel(first, node, op, own), groups)
    if isinstance(op, Reshape):
        return Reshape(_image(op.shape, count))
    if isinstance(op, Delay):
        # An input that is a vector stays one, and so does what is delayed of it.
        shape = op.shape if first[node.inputs[0]] is first.input else _image(op.shape, count)
        low, high = min(each.low for each in ops), max(each.high for each in ops)
        return replace(op, shape=shape, low=low, high=high)
    if isinstance(op, Readout):
        scale = np.concatenate([each.scale for each in ops])
        return replace(op, scale=scale, members=count * op.members)
    if count > 1 and isinstance(op, Membrane):
        return replace(op, theta=np.concatenate([each.theta for each in ops]))
    if count > 1 and isinstance(op, Threshold):
        flipped = np.concatenate([each.flipped for each in ops])
        return Threshold(np.concatenate([each.theta for each in ops]), flipped)
    return op


def _sees_image(node: Node, own: set[str]) -> bool:
    """Return whether a node is a dense layer whose kernel is laid on what was flattened for it.

    It saves members' images from being put in another order. The input, which may have few
    channels, is better flattened: a kernel of many places with few channels is slow.
    """
    return isinstance(node.op, Dense) and node.inputs[0] in own


def _kernel(graph: Graph, node: Node, op: Weighted, own: set[str]) -> tuple[int, ...]:
    """Return a weight's axes behind the outputs."""
    if isinstance(op, Conv2d):
        return op.weight.shape[1:]
    (name,) = node.inputs
    return _image(graph.tensors[_before_reshapes(graph, name) if name in own else name].shape)


def _convolution(ops: Sequence[Weighted], kernel: tuple[int, ...], groups: int) -> Conv2d:
    """Stack the outputs of all members, which have that many inputs of their own."""
    weight = np.concatenate([op.weight.reshape(-1, *kernel) for op in ops])
    bias = np.concatenate([op.bias for op in ops])
    trained = None
    if any(op.float_nonzero is not None for op in ops):
        trained = np.concatenate([op.trained_nonzero.reshape(-1, *kernel) for op in ops])
    if isinstance(ops[0], Conv2d):
        groups *= ops[0].groups
        return replace(ops[0], weight=weight, bias=bias, float_nonzero=trained, groups=groups)
    return Conv2d(weight, bias, trained, groups=groups)


def _image(shape: tuple[int, ...], count: int = 1) -> tuple[int, ...]:
    """Return the shape of so many members' images, of one pixel where they are vectors."""
    channels, *pixels = shape if len(shape) == 3 else (*shape, 1, 1)
    return (count * channels, *pixels)


def _before_reshapes(graph: Graph, name: str) -> str:
    """Name the node whose elements, in the same order, a node gives."""
    while isinstance(graph[name].op, Reshape):
        (name,) = graph[name].inputs
    return name


def _new_name(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _used(nodes: Iterable[Node]) -> Iterator[Node]:
    """Leave out the reshapes that nobody takes."""
    kept: list[Node] = []
    taken: set[str] = set()
    for node in reversed(list(nodes)):
        if not isinstance(node.op, Reshape) or node.name in taken:
            kept.append(node)
            taken.update(node.inputs)
    return reversed(kept)
