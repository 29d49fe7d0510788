"""Scales and zero points in int8 that several nodes must have in common.

The scale and zero point of a node can be chosen within bounds: levels have the scale at which RELU6
clamps to their number, and a zero point must leave room for the node's range. The output of a delay
is stored as that of its source; inputs that are laid side by side (see
:mod:`edgespike.targets.tflite.planning.joining`) are stored alike if these bounds permit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from edgespike.graph import (
    Concatenate,
    Delay,
    Graph,
    Input,
    MaxPool2d,
    Node,
    Reshape,
    Threshold,
)
from edgespike.targets.tflite.planning.storage import (
    ACTIVATION_SCALE,
    LARGEST_STORED,
    Form,
    Storage,
    activation_scale,
    zero_point_of,
)


@dataclass(frozen=True)
class _Group:
    """Nodes that are stored alike: their range, and how far apart their levels' ends are."""

    members: frozenset[str]
    low: int
    high: int
    levels: frozenset[int]

    def joined(self, other: _Group) -> _Group:
        return _Group(
            self.members | other.members,
            min(self.low, other.low),
            max(self.high, other.high),
            self.levels | other.levels,
        )

    @property
    def storage(self) -> Storage | None:
        """How all are stored, or None if no storage fits all of them."""
        zero = zero_point_of(self.low, self.high)
        if zero is None or len(self.levels) > 1 or max(self.levels, default=0) > LARGEST_STORED:
            return None
        scale = activation_scale(*self.levels) if self.levels else ACTIVATION_SCALE
        return Storage(Form.INT8, scale, zero)


def align(graph: Graph, joins: Iterable[Node]) -> Mapping[str, Storage]:
    """Return the int8 storage of each node whose storage can be chosen and that fits int8, by name.

    Any other node is stored as its inputs are, or in float32: the planner decides. What is left out
    here, or among the pairs, can only cost a conversion or int8, never exactness.
    """
    groups: dict[str, _Group] = {}
    for node in graph.nodes:
        tensor = graph.tensors[node.name]
        chosen = isinstance(node.op, Input | Delay | MaxPool2d | Reshape | Threshold)
        if chosen or (isinstance(node.op, Concatenate) and tensor.signal.is_event):
            low, high = tensor.bounds
            levels = {_width(node.op)} if isinstance(node.op, Threshold) else set[int]()
            groups[node.name] = _Group(frozenset([node.name]), low, high, frozenset(levels))
    for left, right in _pairs(graph, joins):
        if left in groups and right in groups:
            joined = groups[left].joined(groups[right])
            if joined.storage is not None:
                groups.update(dict.fromkeys(joined.members, joined))
    storages = {name: group.storage for name, group in groups.items()}
    return {name: storage for name, storage in storages.items() if storage is not None}


def _width(op: Threshold) -> int:
    """Return how far apart a threshold's least and largest values are."""
    return op.levels * op.unit


def _pairs(graph: Graph, joins: Iterable[Node]) -> Iterator[tuple[str, str]]:
    """Yield pairs of nodes that should be stored alike, the most important first."""
    for kind in (MaxPool2d, Reshape, Delay):
        for node, _ in graph.of_type(kind):
            yield node.name, node.inputs[0]
    for node, _ in graph.of_type(Concatenate):
        for name in node.inputs:
            yield node.name, name
    for join in joins:
        yield from pairwise(join.inputs)
