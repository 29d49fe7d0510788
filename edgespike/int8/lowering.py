"""From a net of stored whole numbers to an equal graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgespike.graph import Graph
from edgespike.int8.net import Int8Net


@dataclass(frozen=True, eq=False)
class Lowered:
    """An equal graph, and where each tensor of the net is in it.

    Parameters
    ----------
    graph
        The graph.
    nodes
        Name of the graph's node that has a node's numbers, by the net's node.
    offsets
        What is added to the value of the graph's node to get the stored number, by the net's node.
    """

    graph: Graph
    nodes: Mapping[str, str]
    offsets: Mapping[str, int]


def lower(net: Int8Net, name: str) -> Lowered:
    """Return the graph of a net.

    Raises
    ------
    UnsupportedError
        Lists everything that has no exact form in a graph.
    """
    raise NotImplementedError
