"""Limit numpy's BLAS library to one thread, for products that are too small to share.

More threads make such products slower, and many times slower where other work uses the cores.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any


class _Hold:
    """Counts the blocks that need the limit; it is set for the whole process, so they share it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._blocks = 0
        self._limit: Any = None

    def begin(self) -> None:
        with self._lock:
            if self._blocks == 0:
                self._limit = _blas_libraries().limit(limits=1)
            self._blocks += 1

    def end(self) -> None:
        with self._lock:
            self._blocks -= 1
            if self._blocks == 0:
                self._limit.restore_original_limits()


_HOLD = _Hold()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread, in the whole process, until the last such block ends."""
    _HOLD.begin()
    try:
        yield
    finally:
        _HOLD.end()


@cache
def _blas_libraries() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")
