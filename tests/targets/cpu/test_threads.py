"""Runs in several threads: equal to the interpreter, ended by errors, and nothing left behind."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from edgespike.blas import one_blas_thread
from edgespike.counting import Counter, count
from edgespike.graph import Graph, Input
from edgespike.interpreter import interpret
from edgespike.targets.cpu import CpuRunner, run
from edgespike.targets.cpu.native.engine import NativeEngine
from edgespike.targets.cpu.numpy_engine import NumpyEngine
from edgespike.targets.cpu.threads import run_parts
from edgespike.threads import at_most
from tests.targets.cpu.graphs import random_samples
from tests.targets.cpu.test_running import (
    MEMBRANE,
    OR_POOLED,
    RECURRENT,
    SUMS_OF_LEVELS,
    with_and_without_the_native_engine,
)


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No thread of ours runs after a test, and BLAS may use what it could use before."""
    before = blas_threads()
    yield
    assert not [each for each in threading.enumerate() if each.name.startswith("edgespike")]
    assert blas_threads() == before


def blas_threads() -> list[int]:
    return [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]


@pytest.mark.parametrize(
    "graph",
    [OR_POOLED, SUMS_OF_LEVELS, MEMBRANE, RECURRENT],
    ids=["or", "sums of levels", "membrane", "recurrent"],
)
@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("constant", [False, True], ids=["changing", "constant"])
@with_and_without_the_native_engine
def test_any_number_of_threads_gives_the_same(
    graph: Graph, threads: int, constant: bool, native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "THREAD_VALUES", 1)
    monkeypatch.setattr(run, "PART_SAMPLES", 40)
    op = graph.input.op
    assert isinstance(op, Input)
    for number in (1, 7, 130):
        samples = random_samples(op, number, None if constant else graph.steps)
        expected = interpret(graph, samples)
        runner = CpuRunner(graph, native=native)
        with at_most(threads):
            trace, tally = runner.trace(samples), runner.tally(samples)
            np.testing.assert_array_equal(runner.answers(samples), tally.accumulators)
        for name, values in expected.values.items():
            np.testing.assert_array_equal(trace.values[name], values, err_msg=name)
        counts = count(graph, samples, expected).to_json()
        assert Counter(graph).counts(tally).to_json() == counts


def test_parts_run_at_the_same_time() -> None:
    together = threading.Barrier(3, timeout=30)

    def work(part: int) -> Iterator[None]:
        together.wait()
        yield

    run_parts(work, range(3), 3)


def test_products_inside_use_one_thread() -> None:
    found: list[list[int]] = []

    def work(part: int) -> Iterator[None]:
        with one_blas_thread():  # of a run inside, or beside, that ends earlier
            pass
        found.append(blas_threads())
        yield

    with one_blas_thread():
        run_parts(work, range(4), 2)
    assert all(set(each) == {1} for each in found)
    assert len(found) == 4


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_ends_the_run(threads: int) -> None:
    begun: list[int] = []

    def work(part: int) -> Iterator[None]:
        begun.append(part)
        if part == 1:
            raise ValueError("part 1")
        yield

    with pytest.raises(ValueError, match="part 1"):
        run_parts(work, range(1000), threads)
    assert len(begun) < 1000


def test_an_engine_that_fails_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(run, "THREAD_VALUES", 1)
    for native, engine in ((True, NativeEngine), (False, NumpyEngine)):
        runner = CpuRunner(MEMBRANE, native=native)
        monkeypatch.setattr(engine, "_run", fail)
        for threads in (1, 2):
            for call in (runner.trace, runner.answers, runner.tally):
                with at_most(threads), pytest.raises(MemoryError, match="no room"):
                    call(np.zeros((50, 6), np.int64))


@pytest.mark.parametrize("threads", [1, 2])
def test_an_interrupt_ends_every_part(threads: int) -> None:
    def work(part: int) -> Iterator[None]:
        while True:
            time.sleep(0.01)
            yield

    main = threading.main_thread().ident
    assert main is not None
    timer = threading.Timer(0.3, signal.pthread_kill, (main, signal.SIGINT))
    # A process in the background may have been started with this signal ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            run_parts(work, range(2), threads)
        timer.join()
    finally:
        signal.signal(signal.SIGINT, before)
