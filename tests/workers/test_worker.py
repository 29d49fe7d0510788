from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgespike.errors import TargetRunError
from edgespike.workers.worker import Worker

SHARED_MEMORY = Path("/dev/shm")
PATIENCE_S = 60

SCRIPT = """
import os, subprocess, sys, time
from multiprocessing import shared_memory

jobs = 0

def handle(arrays, parameters):
    global jobs
    jobs += 1
    print("some chatter of a library")
    return TASKS[parameters["task"]](arrays, parameters)

def double(arrays, parameters):
    return {name: 2 * array for name, array in arrays.items()}, {"jobs": jobs}

def fail(arrays, parameters):
    raise ValueError("the simulator is sad")

def abort(arrays, parameters):
    sys.stderr.write("about to abort\\n")
    sys.stderr.flush()
    os.abort()

def leave(arrays, parameters):
    os._exit(3)

def hang(arrays, parameters):
    memory = shared_memory.SharedMemory(create=True, size=10)
    fifo = open(parameters["fifo"], "w")
    for _ in range(2):
        if os.fork() == 0:
            time.sleep(1000)
    fifo.write("ready\\n")
    fifo.flush()
    time.sleep(1000)

def environment(arrays, parameters):
    return {}, {name: os.environ.get(name) for name in parameters["names"]}

TASKS = {f.__name__: f for f in (double, fail, abort, leave, hang, environment)}
"""

PARENT = """
import signal
import sys
from pathlib import Path
from edgespike.workers.worker import Worker

# A test run in the background ignores Ctrl-C, and its children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
script, fifo = sys.argv[1:]
with Worker(sys.executable, Path(script), what="it") as worker:
    worker.call({}, {"task": "hang", "fifo": fifo}, timeout_s=1000)
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return path


@pytest.fixture
def worker(script: Path) -> Iterator[Worker]:
    with Worker(sys.executable, script, what="the simulator") as worker:
        yield worker


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder for all temporary files, which shows what is left behind."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


class Fifo:
    """A pipe that the worker and all its children hold open: its end means that all are gone."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self.handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def read(self) -> bytes:
        """Wait for something to be written, or for the last process to end: nothing."""
        assert select.select([self.handle], [], [], PATIENCE_S)[0], "some process lives on"
        return os.read(self.handle, 100)

    def close(self) -> None:
        os.close(self.handle)


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[Fifo]:
    fifo = Fifo(tmp_path / "fifo")
    yield fifo
    fifo.close()


def test_arrays_and_answers_come_back(worker: Worker) -> None:
    arrays: dict[str, NDArray[Any]] = {
        "file": np.arange(3, dtype=np.int16),
        "a.npy": np.ones((2, 2)),
        "empty": np.zeros((0, 3)),
    }
    results, answers = worker.call(arrays, {"task": "double"}, timeout_s=60)
    assert answers == {"jobs": 1}
    assert results.keys() == arrays.keys()
    for name, array in arrays.items():
        assert results[name].dtype == array.dtype
        np.testing.assert_array_equal(results[name], 2 * array)


def test_one_process_answers_many_jobs(worker: Worker) -> None:
    jobs = [worker.call({}, {"task": "double"}, timeout_s=60)[1]["jobs"] for _ in range(3)]
    assert jobs == [1, 2, 3]


def test_threads_may_share_a_worker(worker: Worker) -> None:
    def call(number: int) -> tuple[int, int]:
        results, answers = worker.call({"x": np.array([number])}, {"task": "double"}, timeout_s=60)
        return int(results["x"][0]), answers["jobs"]

    with ThreadPoolExecutor(8) as threads:
        doubled, jobs = zip(*threads.map(call, range(40)), strict=True)
    assert list(doubled) == list(range(0, 80, 2))
    assert sorted(jobs) == list(range(1, 41))


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("fail", "the simulator failed: ValueError: the simulator is sad"),
        ("abort", "the simulator died of SIGABRT\n  | some chatter of a library\n  | about to"),
        ("leave", "the simulator ended with code 3"),
    ],
)
def test_a_failed_job_is_explained_and_the_next_one_runs(
    worker: Worker, task: str, message: str
) -> None:
    with pytest.raises(TargetRunError) as caught:
        worker.call({}, {"task": task}, timeout_s=60)
    assert str(caught.value).startswith(message)
    assert worker.call({}, {"task": "double"}, timeout_s=60)[1] == {"jobs": 1}


def test_a_job_beyond_its_time_leaves_nothing(temporary: Path, worker: Worker, fifo: Fifo) -> None:
    job = {"task": "hang", "fifo": str(fifo.path)}
    with pytest.raises(TargetRunError, match=r"the simulator did not finish within 4 s") as caught:
        worker.call({}, job, timeout_s=4)
    assert "  | some chatter of a library" in str(caught.value)
    assert fifo.read() == b"ready\n"
    assert fifo.read() == b""
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_outlives_a_killed_parent(
    script: Path, fifo: Fifo, temporary: Path, number: signal.Signals
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(script), str(fifo.path)], stderr=subprocess.DEVNULL
    ) as parent:
        try:
            assert wait_for_line(fifo) == b"ready\n"
            (folder,) = temporary.iterdir()
            assert list(SHARED_MEMORY.glob(f"{folder.name}*"))
        finally:
            parent.send_signal(number)
    assert fifo.read() == b""
    assert list(temporary.iterdir()) == []
    assert not list(SHARED_MEMORY.glob(f"{folder.name}*"))


def wait_for_line(fifo: Fifo) -> bytes:
    """Wait for the first writer: before there is one, reading gives nothing at once."""
    poll = select.poll()
    poll.register(fifo.handle, select.POLLIN)
    assert poll.poll(PATIENCE_S * 1000)
    return os.read(fifo.handle, 100)


def test_environment_variables_are_added(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INHERITED", "yes")
    names = {"task": "environment", "names": ["INHERITED", "ADDED"]}
    with Worker(sys.executable, script, what="it", environment={"ADDED": "1"}) as worker:
        _, found = worker.call({}, names, timeout_s=60)
    assert found == {"INHERITED": "yes", "ADDED": "1"}


def test_a_missing_interpreter_is_named(script: Path, temporary: Path) -> None:
    worker = Worker("/no/python", script, what="it")
    with pytest.raises(TargetRunError, match=r"it cannot start: /no/python: No such file"):
        worker.call({}, {}, timeout_s=60)
    assert list(temporary.iterdir()) == []
