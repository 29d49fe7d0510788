"""From a net of stored whole numbers to an equal graph.

Events of the graph are stored numbers minus the zero point, so that zeros around an image are what
they are in the net, or minus the smallest number of the type where a max pool reads them. What is
between the sums of a layer and its stored numbers becomes thresholds, see
:mod:`edgespike.int8.thresholds`; the sums of two scales are weighted first, see
:mod:`edgespike.int8.pairs`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from edgespike.errors import GraphError, UnsupportedError, shown
from edgespike.graph import Graph
from edgespike.int8.net import Int8Net
from edgespike.int8.rewriting import simplified
from edgespike.int8.walk import walk


@dataclass(frozen=True, eq=False)
class Lowered:
    """An equal graph, and where each tensor of the net is in it.

    Parameters
    ----------
    graph
        The graph.
    nodes
        Name of the graph's node that has a node's numbers, by the net's node. A node whose numbers
        are nowhere in the graph is left out: one that is followed by a function alone, with which
        it has become one, and zero points that became padding.
    offsets
        What is added to the value of the graph's node to get the stored number, by the net's node.
    """

    graph: Graph
    nodes: Mapping[str, str]
    offsets: Mapping[str, int]


def lower(net: Int8Net, name: str, origin: str = "", *, apart: Collection[str] = ()) -> Lowered:
    """Return the graph of a net.

    Its input are stored numbers minus the zero point.

    Parameters
    ----------
    net
        The net.
    name, origin
        Of the graph.
    apart
        Nodes, by name, that do not become one with a function behind them, so that their numbers
        can be compared.

    Raises
    ------
    UnsupportedError
        Lists everything that has no exact form in a graph. Nodes that depend on one whose shape
        does not fit are not examined.
    """
    grown = walk(simplified(net), apart)
    what = f"model {shown(name)} cannot be converted"
    if grown.violations:
        raise UnsupportedError(what, grown.violations)
    grown.prune()
    try:
        graph = Graph(name, tuple(grown.nodes), origin=origin)
    except GraphError as error:
        raise UnsupportedError(what, error.violations) from error
    places = grown.places
    return Lowered(
        graph,
        {node: place.node for node, place in places.items()},
        {node: place.offset for node, place in places.items()},
    )
