"""Hold numpy's BLAS library to one thread, for products that are too small to share.

Its own threads are slower at them, and many times slower where they wait for cores that other work
uses.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any


class _Hold:
    """The limit on BLAS threads, which is one for the whole process, while any block needs it."""

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
    """Hold BLAS, in the whole process, to one thread until the last such block ends."""
    _HOLD.begin()
    try:
        yield
    finally:
        _HOLD.end()


@cache
def _blas_libraries() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")
