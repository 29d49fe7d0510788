"""Workers on this machine: each job ends once, whatever happens to the workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from edgespike.errors import InputError
from edgespike.pools.base import (
    ATTEMPTS,
    INTERNAL,
    LOST,
    STARTED,
    WORKER_DIED,
    WorkerFailedError,
    ignore_notes,
    value_of,
)
from edgespike.pools.choosing import pool_of
from edgespike.pools.local import LocalPool
from tests.pools import jobs


def running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_until_gone(pids: list[int]) -> bool:
    end = time.monotonic() + 20
    while any(map(running, pids)) and time.monotonic() < end:
        time.sleep(0.05)
    return not any(map(running, pids))


@pytest.mark.parametrize("workers", [1, 3])
def test_each_job_ends_once(workers: int) -> None:
    heard: list[tuple[int, Any]] = []
    outcomes = list(
        LocalPool(workers).run(
            jobs.square, [(n,) for n in range(7)], lambda job, note: heard.append((job, note))
        )
    )
    assert sorted((each.job, value_of(each)) for each in outcomes) == [(n, n * n) for n in range(7)]
    for job in range(7):
        assert [note for which, note in heard if which == job] == [STARTED, {"half": job / 2}]


def test_there_may_be_no_jobs() -> None:
    assert list(LocalPool(2).run(jobs.square, [], ignore_notes)) == []


def test_the_job_of_a_killed_worker_is_done_again(tmp_path: Path) -> None:
    heard: list[tuple[int, Any]] = []
    outcomes = LocalPool(2).run(
        jobs.die_once, [(n, tmp_path) for n in range(6)], lambda *note: heard.append(note)
    )
    assert sorted(map(value_of, outcomes)) == list(range(6))
    assert [note for job, note in heard if job == 3] == [STARTED, LOST, STARTED]
    assert sum(note == LOST for _, note in heard) == 1


def test_a_job_that_kills_its_workers_fails_and_the_others_end() -> None:
    found = {
        each.job: each for each in LocalPool(2).run(jobs.die, [(0,), (1,), (2,)], ignore_notes)
    }
    assert [found[job].value for job in (0, 2)] == [0, 2]
    failure = found[1].failure
    assert failure is not None
    assert failure.kind == WORKER_DIED
    assert failure.message == f"{ATTEMPTS} workers ended in it, the last one died of SIGKILL"


def test_errors_travel_as_text() -> None:
    found = {
        each.job: each for each in LocalPool(1).run(jobs.fail, [("expected",), ("",)], ignore_notes)
    }
    expected, internal = found[0].failure, found[1].failure
    assert expected is not None
    assert internal is not None
    assert (expected.kind, expected.message) == ("InputError", "the samples are missing")
    assert internal.kind == INTERNAL
    assert internal.message.rstrip().endswith("ZeroDivisionError: nobody expected this")
    with pytest.raises(WorkerFailedError, match="the samples are missing"):
        value_of(found[0])


def test_a_worker_has_one_thread_and_leaves_standard_output_alone(
    capfd: pytest.CaptureFixture[str],
) -> None:
    (outcome,) = LocalPool(1).run(jobs.threads, [()], ignore_notes)
    assert value_of(outcome) == (1, "1")
    out, error = capfd.readouterr()
    assert (out, error) == ("", "not an answer\n")


def test_no_worker_outlives_the_iterator() -> None:
    pids: list[int] = []

    def hear(job: int, note: Any) -> None:
        if isinstance(note, int):
            pids.append(note)
            if len(pids) == 2:
                raise InterruptedError

    with pytest.raises(InterruptedError):
        list(LocalPool(2).run(jobs.wait, [(), (), ()], hear))
    assert len(pids) == 2
    assert wait_until_gone(pids)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_no_worker_outlives_its_parent(number: signal.Signals) -> None:
    first = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    process = subprocess.Popen(
        [sys.executable, "-c", f"{first}; from tests.pools.jobs import main; main()"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        pids = [int(process.stdout.readline()) for _ in range(2)]
        assert all(map(running, pids))
        os.kill(process.pid, number)
        process.wait(20)
        assert wait_until_gone(pids)


@pytest.mark.parametrize(
    ("workers", "cluster", "said"), [(0, None, "workers is 0"), (2, "tcp://x:1", "one of the two")]
)
def test_a_pool_that_cannot_be_is_refused(workers: int, cluster: str | None, said: str) -> None:
    with pytest.raises(InputError, match=said), pool_of(workers, cluster):
        pass


def test_there_is_a_worker_for_each_core_unless_a_number_is_given() -> None:
    with pool_of() as pool:
        assert pool.workers() == len(os.sched_getaffinity(0))
    with pool_of(5) as pool:
        assert pool.workers() == 5
