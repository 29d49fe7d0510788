"""What a target is: what it can do, the artefact it writes, and the runtimes that run a graph.

A runtime is a :class:`Runtime`: its functions name it and prepare graphs for it. Its ``version``
returns a string with the name and version of the installed software. A runner, one prepared graph,
has this string as its ``runtime``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from edgespike.counting import Tally, tally_trace
from edgespike.counting.arrivals import Placement
from edgespike.counting.instructions import Instructions
from edgespike.errors import UnsupportedError
from edgespike.graph import Graph
from edgespike.graph.graph import as_graph
from edgespike.graph.tensor import Integers
from edgespike.trace import Trace


class Runner(Protocol):
    """A graph prepared on a runtime: it runs any number of batches.

    Each method runs all of its samples as one batch; :func:`edgespike.batches.trace_all` and
    :func:`edgespike.batches.tally_all` run any number in batches that fit into memory.
    """

    @property
    def graph(self) -> Graph:
        """The graph."""

    @property
    def runtime(self) -> str:
        """Name and version of the software that runs it, as in ``numpy 2.1.0``."""

    @property
    def memory_bounded(self) -> bool:
        """Whether a run takes a bounded amount of memory besides what it returns.

        If not, batches are smaller, so that the values of all nodes fit into memory.
        """

    def trace(self, samples: NDArray[Any]) -> Trace:
        """Run a batch and return every observed node's values.

        Parameters
        ----------
        samples
            Integers ``(samples, *shape)`` or ``(samples, steps, *shape)``, as
            :func:`edgespike.graph.inputs.as_samples` takes them.

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
    """A runner made of one function, which returns a trace; events are counted in the trace.

    Parameters
    ----------
    graph
        The graph.
    runtime
        Name and version of the software that runs it.
    run
        Runs a batch, as :meth:`Runner.trace` does.
    """

    graph: Graph
    runtime: str
    run: Callable[[NDArray[Any]], Trace]

    @property
    def memory_bounded(self) -> bool:
        """``False``: a tally is made from a trace, and nothing is known of what ``run`` takes."""
        return False

    def trace(self, samples: NDArray[Any]) -> Trace:
        """Run a batch and return every observed node's values."""
        return self.run(samples)

    def tally(self, samples: NDArray[Any]) -> Tally:
        """Run a batch once and return its answers and event counts."""
        return tally_trace(self.graph, samples, self.run(samples))


@dataclass(frozen=True)
class Runtime:
    """Software that runs a target's artefact.

    Parameters
    ----------
    name
        Its name on the command line; a target's default runtime has the target's name.
    summary
        One line for ``edgespike targets``.
    version
        Returns name and version of what is installed. Raises ``EnvironmentMissingError`` if it
        is not installed.
    prepare
        Prepares a graph without violations. Raises ``EnvironmentMissingError``.
    setup
        Installs the runtime and returns its name and version; ``None`` where ``pip install`` is
        enough.
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
        Name of the node, or names of those that are computed together.
    numbers
        Data type and scaling.
    why
        What allows it, or what rules out a cheaper one.
    """

    layer: str
    numbers: str
    why: str


def without_repeats(rows: Iterable[LayerNumbers]) -> list[LayerNumbers]:
    """Return rows for a table, in which neighbours with equal numbers and reasons are one."""
    return [
        LayerNumbers(", ".join(row.layer for row in equal), numbers, why)
        for (numbers, why), equal in groupby(rows, key=lambda row: (row.numbers, row.why))
    ]


@dataclass(frozen=True)
class Target:
    """A kind of hardware or software that computes a graph.

    Parameters
    ----------
    name
        Name of the target and of its default runtime.
    violations
        Returns what in a graph the target cannot compute exactly, one line each: node, value,
        limit and way out. Empty if the target can run the graph. All other functions, and those of
        the runtimes, are only called with graphs without violations.
    write
        Writes the artefact's files for a graph into an existing empty folder.
    runtimes
        What runs the artefact, the default first.
    numbers
        Returns the number type of each layer; ``None`` if it is the same for all layers.
    remarks
        Returns what to know of a graph's artefact, one line each: what it lacks, with the reason
        and the way out, or where it says more; ``None`` if there is nothing.
    codings
        How levels can travel ("graded", "unary"), the default first; empty if there is no choice.
    write_with_samples
        Like ``write``, with samples as third argument, among which those that check the artefact
        are chosen; ``None`` if the artefact has no samples.
    with_kernels
        Returns this target with other ways to compute some layers than it would choose, by the
        layers' names and the ways' names; what does not fit a graph is among its violations.
        ``None`` if there is no choice.
    placement
        Returns which neurons of a graph share a core, ``None`` for a graph that cannot be placed;
        ``None`` if the target has no cores.
    instructions
        Returns the instructions of a sample on each core that the target knows, from a graph, the
        events of a tally and its number of samples; ``None`` if the target knows none.
    """

    name: str
    violations: Callable[[Graph], list[str]]
    write: Callable[[Graph, Path], None]
    runtimes: tuple[Runtime, ...]
    numbers: Callable[[Graph], list[LayerNumbers]] | None = None
    remarks: Callable[[Graph], list[str]] | None = None
    codings: tuple[str, ...] = ()
    write_with_samples: Callable[[Graph, Path, NDArray[Any]], None] | None = None
    with_kernels: Callable[[Mapping[str, str]], Target] | None = None
    placement: Callable[[Graph], Placement | None] | None = None
    instructions: Callable[[Graph, Mapping[str, Integers], int], dict[str, Instructions]] | None = (
        None
    )

    def check(self, graph: Graph) -> None:
        """Refuse a graph that the target cannot compute exactly.

        Raises
        ------
        InputError
            ``graph`` is not a graph.
        UnsupportedError
            The target cannot run it; all violations are listed.
        """
        violations = self.violations(as_graph(graph))
        if violations:
            raise UnsupportedError(f"graph {graph.name!r} cannot run on {self.name}", violations)
