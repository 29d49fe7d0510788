"""Which sums of a folded net share a unit: those that are added, and all that neurons compare.

A block is a set of weighted layers, with what adds and pools their sums, and the neurons and the
readout that take them. Channels of a block that are added to each other form a group, which has
one unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from edgespike.floats.net import (
    FloatConcatenate,
    FloatConv2d,
    FloatDense,
    FloatNeurons,
    FloatNode,
    FloatPool2d,
    FloatReadout,
    FloatReshape,
    Pooling,
)
from edgespike.graph.tensor import Integers
from edgespike.quantise.spikes.folded import Folded


@dataclass(frozen=True, eq=False)
class Block:
    """Weighted layers whose sums belong together, and who takes them.

    Parameters
    ----------
    weighted
        The layers.
    pools
        Pools that take the largest of sums.
    takers
        Neurons, and perhaps the readout, in the net's order.
    groups
        The group of each channel of a node's sums, ``(channels,)``, by the node's name.
    size
        Number of groups.
    """

    weighted: tuple[FloatNode, ...]
    pools: tuple[FloatNode, ...]
    takers: tuple[FloatNode, ...]
    groups: Mapping[str, Integers]
    size: int

    def of_input(self, taker: FloatNode) -> Integers:
        """Return the group of each channel that a node takes."""
        return self.groups[taker.inputs[0]]


def blocks_of(folded: Folded) -> list[Block]:
    """Return the blocks of a net, in the order in which their first takers run."""
    groups, nodes = _Union(), _Union()
    ids: dict[str, Integers] = {}
    for node in folded.net.nodes:
        if node.name in folded.sums:
            ids[node.name] = _groups_of(node, folded, ids, groups)
            nodes.add(1)
    order = {name: index for index, name in enumerate(ids)}
    for node in folded.net.nodes:
        if node.name in folded.sums and not isinstance(node.op, FloatDense | FloatConv2d):
            for name in node.inputs:
                nodes.join(order[node.name], order[name])
    blocks: dict[int, list[FloatNode]] = {}
    for node in folded.net.nodes:
        if _takes_sums(node, folded):
            blocks.setdefault(nodes.root(order[node.inputs[0]]), []).append(node)
    return [
        _block(folded, tuple(takers), root, nodes, order, ids, groups)
        for root, takers in blocks.items()
    ]


def _takes_sums(node: FloatNode, folded: Folded) -> bool:
    return isinstance(node.op, FloatNeurons | FloatReadout) and node.inputs[0] in folded.sums


def _block(
    folded: Folded,
    takers: tuple[FloatNode, ...],
    root: int,
    nodes: _Union,
    order: Mapping[str, int],
    ids: Mapping[str, Integers],
    groups: _Union,
) -> Block:
    members = [
        node
        for node in folded.net.nodes
        if node.name in order and nodes.root(order[node.name]) == root
    ]
    roots = {node.name: groups.roots(ids[node.name]) for node in members}
    distinct = np.unique(np.concatenate(list(roots.values())))
    own = {name: np.searchsorted(distinct, found) for name, found in roots.items()}
    weighted = tuple(node for node in members if isinstance(node.op, FloatDense | FloatConv2d))
    pools = tuple(
        node
        for node in members
        if isinstance(node.op, FloatPool2d) and node.op.pooling is Pooling.MAX
    )
    return Block(weighted, pools, takers, own, len(distinct))


def _groups_of(
    node: FloatNode, folded: Folded, ids: Mapping[str, Integers], groups: _Union
) -> Integers:
    """Give numbers to the channels of a node's sums, and join those that are added."""
    shape = folded.shapes[node.name]
    match node.op:
        case FloatDense() | FloatConv2d():
            return groups.add(shape[0])
        case FloatConcatenate():
            return np.concatenate([ids[name] for name in node.inputs])
        case FloatReshape():
            before = folded.shapes[node.inputs[0]]
            each = np.repeat(ids[node.inputs[0]], prod(before[1:])).reshape(shape[0], -1)
            for row in each:
                for other in np.unique(row):
                    groups.join(int(row[0]), int(other))
            return each[:, 0].copy()
        case _:
            first, *others = (ids[name] for name in node.inputs)
            for other in others:
                for left, right in zip(first.tolist(), other.tolist(), strict=True):
                    groups.join(left, right)
            return first


class _Union:
    """Numbers 0, 1, ... in disjoint sets."""

    def __init__(self) -> None:
        self.parents: list[int] = []

    def add(self, count: int) -> Integers:
        """Add sets of one number each, and return the numbers."""
        first = len(self.parents)
        self.parents += range(first, first + count)
        return np.arange(first, first + count)

    def root(self, number: int) -> int:
        """Return the number that stands for a number's set."""
        while self.parents[number] != number:
            self.parents[number] = self.parents[self.parents[number]]
            number = self.parents[number]
        return number

    def roots(self, numbers: Integers) -> Integers:
        """Return what stands for each number's set."""
        return np.array([self.root(number) for number in numbers.tolist()], np.int64)

    def join(self, left: int, right: int) -> None:
        """Make one set of two."""
        first, second = sorted((self.root(left), self.root(right)))
        self.parents[second] = first
