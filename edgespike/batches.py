"""Running any number of samples in batches that fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import Graph
from edgespike.graph.inputs import as_samples
from edgespike.trace import Trace

if TYPE_CHECKING:
    from edgespike.counting import Tally
    from edgespike.targets.base import Runner

VALUES_AT_ONCE = 2**24
"""Most values that one batch may have over all nodes and steps: 128 MiB as int64."""

ReportProgress = Callable[[str, int, int], None]
"""Called with a runtime's name, the number of samples that have run, and the total."""


def no_report(name: str, done: int, total: int) -> None:
    """Ignore a report of progress."""


def batch_size(graph: Graph) -> int:
    """Return how many samples of a graph have at most :data:`VALUES_AT_ONCE` values, at least 1."""
    values = graph.steps * sum(tensor.size for tensor in graph.tensors.values())
    return max(1, VALUES_AT_ONCE // values)


def batches(
    graph: Graph, samples: NDArray[Any], factor: int = 1
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Iterate over samples in batches of bounded size.

    Parameters
    ----------
    graph
        What the samples are for.
    samples
        As :func:`edgespike.graph.inputs.as_samples` takes them; all of them are checked before the
        first batch is yielded.
    factor
        Size of a batch in units of :func:`batch_size`: more than 1 where no values are kept.

    Yields
    ------
    start, batch
        Index of the batch's first sample, and ``(samples, steps, *shape)``.

    Raises
    ------
    InputError
        The samples do not fit the graph's input.
    """
    samples = as_samples(graph, samples)
    size = batch_size(graph) * factor
    for start in range(0, len(samples), size):
        yield start, samples[start : start + size]


def trace_all(runner: Runner, samples: NDArray[Any]) -> Trace:
    """Run samples batch by batch and return the values of all of them.

    Parameters and errors are those of :meth:`edgespike.targets.base.Runner.trace`.
    """
    parts = [runner.trace(batch).values for _, batch in batches(runner.graph, samples)]
    if len(parts) == 1:
        return Trace(parts[0])
    return Trace({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})


def tally_all(
    runner: Runner, samples: NDArray[Any], name: str, progress: ReportProgress = no_report
) -> Tally:
    """Run samples batch by batch and return their answers and event counts.

    Parameters
    ----------
    runner
        A prepared graph.
    samples
        As :func:`edgespike.graph.inputs.as_samples` takes them.
    name
        What ``progress`` is told to be running.
    progress
        Called before and after each batch.

    Raises
    ------
    InputError, TargetRunError
        As for :meth:`edgespike.targets.base.Runner.tally`.
    """

    def tallies() -> Iterator[Tally]:
        for start, batch in batches(runner.graph, samples, runner.tally_factor):
            progress(name, start, len(samples))
            yield runner.tally(batch)
            progress(name, start + len(batch), len(samples))

    return reduce(add, tallies())
