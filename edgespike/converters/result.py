"""All that is known after a conversion, beside the graph."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import Graph
from edgespike.quantise.result import Quantised


@dataclass(frozen=True)
class PartCheck:
    """How a part of a source compares with the graph, which must equal it.

    Parameters
    ----------
    path, node
        The part in the source, and the graph's node.
    values, different
        How many values were compared, of all samples and steps, and how many differ.
    """

    path: str
    node: str
    values: int
    different: int

    @staticmethod
    def of(path: str, node: str, differ: NDArray[np.bool_]) -> PartCheck:
        """Return how a part compares, of whether each of its values differs."""
        return PartCheck(path, node, differ.size, int(np.count_nonzero(differ)))


def all_batches(batches: Iterable[Sequence[PartCheck]]) -> list[PartCheck]:
    """Return how parts compare on several batches of samples, each of which has the same parts."""
    return [
        replace(
            parts[0],
            values=sum(part.values for part in parts),
            different=sum(part.different for part in parts),
        )
        for parts in zip(*batches, strict=True)
    ]


@dataclass(frozen=True, eq=False)
class Conversion:
    """A graph, what it was made from, and what that changed.

    Parameters
    ----------
    graph
        The graph.
    converter, kind
        The converter's name and summary; filled in by :func:`edgespike.converters.conversion`.
    quantised
        What quantising changed, and what was assumed; ``None`` for a source that holds whole
        numbers, whose graph is exact.
    said
        What was found, decided and assumed on the way, besides: sentences.
    check
        Runs a source of whole numbers on samples that the graph takes, and compares its parts with
        the graph's; ``None`` where the source cannot be run.
    model
        What the converter took: the model, or the path of the file; filled in likewise.
    """

    graph: Graph
    converter: str = ""
    kind: str = ""
    quantised: Quantised | None = None
    said: tuple[str, ...] = ()
    check: Callable[[NDArray[Any]], Sequence[PartCheck]] | None = None
    model: Any = None

    @property
    def assumed(self) -> tuple[str, ...]:
        """What the source does not say and was assumed; sentences."""
        return (*self.said, *(self.quantised.assumed if self.quantised else ()))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should look at; sentences."""
        return self.quantised.warnings if self.quantised else ()
