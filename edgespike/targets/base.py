"""What a target is: a name and a few functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgespike.counting import Counts
from edgespike.errors import UnsupportedError
from edgespike.graph import Graph
from edgespike.graph.graph import as_graph
from edgespike.trace import Trace


@dataclass(frozen=True)
class Recipe:
    """In which numbers a target computes a layer.

    Parameters
    ----------
    layer
        Name of the node, or of those that are computed together.
    numbers
        Data type, and how it is scaled.
    why
        What allows it, or what forbids a cheaper one.
    """

    layer: str
    numbers: str
    why: str


@dataclass(frozen=True)
class Target:
    """A place where a graph can run.

    Parameters
    ----------
    name
        As it is named on the command line.
    summary
        One line for ``edgespike targets``.
    violations
        Lists what of a graph the target cannot do exactly, one line each: node, value, limit and
        way out. Empty if it can do all. The functions below take graphs without violations.
    write
        Writes the artefact's files for a graph into an existing empty folder.
    run
        Runs samples, shaped as :func:`edgespike.graph.inputs.as_samples` takes them, on the
        target's runtime and gives every observed node's values.
    runtime
        Names the runtime and its version; raises ``EnvironmentMissingError`` if it is not there.
    setup
        Installs the runtime where that is not a matter of ``pip install``, and names it.
    runtime_of
        Names what runs a graph, where that is not the same for all graphs.
    count
        Runs samples as ``run`` does and counts, where that takes less than counting all values.
    recipes
        Tells in which numbers each layer of a graph is computed, where that is not the same for
        all layers.
    codings
        The ways ("graded", "unary") between which its user chooses how levels travel, the default
        first; empty where there is no choice.
    """

    name: str
    summary: str
    violations: Callable[[Graph], list[str]]
    write: Callable[[Graph, Path], None]
    run: Callable[[Graph, NDArray[Any]], Trace]
    runtime: Callable[[], str]
    setup: Callable[[], str] | None = None
    runtime_of: Callable[[Graph], str] | None = None
    count: Callable[[Graph, NDArray[Any]], Counts] | None = None
    recipes: Callable[[Graph], list[Recipe]] | None = None
    codings: tuple[str, ...] = ()

    def runtime_for(self, graph: Graph) -> str:
        """Name what runs this very graph, and its version."""
        return self.runtime() if self.runtime_of is None else self.runtime_of(graph)

    def check(self, graph: Graph) -> None:
        """Raise ``UnsupportedError`` with all violations if the target cannot do the graph.

        ``InputError`` if it is no graph.
        """
        violations = self.violations(as_graph(graph))
        if violations:
            raise UnsupportedError(f"graph {graph.name!r} cannot run on {self.name}", violations)
