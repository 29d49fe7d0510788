"""How many threads a run may use: one per processor core, or fewer if the caller says so."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from operator import index

from edgespike.errors import InputError, shown

_MOST: ContextVar[int | None] = ContextVar("most threads", default=None)


@contextmanager
def at_most(threads: int | None) -> Iterator[None]:
    """Limit the threads of every run in the block; ``None`` leaves the limit as it is.

    Raises
    ------
    InputError
        ``threads`` is not a whole number of at least 1.
    """
    if threads is None:
        yield
        return
    before = _MOST.set(_checked(threads))
    try:
        yield
    finally:
        _MOST.reset(before)


def most_threads() -> int:
    """Return the current limit, or the number of cores that this process may use."""
    return _MOST.get() or _cores()


def _checked(threads: object) -> int:
    try:
        number = 0 if isinstance(threads, bool) else index(threads)  # type: ignore[arg-type]
    except TypeError:
        number = 0
    if number < 1:
        raise InputError(
            f"threads is {shown(threads)}; give a whole number of at least 1, or None for all cores"
        )
    return number


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # Linux: a container or taskset may allow fewer
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
