"""Splitting samples so that a run of any size fits into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from numpy.typing import NDArray

from edgespike.graph import Graph
from edgespike.graph.inputs import as_samples

VALUES_AT_ONCE = 2**24
"""Most values that one batch may have over all nodes and steps: 128 MiB as int64."""

ReportProgress = Callable[[str, int, int], None]
"""Called with a target's name, how many samples it has run, and how many there are."""


def no_report(name: str, done: int, total: int) -> None:
    """Take a report of progress and tell nobody."""


def batch_size(graph: Graph) -> int:
    """Return how many samples of a graph have at most :data:`VALUES_AT_ONCE` values, at least 1."""
    values = graph.steps * sum(tensor.size for tensor in graph.tensors.values())
    return max(1, VALUES_AT_ONCE // values)


def batches(
    graph: Graph, samples: NDArray[Any], sizes: int = 1
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Iterate over samples in batches of bounded size.

    Parameters
    ----------
    graph
        What the samples are for.
    samples
        As :func:`edgespike.graph.inputs.as_samples` takes them; they are all checked before the
        first batch is given.
    sizes
        How many times :func:`batch_size` a batch has: more than 1 where no values are kept.

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
    size = batch_size(graph) * sizes
    for start in range(0, len(samples), size):
        yield start, samples[start : start + size]
