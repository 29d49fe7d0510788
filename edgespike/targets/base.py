"""What a target is: its limits, its artefact, and the runtimes that run a graph on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from edgespike.counting import Tally, tally_trace
from edgespike.errors import UnsupportedError
from edgespike.graph import Graph
from edgespike.graph.graph import as_graph
from edgespike.trace import Trace


class Runner(Protocol):
    """A graph that is prepared on a runtime. It runs any number of batches."""

    @property
    def graph(self) -> Graph:
        """The graph."""

    @property
    def runtime(self) -> str:
        """Name and version of what runs it."""

    @property
    def tally_factor(self) -> int:
        """How many times as many samples a tally may take as a trace: 1 if it keeps a trace."""

    def trace(self, samples: NDArray[Any]) -> Trace:
        """Run a batch and return every observed node's values.

        Parameters
        ----------
        samples
            As :func:`edgespike.graph.inputs.as_samples` takes them. All values are kept in
            memory; :func:`edgespike.batches.batches` bounds the size of a batch.

        Raises
        ------
        InputError
            The samples do not fit the graph's input.
        TargetRunError
            The runtime failed.
        """

    def tally(self, samples: NDArray[Any]) -> Tally:
        """Run a batch once and return its answers and event counts.

        Parameters and errors are those of :meth:`trace`.
        """


@dataclass(frozen=True)
class TracingRunner:
    """A runner for a runtime that always shows all values.

    Parameters
    ----------
    graph
        The graph.
    runtime
        Name and version of what runs it.
    run
        Runs a batch, as :meth:`Runner.trace` does.
    tally_factor
        1, since a tally keeps a trace.
    """

    graph: Graph
    runtime: str
    run: Callable[[NDArray[Any]], Trace]
    tally_factor: int = 1

    def trace(self, samples: NDArray[Any]) -> Trace:
        """Run a batch and return every observed node's values."""
        return self.run(samples)

    def tally(self, samples: NDArray[Any]) -> Tally:
        """Run a batch once and return its answers and event counts."""
        return tally_trace(self.graph, samples, self.run(samples))


@dataclass(frozen=True)
class Runtime:
    """Something that runs a target's artefact.

    Parameters
    ----------
    name
        As it is named on the command line; the default runtime has the target's name.
    summary
        One line for ``edgespike targets``.
    version
        Returns name and version of what is installed; raises ``EnvironmentMissingError`` if
        nothing is.
    prepare
        Prepares a graph without violations. Raises ``EnvironmentMissingError``.
    setup
        Installs the runtime where ``pip install`` is not enough, and returns name and version.
    """

    name: str
    summary: str
    version: Callable[[], str]
    prepare: Callable[[Graph], Runner]
    setup: Callable[[], str] | None = None


@dataclass(frozen=True)
class LayerNumbers:
    """The number type in which a target computes a layer.

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
    """A kind of hardware or software that computes a graph.

    Parameters
    ----------
    name
        Of the target and of its default runtime.
    violations
        Lists what the target cannot do exactly in a graph, one line each: node, value, limit and
        way out. Empty if it can do everything. The functions below take graphs without violations.
    write
        Writes the artefact's files for a graph into an existing empty folder.
    runtimes
        What runs the artefact, the default first.
    numbers
        Returns the number type of each layer, where it is not the same for all layers.
    codings
        The ways ("graded", "unary") in which levels can travel, the default first; empty where
        there is no choice.
    """

    name: str
    violations: Callable[[Graph], list[str]]
    write: Callable[[Graph, Path], None]
    runtimes: tuple[Runtime, ...]
    numbers: Callable[[Graph], list[LayerNumbers]] | None = None
    codings: tuple[str, ...] = ()

    def check(self, graph: Graph) -> None:
        """Raise ``UnsupportedError`` with all violations if the target cannot do the graph.

        ``InputError`` if ``graph`` is not a graph.
        """
        violations = self.violations(as_graph(graph))
        if violations:
            raise UnsupportedError(f"graph {graph.name!r} cannot run on {self.name}", violations)
