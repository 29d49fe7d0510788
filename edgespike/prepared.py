"""Graphs that are kept prepared, so that calls in a loop prepare a graph once."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING

from edgespike.counting import Counter
from edgespike.graph import Graph
from edgespike.targets import get_runtime, prepare

if TYPE_CHECKING:
    from edgespike.targets.base import Runner, Runtime


@dataclass(frozen=True)
class Prepared:
    """A graph that is prepared on a runtime, and what counts its runs.

    Parameters
    ----------
    graph
        The graph.
    runtime
        The runtime.
    runner
        Runs the graph on it.
    """

    graph: Graph
    runtime: Runtime
    runner: Runner

    @cached_property
    def counter(self) -> Counter:
        """Counts the graph's runs."""
        return Counter(self.graph)


_KEPT: deque[Prepared] = deque(maxlen=8)
"""What was prepared last. Graphs never change, so the same object is the same graph.

At most 8 graphs and the memory of their runners are kept, until others take their place.
:func:`edgespike.targets.prepare` keeps nothing, for callers that decide this themselves.
"""

_LOCK = Lock()


def prepared(graph: Graph, name: str) -> Prepared:
    """Return a graph prepared on a runtime, the same one for repeated calls with the same graph.

    Threads that prepare the same graph at the same time may each get a runner of their own.

    Parameters and errors are those of :func:`edgespike.targets.prepare`.
    """
    runtime = get_runtime(name)
    with _LOCK:
        for kept in _KEPT:
            if kept.graph is graph and kept.runtime is runtime:
                return kept
    # Not under the lock: preparing one graph must not hold up the runs of another.
    new = Prepared(graph, runtime, prepare(graph, name))
    with _LOCK:
        _KEPT.append(new)
    return new
