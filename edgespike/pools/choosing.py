"""The pool that a command or a call asks for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from edgespike.errors import InputError
from edgespike.pools.base import Pool
from edgespike.pools.local import LocalPool
from edgespike.threads import most_threads


@contextmanager
def pool_of(workers: int | None = None, cluster: str | None = None) -> Iterator[Pool]:
    """Yield processes of this machine, or the workers of a cluster.

    Parameters
    ----------
    workers
        How many processes; ``None`` for one per core.
    cluster
        Address of the scheduler of a running Dask cluster; ``None`` for this machine.

    Raises
    ------
    InputError
        Both are given, or ``workers`` is below 1.
    EnvironmentMissingError
        As for `edgespike.pools.cluster.connected`.
    """
    if cluster is None:
        count = most_threads() if workers is None else workers
        if count < 1:
            raise InputError(f"workers is {count}; give at least 1")
        yield LocalPool(count)
        return
    if workers is not None:
        raise InputError(
            "workers are for this machine, and a cluster has its own; give one of the two"
        )
    from edgespike.pools.cluster import connected

    with connected(cluster) as pool:
        yield pool
