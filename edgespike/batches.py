"""Run any number of samples in batches; the batch size is decided here.

Targets may cut a batch further, into what their caches or their runtimes take at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
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

VALUES_AT_ONCE = 2**26
"""Most values of one batch, over all nodes and steps, if all are in memory: 256 MiB as int32.

Smaller batches would be slow on Lava, which takes seconds to start each one.
"""

COMPUTED_AT_ONCE = 2**30
"""Most values of one batch if memory is bounded: about a second's work, so that progress shows."""

ReportProgress = Callable[[str, int, int], None]
"""Called with the name of what is running, how many of its samples are done, and how many it has.
"""


def no_report(name: str, done: int, total: int) -> None:
    """Ignore a report of progress."""


def batch_size(graph: Graph, *, memory_bounded: bool = False) -> int:
    """Return how many samples a batch may have, at least 1.

    Parameters
    ----------
    graph
        The graph that takes the samples.
    memory_bounded
        Whether what runs the batch bounds its memory itself; if not, the values of all nodes may
        be in memory at once.
    """
    return samples_within(graph, COMPUTED_AT_ONCE if memory_bounded else VALUES_AT_ONCE)


def samples_within(graph: Graph, values: int) -> int:
    """Return how many samples have at most ``values`` values in all nodes and steps, at least 1."""
    return max(1, values // (graph.steps * graph.values_per_step))


def batches(
    graph: Graph, samples: NDArray[Any], *, memory_bounded: bool = False
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Iterate over samples in batches of bounded size.

    Parameters
    ----------
    graph
        The graph that takes the samples.
    samples
        As :func:`edgespike.graph.inputs.as_samples` takes them; all of them are checked before the
        first batch is yielded.
    memory_bounded
        As for :func:`batch_size`.

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
    size = batch_size(graph, memory_bounded=memory_bounded)
    for start in range(0, len(samples), size):
        yield start, samples[start : start + size]


def sha256_of(arrays: Iterable[NDArray[Any]]) -> str:
    """Return the SHA-256 of arrays of integers, one after the other, in hexadecimal.

    Each is hashed as little-endian int64, row-major, so that dtypes and batches do not matter.
    """
    sha = hashlib.sha256()
    for array in arrays:
        sha.update(array.astype("<i8").tobytes())
    return sha.hexdigest()


def trace_all(runner: Runner, samples: NDArray[Any]) -> Trace:
    """Run samples batch by batch and return the values of all of them.

    Parameters and errors are those of :meth:`edgespike.targets.base.Runner.trace`.
    """
    parts = [runner.trace(batch) for _, batch in _batches_for(runner, samples)]
    if len(parts) == 1:  # nothing to copy
        return parts[0]
    names = parts[0].values
    return Trace({name: np.concatenate([part.values[name] for part in parts]) for name in names})


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
        The name that ``progress`` is called with.
    progress
        Called before and after each batch.

    Raises
    ------
    InputError, TargetRunError
        As for :meth:`edgespike.targets.base.Runner.tally`.
    """

    def tallies() -> Iterator[Tally]:
        for start, batch in _batches_for(runner, samples):
            progress(name, start, len(samples))
            yield runner.tally(batch)
            progress(name, start + len(batch), len(samples))

    return reduce(add, tallies())


def _batches_for(runner: Runner, samples: NDArray[Any]) -> Iterator[tuple[int, NDArray[Any]]]:
    return batches(runner.graph, samples, memory_bounded=runner.memory_bounded)
