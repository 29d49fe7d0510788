"""Share the samples of a count between workers; the integers are those of one run over all.

Counts of disjoint samples add up, and answers are kept in the samples' order, so that it does not
matter how they are shared.
"""

from __future__ import annotations

import math
from contextlib import closing
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from edgespike.batches import ReportProgress, no_report, tally_all
from edgespike.counting import Tally
from edgespike.graph import Graph
from edgespike.graph.inputs import as_samples
from edgespike.pools.base import ignore_notes, value_of
from edgespike.pools.choosing import pool_of
from edgespike.prepared import Prepared, prepared

if TYPE_CHECKING:
    from edgespike.pools.base import Pool, Say

SHARDS_PER_WORKER = 4
"""Small enough that the last ones end together, and few, since each brings the graph along."""

SHARD_BYTES = 2**23
"""Most bytes of samples that a shard has, if it has more than one sample."""


def tally_shared(
    ready: Prepared,
    samples: NDArray[Any],
    progress: ReportProgress = no_report,
    *,
    workers: int | None = None,
    cluster: str | None = None,
) -> Tally:
    """Run samples in this process, or on workers, and return their answers and event counts.

    Parameters
    ----------
    ready
        The prepared graph.
    samples
        As :func:`edgespike.graph.inputs.as_samples` takes them.
    progress
        Called before and after each batch, or after each shard.
    workers, cluster
        As for :func:`edgespike.pools.choosing.pool_of`; without both, this process runs all.

    Raises
    ------
    InputError, TargetRunError
        As for :func:`edgespike.batches.tally_all`, or the last of several workers died in a shard.
    InputError, EnvironmentMissingError
        As for :func:`edgespike.pools.choosing.pool_of`.
    """
    if workers is None and cluster is None:
        return tally_all(ready.runner, samples, ready.runtime.name, progress)
    as_samples(ready.graph, samples)  # all of them are checked first
    with pool_of(workers, cluster) as pool:
        return tally_on(pool, ready.graph, ready.runtime.name, samples, progress)


def tally_on(
    pool: Pool,
    graph: Graph,
    target: str,
    samples: NDArray[Any],
    progress: ReportProgress = no_report,
) -> Tally:
    """Run samples that fit a graph on the workers of a pool; see `tally_shared`."""
    total = len(samples)
    size = min(
        math.ceil(total / (SHARDS_PER_WORKER * pool.workers())),
        SHARD_BYTES // max(1, samples[:1].nbytes),
    )
    starts = range(0, total, max(1, size))
    shards = [samples[start : start + max(1, size)] for start in starts]
    found: dict[int, Tally] = {}
    done = 0
    progress(target, done, total)
    jobs = [(graph, target, shard) for shard in shards]
    with closing(pool.run(_tally, jobs, ignore_notes)) as outcomes:
        for outcome in outcomes:
            found[outcome.job] = value_of(outcome)
            done += len(shards[outcome.job])
            progress(target, done, total)
    return reduce(add, (found[job] for job in range(len(shards))))


_LAST: list[tuple[str, str, Prepared]] = []
"""The graph that this worker prepared last: shards of one count follow one another."""


def _tally(say: Say, graph: Graph, target: str, samples: NDArray[Any]) -> Tally:
    if not _LAST or _LAST[0][:2] != (graph.hash, target):
        _LAST[:] = [(graph.hash, target, prepared(graph, target))]
    return tally_all(_LAST[0][2].runner, samples, target)
