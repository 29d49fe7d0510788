"""Workers that are processes of this machine.

They are started by :mod:`multiprocessing` afresh, not forked, and each has a pipe to this process.
A worker that dies closes its pipe: its job goes to another. When this process dies, however it
does, the workers see the other end close and end themselves.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Generator, Sequence
from contextlib import suppress
from multiprocessing import connection, parent_process
from typing import Any

from edgespike.pools.base import (
    ATTEMPTS,
    LOST,
    STARTED,
    WORKER_DIED,
    Failure,
    Hear,
    JobFunction,
    Outcome,
    attempt,
)
from edgespike.workers.processes import ending

_NOTE, _END = "note", "end"
_SECONDS_TO_END = 5.0


class LocalPool:
    """A number of processes, each with one thread.

    Parameters
    ----------
    count
        How many, at least 1.
    """

    def __init__(self, count: int) -> None:
        self._count = count

    def workers(self) -> int:
        """Return how many jobs run at a time."""
        return self._count

    def run(
        self, function: JobFunction, jobs: Sequence[tuple[Any, ...]], hear: Hear
    ) -> Generator[Outcome]:
        """Run the jobs; see `edgespike.pools.base.Pool.run`."""
        waiting, deaths = deque(range(len(jobs))), Counter[int]()
        members: list[_Member] = []
        try:
            while waiting or any(member.job is not None for member in members):
                if waiting and (idle := self._idle(members, function)):
                    job = waiting.popleft()
                    hear(job, STARTED)
                    idle.give(job, jobs[job])
                    continue
                for member in _with_news(members):
                    job, news = member.news()
                    if news is None:
                        members.remove(member)
                        deaths[job] += 1
                        how = member.end()
                        if deaths[job] < ATTEMPTS:
                            hear(job, LOST)
                            waiting.appendleft(job)
                        else:
                            why = f"{deaths[job]} workers ended in it, the last one {how}"
                            yield Outcome(job, failure=Failure(WORKER_DIED, why))
                    elif news[0] == _NOTE:
                        hear(job, news[1])
                    else:
                        yield Outcome(job, *news[1])
        finally:
            for member in members:
                member.end()

    def _idle(self, members: list[_Member], function: JobFunction) -> _Member | None:
        """Return a worker without a job, a new one if there may be more; None if all have one."""
        for member in members:
            if member.job is None:
                return member
        if len(members) == self._count:
            return None
        members.append(_Member(function))
        return members[-1]


class _Member:
    """One worker, and the job that it has."""

    def __init__(self, function: JobFunction) -> None:
        context = multiprocessing.get_context("spawn")
        self.job: int | None = None
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, function), daemon=True)
        # Ctrl-C goes to all processes of a terminal, and only this one is to act on it; a signal
        # that arrives meanwhile waits.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()

    def give(self, job: int, arguments: tuple[Any, ...]) -> None:
        self.job = job
        with suppress(BrokenPipeError):  # it died; its news will say so
            self.pipe.send(arguments)

    def news(self) -> tuple[int, tuple[str, Any] | None]:
        """Return the job and what the worker sent about it; None if the worker died."""
        assert self.job is not None
        job = self.job
        try:
            news: tuple[str, Any] = self.pipe.recv()
        except (EOFError, OSError):
            return job, None
        if news[0] == _END:
            self.job = None
        return job, news

    def end(self) -> str:
        """End the process, if it runs, and return how it ended."""
        self._process.join(0 if self.job is None else 0.1)
        self._process.kill()
        self._process.join(_SECONDS_TO_END)
        self.pipe.close()
        return ending(self._process.exitcode or 0)


def _with_news(members: Sequence[_Member]) -> list[_Member]:
    """Wait until a busy worker has sent something or died, and return all that have."""
    busy = {member.pipe: member for member in members if member.job is not None}
    return [busy[pipe] for pipe in connection.wait(list(busy))]  # type: ignore[index]


def _work(pipe: connection.Connection, function: JobFunction) -> None:
    """Answer jobs until the pipe closes: the life of a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.dup2(2, 1)  # standard output is for the command's answer alone
    os.environ["OMP_NUM_THREADS"] = "1"  # before a job imports torch
    with suppress(EOFError, BrokenPipeError):
        while True:
            arguments = pipe.recv()
            pipe.send((_END, attempt(function, lambda note: pipe.send((_NOTE, note)), arguments)))


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
