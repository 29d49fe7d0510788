"""What a single call costs, and what a second thread brings: wall-clock times."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
from alternation import ratio
from engine_cases import Case

from edgespike.graph import Dense, Graph, Input, Node, Readout
from edgespike.targets.cpu import CpuRunner
from edgespike.threads import at_most

CALLS = 2_000
ANSWERS, COUNTING = "answers only", "counting"
CALL_LIMITS = {ANSWERS: 5.0, COUNTING: 5.0}
THREADS_LEAST, THREADS_RATE = 1.8, 0.1
SECONDS = 0.3
"""Least time of a run with threads."""


def microseconds_a_call() -> dict[str, float]:
    """Measure one sample of a net that is so small that almost only the call remains."""
    weight = np.array([[1, -1, 1, -1], [1, 1, -1, -1], [1, 1, 1, 1]])
    nodes = (
        Node("input", Input((4,), 0, 1, 1.0)),
        Node("dense", Dense(weight, np.zeros(3, np.int64)), ("input",)),
        Node("out", Readout(np.ones(3)), ("dense",)),
    )
    runner, sample = CpuRunner(Graph("tiny", nodes)), np.array([[1, 0, 1, 1]], np.int8)
    return {
        ANSWERS: _microseconds(lambda: runner.answers(sample)),
        COUNTING: _microseconds(lambda: runner.tally(sample)),
    }


def speed_of_two_threads(cases: Sequence[Case], repetitions: int) -> dict[str, float]:
    """Alternate one and two threads on each net that is measured over firing rates."""
    chosen = [case for case in cases if case.rate == THREADS_RATE]
    return {case.name: _gain(case, repetitions) for case in chosen}


def _gain(case: Case, repetitions: int) -> float:
    runner = CpuRunner(case.graph)
    times = _repetitions(runner, case)
    seconds: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(repetitions):
        for threads, found in seconds.items():
            with at_most(threads):
                start = time.perf_counter()
                for _ in range(times):
                    runner.tally(case.samples)
                found.append(time.perf_counter() - start)
    return ratio(seconds[1], seconds[2])


def _repetitions(runner: CpuRunner, case: Case) -> int:
    runner.tally(case.samples)
    start = time.perf_counter()
    runner.tally(case.samples)
    return max(1, round(SECONDS / (time.perf_counter() - start)))


def _microseconds(call: Callable[[], object]) -> float:
    call()
    times = []
    for _ in range(CALLS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1e6 * statistics.median(times)
