"""All that is known after a conversion, beside the graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgespike.graph import Graph
from edgespike.quantise.result import Quantised


@dataclass(frozen=True, eq=False)
class Conversion:
    """A graph, what it was made from, and what that changed.

    Parameters
    ----------
    graph
        The graph.
    converter
        Name of the converter.
    kind
        What the source is, as the converter's summary says.
    quantised
        What quantising changed, and what was assumed; ``None`` for a source that holds whole
        numbers, whose graph is exact.
    said
        What else was decided on the way: the part of a file that holds the weights, say.
    model
        What the converter took: the model, or the path of the file.
    """

    graph: Graph
    converter: str
    kind: str
    quantised: Quantised | None = None
    said: tuple[str, ...] = ()
    model: Any = None

    @property
    def assumed(self) -> tuple[str, ...]:
        """What the source does not say and was assumed; sentences."""
        return (*self.said, *(self.quantised.assumed if self.quantised else ()))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should look at; sentences."""
        return self.quantised.warnings if self.quantised else ()
