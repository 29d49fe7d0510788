"""BLAS keeps to one thread while it is held, and gets its threads back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from edgespike import blas
from edgespike.blas import one_blas_thread

pytestmark = pytest.mark.skipif(
    not any(each["user_api"] == "blas" for each in threadpool_info()),
    reason="numpy's BLAS library here has no setting for threads",
)


def threads() -> list[int]:
    return [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]


@pytest.fixture
def two_threads() -> Any:
    np.ones((2, 2)) @ np.ones((2, 2))
    with blas._blas_libraries().limit(limits=2):
        yield [2] * len(threads())


def test_one_thread_inside_and_the_former_number_after(two_threads: list[int]) -> None:
    with one_blas_thread():
        assert set(threads()) == {1}
        with one_blas_thread():
            assert set(threads()) == {1}
        assert set(threads()) == {1}
    assert threads() == two_threads
    with pytest.raises(ZeroDivisionError), one_blas_thread():
        _ = 1 / 0
    assert threads() == two_threads
