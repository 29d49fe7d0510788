"""A Dask cluster of separate processes on this machine, reached over TCP."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SECONDS_TO_START = 60.0


class RunningCluster:
    """A scheduler and workers; each is a process that can be killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workers: list[subprocess.Popen[bytes]] = []
        description = folder / "scheduler.json"
        self.scheduler = self._start(
            *("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"),
            *("--scheduler-file", str(description)),
        )
        self.address: str = json.loads(_content(description))["address"]

    def add_worker(self, threads: int = 1) -> subprocess.Popen[bytes]:
        worker = self._start(
            *("dask_worker", self.address, "--nthreads", str(threads)),
            *("--no-dashboard", "--no-nanny", "--local-directory", str(self.folder)),
        )
        self.workers.append(worker)
        return worker

    def _start(self, script: str, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{script}", *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def end(self) -> None:
        for process in (*self.workers, self.scheduler):
            with process:
                process.kill()


def _content(path: Path) -> str:
    end = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < end:
        if path.exists() and (text := path.read_text()):
            return text
        time.sleep(0.1)
    raise TimeoutError(f"{path} was not written within {SECONDS_TO_START} s")


@contextmanager
def running_cluster(folder: Path, workers: int) -> Iterator[RunningCluster]:
    cluster = RunningCluster(folder)
    try:
        for _ in range(workers):
            cluster.add_worker()
        yield cluster
    finally:
        cluster.end()
