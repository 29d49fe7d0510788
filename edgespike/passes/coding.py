"""How a graph's levels are encoded. The command line imports this for its help: keep it light."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from typing_extensions import assert_never

if TYPE_CHECKING:
    from edgespike.graph import Graph


class Coding(str, Enum):
    """How the levels of neurons are encoded."""

    GRADED = "graded"
    """Each as one event that carries a number: the graph unchanged."""

    UNARY = "unary"
    """Each as that number of single spikes, see :func:`edgespike.passes.unary.unary`."""

    def apply(self, graph: Graph) -> Graph:
        """Return the graph with its levels encoded in this way.

        Raises
        ------
        UnsupportedError
            The graph has no unary form; all reasons are listed.
        """
        match self:
            case Coding.GRADED:
                return graph
            case Coding.UNARY:
                from edgespike.passes.unary import unary

                return unary(graph)
            case _:
                assert_never(self)
