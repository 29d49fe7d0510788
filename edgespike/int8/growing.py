"""A graph under construction, and where each tensor of a net is in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from edgespike.graph import Node, Operation, Tensor, Threshold
from edgespike.int8.net import (
    Int8Concatenate,
    Int8MaxPool,
    Int8Net,
    Int8Node,
    Int8Reshape,
    Stored,
)


class StoppedError(Exception):
    """A node cannot be lowered, and what follows from it is not examined; the fault is listed."""


@dataclass(frozen=True)
class Place:
    """Where a tensor's numbers are: the values of a graph's node, plus an offset."""

    node: str
    offset: int


class Growing:
    """A graph under construction.

    Parameters
    ----------
    net
        What it is made of.
    apart
        Nodes, by name, that do not become one with a function behind them.
    """

    def __init__(self, net: Int8Net, apart: Collection[str] = ()) -> None:
        self.net = net
        self.apart = frozenset(apart)
        self.nodes: list[Node] = []
        self.tensors: dict[str, Tensor] = {}
        """Shape and range of each node's values."""
        self.places: dict[str, Place] = {}
        """Where each tensor of the net is, by its node's name."""
        self.violations: list[str] = []
        self.readers: dict[str, list[Int8Node]] = defaultdict(list)
        """Who reads a node of the net, as often as it does."""
        for node in net.nodes:
            for name in node.inputs:
                self.readers[name].append(node)
        self._pooled = _pooled(net)
        self._taken = {node.name for node in net.nodes}
        self._moved: dict[Place, Place] = {}

    def stored(self, name: str) -> Stored:
        """Return how the numbers of a node of the net are stored."""
        return self.net.by_name[name].stored

    def zero(self, node: Int8Node) -> int:
        """Return what is best taken off a node's numbers."""
        return node.stored.low if node.name in self._pooled else node.stored.zero_point

    def add(self, node: Int8Node, name: str, op: Operation, *sources: str) -> str:
        """Add an operation that a node of the net needs, and return its name.

        Raises
        ------
        StoppedError
            The operation does not fit its inputs.
        """
        inputs = [self.tensors[source] for source in sources]
        if faults := list(op.check(inputs)):
            self.violations += [f"{node.title}: {fault}" for fault in faults]
            raise StoppedError
        self.nodes.append(Node(name, op, sources))
        self.tensors[name] = op.infer(inputs, 1)
        return name

    def add_part(self, node: Int8Node, part: str, op: Operation, *sources: str) -> str:
        """Add an operation that a node of the net needs besides, and return its name."""
        name, number = f"{node.name}.{part}", 1
        while name in self._taken:
            number += 1
            name = f"{node.name}.{part}{number}"
        self._taken.add(name)
        return self.add(node, name, op, *sources)

    def at(self, node: Int8Node, place: Place, offset: int) -> Place:
        """Return where numbers that a node reads are with another offset; add neurons if needed."""
        if place.offset == offset:
            return place
        moved = Place(place.node, offset)
        if moved not in self._moved:
            tensor = self.tensors[place.node]
            low, high = tensor.bounds
            theta = np.arange(low + 1, max(high, low + 1) + 1)
            channels = tensor.shape[0]
            op = Threshold(
                np.broadcast_to(theta, (channels, len(theta))),
                np.zeros(channels, np.bool_),
                low + place.offset - offset,
            )
            self._moved[moved] = Place(self.add_part(node, "moved", op, place.node), offset)
        return self._moved[moved]

    def prune(self) -> None:
        """Take out what the last node does not depend on."""
        needed = {self.nodes[-1].name}
        for node in reversed(self.nodes):
            if node.name in needed:
                needed.update(node.inputs)
        self.nodes = [node for node in self.nodes if node.name in needed]
        self.places = {name: at for name, at in self.places.items() if at.node in needed}


def _pooled(net: Int8Net) -> set[str]:
    """Return the nodes whose numbers a max pool reads, so that they must not be below 0."""
    pooled: set[str] = set()
    for node in reversed(net.nodes):
        passed = isinstance(node.op, Int8Concatenate | Int8Reshape) and node.name in pooled
        if passed or isinstance(node.op, Int8MaxPool):
            pooled.update(node.inputs)
    return pooled
