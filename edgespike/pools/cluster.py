"""Workers of a running Dask cluster: other machines, reached through their scheduler over TCP.

Dask keeps track of which worker has which job, gives the jobs of a lost worker to others, and gives
a job up that cost several workers their lives. Workers need the same edgespike as this process.
"""

from __future__ import annotations

import logging
import queue
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from edgespike import __version__
from edgespike.errors import EnvironmentMissingError
from edgespike.extras import needs_extra
from edgespike.pools.base import (
    LOST,
    STARTED,
    WORKER_DIED,
    Failure,
    Hear,
    JobFunction,
    Outcome,
    attempt,
)

if TYPE_CHECKING:
    from typing import TypeAlias

    from distributed import Client, Future

    News: TypeAlias = queue.SimpleQueue[tuple[int, Any, Future | None]]

SECONDS_TO_CONNECT = 20.0
"""How long a scheduler may take to answer, and then to have a worker."""

_HOW = "start one with 'dask scheduler', and 'dask worker ADDRESS --nthreads 1' for each core"


class ClusterError(EnvironmentMissingError):
    """A cluster does not answer, has no workers, or not the workers that are needed."""


class ClusterPool:
    """The workers of a cluster.

    Parameters
    ----------
    client
        Connected to its scheduler.
    address
        Of the scheduler, for messages.
    """

    def __init__(self, client: Client, address: str) -> None:
        self._client, self._address = client, address

    def workers(self) -> int:
        """Return how many jobs run at a time; workers may come and go."""
        return max(1, len(self._client.nthreads()))

    def run(
        self, function: JobFunction, jobs: Sequence[tuple[Any, ...]], hear: Hear
    ) -> Generator[Outcome]:
        """Run the jobs; see `edgespike.pools.base.Pool.run`.

        Raises
        ------
        ClusterError
            The connection to the scheduler is lost.
        """
        topic = f"edgespike-{uuid4().hex}"
        news: News = queue.SimpleQueue()
        self._client.subscribe_topic(topic, lambda event: news.put((*event[1], None)))
        futures: list[Future] = []
        try:
            for job, arguments in enumerate(jobs):
                future = self._client.submit(
                    *(_work, function, topic, job, arguments),
                    key=f"{topic}-{job}",
                    pure=False,
                )
                futures.append(future)
                _tell_end(future, job, news)
            yield from self._outcomes(news, len(jobs), hear)
        finally:
            with suppress(Exception):  # the cluster may be gone
                self._client.cancel(futures, force=True)
                self._client.unsubscribe_topic(topic)

    def _outcomes(self, news: News, jobs: int, hear: Hear) -> Iterator[Outcome]:
        started: set[int] = set()
        ended: set[int] = set()
        while len(ended) < jobs:
            job, note, done = news.get()
            if job in ended:  # a note that comes late, from a worker that was taken for dead
                continue
            if done is not None:
                if done.status in ("lost", "pending"):  # its worker died with the result
                    _tell_end(done, job, news)
                    continue
                ended.add(job)
                yield self._outcome(job, done)
            elif note == STARTED and job in started:
                hear(job, LOST)
                hear(job, STARTED)
            else:
                started.add(job)
                hear(job, note)

    def _outcome(self, job: int, done: Future) -> Outcome:
        from distributed import KilledWorker

        if done.status == "finished":
            value, failure = done.result()
            done.release()
            return Outcome(job, value, failure)
        if done.status == "error":
            error = done.exception()
            if isinstance(error, KilledWorker):
                return Outcome(job, failure=Failure(WORKER_DIED, str(error)))
            return Outcome(job, failure=Failure(type(error).__name__, str(error)))
        raise ClusterError(
            f"the connection to cluster {self._address} is lost; start it again, then run again"
        )


def _tell_end(future: Future, job: int, news: News) -> None:
    future.add_done_callback(lambda done: news.put((job, None, done)))


@contextmanager
def connected(address: str) -> Iterator[ClusterPool]:
    """Connect to a cluster during the block.

    Parameters
    ----------
    address
        Of its scheduler, such as ``tcp://10.0.0.1:8786``.

    Raises
    ------
    EnvironmentMissingError
        The extra ``cluster`` is not installed.
    ClusterError
        Nothing answers at the address, or the workers are missing, have another edgespike, or more
        than one thread each.
    """
    with needs_extra("cluster", "a cluster"):
        from distributed import Client
    # A lost connection is told by an error, once.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise ClusterError(
            f"cluster {address} does not answer within {SECONDS_TO_CONNECT:.0f} s ({error}); {_HOW}"
        ) from None
    with client:
        _check_workers(client, address)
        yield ClusterPool(client, address)


def _check_workers(client: Client, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=SECONDS_TO_CONNECT)
    except TimeoutError:
        raise ClusterError(f"cluster {address} has no workers; {_HOW}") from None
    faults = []
    for worker, found in sorted(client.run(_about, on_error="return").items()):
        if not isinstance(found, tuple):
            faults.append(f"{worker} cannot import edgespike: {found}; install it there")
            continue
        version, threads = found
        if version != __version__:
            faults.append(f"{worker} has edgespike {version}, here is {__version__}")
        if threads != 1:
            faults.append(
                f"{worker} has {threads} threads; start it with --nthreads 1, and --nworkers "
                f"{threads} for as many jobs at a time"
            )
    if faults:
        lines = "".join(f"\n  - {fault}" for fault in faults)
        raise ClusterError(f"cluster {address} cannot be used:{lines}")


def _about(dask_worker: Any) -> tuple[str, int]:
    """Return a worker's version of edgespike and its number of threads."""
    return __version__, dask_worker.state.nthreads


def _work(
    function: JobFunction, topic: str, job: int, arguments: tuple[Any, ...]
) -> tuple[Any, Failure | None]:
    """Answer one job, in a worker."""
    from distributed import get_worker

    worker = get_worker()

    def say(note: Any) -> None:
        worker.log_event(topic, (job, note))

    say(STARTED)
    return attempt(function, say, arguments)
