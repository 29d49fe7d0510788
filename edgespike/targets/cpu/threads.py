"""Run parts of a batch in threads: numpy and LiteRT release Python's lock while they compute."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from threading import Event, Lock
from typing import Any, TypeVar

Part = TypeVar("Part")


def run_parts(work: Callable[[Part], Iterator[None]], parts: Sequence[Part], threads: int) -> None:
    """Work through every part, in at most that many threads, and leave none of them running.

    Parameters
    ----------
    work
        Does one part; it yields wherever it may be stopped.

    Raises
    ------
    BaseException
        What the first part that failed raised, or what interrupted the caller; the other parts
        stop.
    """
    if threads == 1 or len(parts) == 1:
        for part in parts:
            for _ in work(part):
                pass
    else:
        _run_in_threads(work, parts, threads)


def _run_in_threads(
    work: Callable[[Part], Iterator[None]], parts: Sequence[Part], threads: int
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    stopped = Event()

    def run(part: Part) -> None:
        try:
            for _ in work(part):
                if stopped.is_set():
                    return
        except BaseException:
            stopped.set()
            raise

    with ThreadPoolExecutor(min(threads, len(parts)), "edgespike") as pool:
        running = [pool.submit(run, part) for part in parts]
        try:
            for each in running:
                each.result()
        finally:  # without an error, nothing is left to stop
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)


class _Hold:
    """The limit on BLAS threads, which is one for the whole process, while any run needs it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._runs = 0
        self._limit: Any = None

    def begin(self) -> None:
        with self._lock:
            if self._runs == 0:
                self._limit = _blas_libraries().limit(limits=1)
            self._runs += 1

    def end(self) -> None:
        with self._lock:
            self._runs -= 1
            if self._runs == 0:
                self._limit.restore_original_limits()


_HOLD = _Hold()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold numpy's BLAS library, in the whole process, to one thread.

    Its own threads are slower at products as small as those of a block, and many times slower
    where they wait for cores that other work uses.
    """
    _HOLD.begin()
    try:
        yield
    finally:
        _HOLD.end()


@cache
def _blas_libraries() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")
