"""Run parts of a batch in threads: numpy and LiteRT release Python's lock while they compute."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from threading import Event
from typing import TypeVar

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
