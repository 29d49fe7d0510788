"""Several graphs of one architecture merged into one that computes them side by side.

Every tensor of the merged graph is the first member's, then the second's, and so on, along the
first axis. All members read the same input: their first weighted layers become one layer with the
outputs of all members, and every later one a convolution with a group for each member. There are
no synapses between members, not even of weight 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
from typing_extensions import assert_never

from edgespike.errors import InputError, UnsupportedError, shown
from edgespike.graph.graph import ORIGIN_LIMIT, Graph, Node, as_graph
from edgespike.graph.ops import (
    Add,
    Concatenate,
    Conv2d,
    Delay,
    Dense,
    Input,
    MaxPool2d,
    Membrane,
    Multiply,
    Operation,
    Readout,
    Reshape,
    SumPool2d,
    Threshold,
    Weighted,
)
from edgespike.graph.ops.base import same
from edgespike.graph.tensor import Integers


def ensemble(graphs: Sequence[Graph], name: str = "ensemble") -> Graph:
    """Merge graphs of one architecture into one graph.

    Nodes keep the names of the first member's. Vectors become images of one pixel, ``(features,)``
    to ``(features, 1, 1)``, and dense layers become convolutions. The readout holds the
    accumulators of all members, see :func:`edgespike.trace.member_logits`. Synaptic operations,
    multiply-accumulates and, after the first weighted layers, all other counts are the sums over
    the members; anything before those layers, such as a pool of the input, is computed
    once.

    Parameters
    ----------
    graphs
        At least one. They may differ in weights, biases, thresholds and scales of the readout, and
        must agree in everything else.
    name
        The merged graph's name.

    Returns
    -------
    graph
        The merged graph; for a single graph, that graph itself.

    Raises
    ------
    UnsupportedError
        The graphs differ, or members do something to their common input that each can only do
        for itself: split it into groups, compare it with thresholds of their own, or add it to
        their own events. All violations are listed; graphs are numbered from 0.
    InputError
        ``graphs`` is not a list of graphs.
    GraphError
        The merged graph is too large.
    """
    if isinstance(graphs, Graph):
        raise InputError(f"graphs is one graph, {graphs.name!r}; give a list of them")
    if not isinstance(graphs, Iterable):
        raise InputError(f"graphs is {shown(graphs)}; give a list of graphs")
    members = tuple(map(as_graph, graphs))
    if len(members) == 1:
        return members[0]
    violations = [] if members else ["no graph is given; give one or more"]
    for number, other in enumerate(members[1:], start=1):
        violations += [
            f"graph {number} ({other.name}): {x}" for x in _differences(members[0], other)
        ]
    if not violations:
        violations = [*_not_shared(members), *_joined(members[0])]
    if violations:
        raise UnsupportedError(f"ensemble {name!r} cannot be created", violations)
    nodes = tuple(_used(_side_by_side(members)))
    return replace(members[0], name=name, nodes=nodes, origin=_origin(members))


def _origin(members: Sequence[Graph]) -> str:
    """Return what all members are made from, each once, or how many sources there are."""
    origins = list(dict.fromkeys(member.origin for member in members if member.origin))
    together = "; ".join(origins)
    return together if len(together) <= ORIGIN_LIMIT else f"{len(origins)} sources"


def _differences(first: Graph, other: Graph) -> Iterator[str]:
    if other.steps != first.steps:
        yield f"steps is {other.steps}, the first graph has {first.steps}"
    if other.class_names != first.class_names:
        yield "its classes have other names than the first graph's"
    if other.scaling != first.scaling:
        yield f"scaling is {other.scaling}, the first graph has {first.scaling}"
    if _layout(other) != _layout(first):
        yield (
            f"its {len(other.nodes)} nodes are other operations than the first graph's "
            f"{len(first.nodes)}, or are connected differently; only graphs of one architecture "
            "can be merged"
        )
        return
    for mine, theirs in zip(first.nodes, other.nodes, strict=True):
        for line in _op_differences(mine.op, theirs.op):
            yield f"{theirs.name} ({theirs.op.kind}) {line}"


def _layout(graph: Graph) -> list[tuple[str, list[int]]]:
    """Return each node's kind and the places of its inputs; names may differ."""
    places = {node.name: place for place, node in enumerate(graph.nodes)}
    return [(node.op.kind, [places[name] for name in node.inputs]) for node in graph.nodes]


def _op_differences(first: Operation, other: Operation) -> Iterator[str]:
    """Yield the fields that differ and must not.

    Members keep their own channels, side by side, and a delay gets the range that holds all of
    theirs. Everything else must be equal.
    """
    for field in fields(first):
        mine, theirs = getattr(first, field.name), getattr(other, field.name)
        if field.name in first.channel_fields:
            shapes = [np.shape(each) for each in (mine, theirs)]
            if not all(shapes) or shapes[0] == shapes[1]:  # one number stands for any shape
                continue
            mine, theirs = (f"shape {shape}" for shape in shapes)
        elif isinstance(first, Delay) and field.name in ("low", "high"):
            continue
        if not same(mine, theirs):
            yield f"has {field.name} {_text(theirs)}, the first graph has {_text(mine)}"


def _text(value: Any) -> str:
    return str(getattr(value, "value", value))


def _own(graph: Graph) -> set[str]:
    """Name the nodes that each member has for itself: those after a weighted layer."""
    own: set[str] = set()
    found = -1
    while len(own) > found:  # a delay may come before its source
        found = len(own)
        own.update(
            node.name
            for node in graph.nodes
            if _is_weighted(node.op) or not own.isdisjoint(node.inputs)
        )
    return own


def _is_weighted(op: Operation) -> bool:
    match op:
        case Dense() | Conv2d():
            return True
        case (
            Input()
            | SumPool2d()
            | MaxPool2d()
            | Add()
            | Multiply()
            | Concatenate()
            | Reshape()
            | Delay()
            | Threshold()
            | Membrane()
            | Readout()
        ):
            return False
        case _:
            assert_never(op)


def _not_shared(members: Sequence[Graph]) -> Iterator[str]:
    """Yield where members need something from their common input that one graph cannot give."""
    own = _own(members[0])
    for place, node in enumerate(members[0].nodes):
        shared = [name for name in node.inputs if name not in own]
        if not shared:
            continue
        mixed = len(shared) < len(node.inputs)
        alike = all(graph.nodes[place].op == node.op for graph in members)
        for line in _misuse_of_shared(node.op, shared, mixed=mixed, alike=alike):
            yield (
                f"{node.name} ({node.op.kind}): {line}; a weighted layer in between gives each "
                "member its own"
            )


def _joined(first: Graph) -> Iterator[str]:
    """Yield which nodes would join what members have for themselves, member beside member."""
    own = _own(first)
    for node, _ in first.of_type(Concatenate):
        if own.issuperset(node.inputs):
            yield (
                f"{node.name} (concatenate): it joins channels of each member, which stand beside "
                "those of the other members; add weighted layers instead"
            )


def _misuse_of_shared(
    op: Operation, shared: Sequence[str], *, mixed: bool, alike: bool
) -> Iterator[str]:
    """Yield why an operation cannot take what all members share.

    Parameters
    ----------
    shared
        The inputs that all members share, at least one.
    mixed
        Whether it has inputs of each member besides.
    alike
        Whether it is the same for all members.
    """
    match op:
        case Concatenate():
            if mixed:
                yield f"it joins {', '.join(shared)}, which all members share, to events of each"
        case Conv2d():
            if op.groups > 1:
                yield f"it splits what all members share into {op.groups} groups; use one group"
        case Add():
            if mixed:
                yield f"it adds {', '.join(shared)}, which all members share, to events of each"
        case Multiply():
            if mixed:
                yield f"it multiplies {', '.join(shared)}, which all members share, with each's own"
        case Threshold() | Membrane():
            if not alike:
                yield "members compare what they share with different thresholds"
        case Readout():
            yield "it reads what all members share"
        case Input() | Dense() | SumPool2d() | MaxPool2d() | Reshape() | Delay():
            return
        case _:
            assert_never(op)


def _side_by_side(members: Sequence[Graph]) -> Iterator[Node]:
    """Yield the merged graph's nodes; nothing may use some of the reshapes among them."""
    first, own = members[0], _own(members[0])
    taken = {node.name for node in first.nodes}
    images: dict[str, str] = {}
    for place, node in enumerate(first.nodes):
        op, sources = _merged(first, node, [graph.nodes[place].op for graph in members], own)
        inputs = tuple(images.get(name, name) for name in sources)
        match op:
            case Input() | Delay():
                # Only events can be delayed, so that a delay takes the vector, not its image.
                yield Node(node.name, op, sources)
                if len(op.shape) == 1:
                    images[node.name] = _new_name(f"{node.name}.image", taken)
                    yield Node(images[node.name], Reshape(_image(op.shape)), (node.name,))
            case Readout():
                flat = _new_name(f"{node.name}.flat", taken)
                yield Node(flat, Reshape(op.scale.shape), inputs)
                yield Node(node.name, op, (flat,))
            case (
                Dense()
                | Conv2d()
                | SumPool2d()
                | MaxPool2d()
                | Add()
                | Multiply()
                | Concatenate()
                | Reshape()
                | Threshold()
                | Membrane()
            ):
                yield Node(node.name, op, inputs)
            case _:
                assert_never(op)


def _merged(
    first: Graph, node: Node, ops: Sequence[Any], own: set[str]
) -> tuple[Operation, tuple[str, ...]]:
    """Merge one node's operation of all members.

    Returns
    -------
    operation, sources
        What computes all members, and the first member's nodes that it takes its inputs from.
    """
    op, mine = node.op, ops if node.name in own else ops[:1]
    match op:
        case Dense():
            return _merged_dense(first, node.inputs[0], ops, own)
        case Conv2d():
            groups = op.groups * (len(ops) if node.inputs[0] in own else 1)
            return replace(op, **_weights(ops, op.weight.shape[1:]), groups=groups), node.inputs
        case Reshape():
            return Reshape(_image(op.shape, len(mine))), (_unshaped(first, node.inputs[0]),)
        case Delay():
            # A vector input stays a vector, and so does a delay of it.
            of_input = first[node.inputs[0]] is first.input
            shape = op.shape if of_input else _image(op.shape, len(mine))
            low, high = min(each.low for each in ops), max(each.high for each in ops)
            return replace(op, shape=shape, low=low, high=high), node.inputs
        case Readout():
            merged = replace(_stacked(ops), members=len(ops) * op.members)
            return merged, (_unshaped(first, node.inputs[0]),)
        case Membrane():
            return _stacked_membranes(mine), node.inputs
        case Input() | SumPool2d() | MaxPool2d() | Add() | Multiply() | Concatenate() | Threshold():
            return _stacked(mine), node.inputs
        case _:
            assert_never(op)


def _stacked(ops: Sequence[Any]) -> Any:
    """Return the first operation with the channels of all."""
    return replace(
        ops[0],
        **{
            field: np.concatenate([getattr(op, field) for op in ops])
            for field in ops[0].channel_fields
        },
    )


def _stacked_membranes(ops: Sequence[Membrane]) -> Membrane:
    """Return the first membrane with the neurons of all; one number may stand for a parameter.

    Without a synaptic current of its own, a member's current forgets everything at each step.
    """
    merged: dict[str, Any] = {}
    for name in ops[0].channel_fields:
        values = [getattr(op, name) for op in ops]
        if all(same(value, values[0]) for value in values) and np.ndim(values[0]) == 0:
            merged[name] = values[0]
            continue
        if name == "decay_syn":
            values = [op.decay_one if op.decay_syn is None else op.decay_syn for op in ops]
        if name == "floor":
            values = [op.least for op in ops]
        merged[name] = np.concatenate(_alike(values, ops))
    return replace(ops[0], **merged)


def _alike(values: Sequence[int | Integers], ops: Sequence[Membrane]) -> list[Integers]:
    """Repeat parameters for each channel, or for each neuron where some member needs that."""
    ndim = max(np.ndim(value) for value in values)
    shape = next((np.shape(value) for value in values if np.ndim(value) == ndim > 1), None)
    found = []
    for value, op in zip(values, ops, strict=True):
        array = np.broadcast_to(value, op.theta.shape[:1]) if np.ndim(value) == 0 else value
        array = np.asarray(array)
        if shape is not None and array.ndim == 1:
            array = np.broadcast_to(array[:, None, None], (len(array), *shape[1:]))
        found.append(array)
    return found


def _merged_dense(
    first: Graph, name: str, ops: Sequence[Dense], own: set[str]
) -> tuple[Conv2d, tuple[str, ...]]:
    """Merge dense layers that take one node.

    The kernel of members that have their own images is laid on what was flattened, which saves
    putting the images in another order. The input, which may have few channels, is better
    flattened: a kernel of many places with few channels is slow.
    """
    source = _unshaped(first, name) if name in own else name
    groups = len(ops) if name in own else 1
    weights = _weights(ops, _image(first.tensors[source].shape))
    return Conv2d(**weights, groups=groups), (source,)


def _weights(ops: Sequence[Weighted], kernel: tuple[int, ...]) -> dict[str, Any]:
    """Stack the outputs of all members, whose weights have the axes ``kernel`` after the first."""
    trained = None
    if any(op.float_nonzero is not None for op in ops):
        trained = np.concatenate([op.trained_nonzero.reshape(-1, *kernel) for op in ops])
    return {
        "weight": np.concatenate([op.weight.reshape(-1, *kernel) for op in ops]),
        "bias": np.concatenate([op.bias for op in ops]),
        "float_nonzero": trained,
    }


def _image(shape: tuple[int, ...], count: int = 1) -> tuple[int, ...]:
    """Return the shape of ``count`` members' images; a vector is an image of one pixel."""
    channels, *pixels = shape if len(shape) == 3 else (*shape, 1, 1)
    return (count * channels, *pixels)


def _unshaped(graph: Graph, name: str) -> str:
    """Name the node before all reshapes, which has the same elements in the same order."""
    while isinstance(graph[name].op, Reshape):
        (name,) = graph[name].inputs
    return name


def _new_name(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _used(nodes: Iterable[Node]) -> Iterator[Node]:
    """Leave out the reshapes that nothing uses."""
    kept: list[Node] = []
    taken: set[str] = set()
    for node in reversed(list(nodes)):
        if not isinstance(node.op, Reshape) or node.name in taken:
            kept.append(node)
            taken.update(node.inputs)
    return reversed(kept)
