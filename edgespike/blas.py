"""Hold numpy's BLAS library to one thread, for products that are too small to share.

Its own threads are slower at them, and many times slower where they wait for cores that other work
uses.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold BLAS to one thread during the block.

    The number of threads belongs to the process: where several threads are in such blocks, the
    first that leaves may end the hold for all.
    """
    with _blas_libraries().limit(limits=1):
        yield


@cache
def _blas_libraries() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")
