"""What a pool of workers is: it runs a function once for each job, wherever there is room."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from edgespike.blas import one_blas_thread
from edgespike.errors import EdgespikeError, TargetRunError
from edgespike.threads import at_most

ATTEMPTS = 3
"""How many workers a job may cost before it counts as failed: it may be the job that kills them."""

STARTED, LOST = "started", "lost"
"""Notes that a pool itself hears of a job: a worker took it; that worker died, and another will."""

INTERNAL = "internal error"
"""The kind of a failure that edgespike did not expect."""

WORKER_DIED = "WorkerDiedError"
"""The kind of a failure of a job whose workers died."""

Say = Callable[[Any], None]
"""What a job calls with notes about its progress: plain values, which the pool's user hears."""

Hear = Callable[[int, Any], None]
"""Called in the user's own thread with the index of a job and a note."""

JobFunction = Callable[..., Any]
"""A function of a module, found there by its name in each worker; called with `Say`, then with the
job's arguments."""


@dataclass(frozen=True)
class Failure:
    """Why a job has no result.

    Parameters
    ----------
    kind
        Name of the error's class, `WORKER_DIED` or `INTERNAL`.
    message
        The error's message; of an internal error, its stack trace.
    """

    kind: str
    message: str


@dataclass(frozen=True)
class Outcome:
    """How a job ended: its index, and what its function returned or why it did not."""

    job: int
    value: Any = None
    failure: Failure | None = None


class WorkerFailedError(TargetRunError):
    """A job failed in a worker."""


class Pool(Protocol):
    """A number of workers."""

    def workers(self) -> int:
        """Return how many jobs run at a time."""

    def run(
        self, function: JobFunction, jobs: Sequence[tuple[Any, ...]], hear: Hear
    ) -> Generator[Outcome]:
        """Run a function for each job, and yield how each ended, in the order in which they end.

        Each job ends once. Leaving the iterator, by an error or by ``close``, ends all workers'
        jobs.

        Parameters
        ----------
        function
            See `JobFunction`. It and what it is given and returns can be pickled.
        jobs
            The arguments of each call.
        hear
            See `Hear`.
        """


def ignore_notes(job: int, note: Any) -> None:
    """Hear nothing."""


def attempt(
    function: JobFunction, say: Say, arguments: tuple[Any, ...]
) -> tuple[Any, Failure | None]:
    """Call a job's function in a worker; return its value or why it failed.

    Errors travel as text: the worker of another machine need not have the same classes.
    """
    try:
        with one_thread():
            return function(say, *arguments), None
    except (EdgespikeError, OSError, MemoryError) as error:
        return None, Failure(type(error).__name__, str(error))
    except Exception:
        return None, Failure(INTERNAL, traceback.format_exc())


@contextmanager
def one_thread() -> Iterator[None]:
    """Run the graphs and the BLAS products of the block on one thread: each worker has one core."""
    with at_most(1), one_blas_thread():
        yield


def value_of(outcome: Outcome) -> Any:
    """Return what a job returned.

    Raises
    ------
    WorkerFailedError
        It failed.
    """
    if outcome.failure is not None:
        raise WorkerFailedError(outcome.failure.message)
    return outcome.value
