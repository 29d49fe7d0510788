"""Run a script in another interpreter, so that it can neither harm nor outlive this process.

Simulators fork, abort, or need packages that conflict with ours. A :class:`Worker` runs such code
in its own process group, with a time limit, and exchanges arrays (``.npz`` without pickle) and JSON
with it. A worker starts once and answers many jobs; when a job fails or times out, on Ctrl-C, or
when this process is killed, its whole group is ended and its shared memory is removed.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgespike.errors import TargetRunError
from edgespike.workers import worker_main
from edgespike.workers.processes import ending

GRACE_S = 2.0
"""Seconds that a group has to end after it is asked to, before it is killed."""

_LAST_LINES = 12
_POLL_S = 0.2

Arrays = Mapping[str, NDArray[Any]]


class Worker:
    """A process that answers jobs; it starts at the first job and again after a failed one.

    Parameters
    ----------
    python
        The interpreter to run.
    script
        A file that defines ``handle(arrays, parameters) -> (arrays, answers)``; its folder is
        on the worker's path. It must not import edgespike; its interpreter needs numpy.
    what
        Names the worker in errors ("Lava's simulator").
    environment
        Environment variables in addition to those of this process.
    """

    def __init__(
        self, python: str, script: Path, *, what: str, environment: Mapping[str, str] | None = None
    ) -> None:
        self.what = what
        self._command = [python, str(worker_main.__file__), str(script)]
        self._environment = {**os.environ, **(environment or {})}
        self._one_job = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = Path()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(
        self, arrays: Arrays, parameters: Any, *, timeout_s: float
    ) -> tuple[dict[str, NDArray[Any]], Any]:
        """Send the worker one job and wait for its answer. Threads take turns.

        Parameters
        ----------
        arrays, parameters
            The arguments of ``handle``; ``parameters`` is sent as JSON.
        timeout_s
            Maximum number of seconds for the job, including the worker's start but not other
            threads' jobs.

        Raises
        ------
        TargetRunError
            The job failed or took too long, or the worker died; with its last lines of output.
        """
        with self._one_job:
            try:
                return self._call(arrays, parameters, timeout_s)
            except BaseException:
                self.close()
                raise

    def _call(
        self, arrays: Arrays, parameters: Any, timeout_s: float
    ) -> tuple[dict[str, NDArray[Any]], Any]:
        end = time.monotonic() + timeout_s
        process = self._start()
        with tempfile.TemporaryDirectory(dir=self._folder) as name:
            job = Path(name)
            worker_main.save_arrays(job / "arrays.npz", arrays)
            (job / "parameters.json").write_text(json.dumps(parameters))
            self._send(process, name)
            self._check(self._receive(process, end, timeout_s))
            answers = json.loads((job / "answers.json").read_text())
            return worker_main.load_arrays(job / "results.npz"), answers

    def close(self) -> None:
        """End the whole process group and remove its files and shared memory."""
        atexit.unregister(self.close)
        process, self._process = self._process, None
        if process is not None:
            _end_group(process)
            worker_main.remove_shared_memory(self._folder.name)
            shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.close()
        atexit.register(self.close)
        # Names of shared memory begin with the folder's name and have at most 14 characters.
        self._folder = Path(tempfile.mkdtemp(prefix=""))
        try:
            with (self._folder / "stderr").open("wb") as stderr:
                self._process = subprocess.Popen(
                    [*self._command, str(self._folder)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=stderr,
                    env=self._environment,
                    start_new_session=True,
                )
        except OSError as error:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise TargetRunError(
                f"{self.what} cannot start: {self._command[0]}: {error.strerror}"
            ) from error
        return self._process

    def _send(self, process: subprocess.Popen[bytes], job: str) -> None:
        # If the worker has died, receiving reports why.
        with contextlib.suppress(BrokenPipeError):
            _pipe(process.stdin).write(f"{job}\n".encode())
            _pipe(process.stdin).flush()

    def _receive(
        self, process: subprocess.Popen[bytes], end: float, timeout_s: float
    ) -> dict[str, Any]:
        """Wait for one line, or for the worker's end: its children may keep its output open."""
        stdout = _pipe(process.stdout)
        while True:
            dead = process.poll() is not None
            if select.select([stdout], [], [], 0 if dead else _POLL_S)[0]:
                line = stdout.readline()
                if line:
                    answer: dict[str, Any] = json.loads(line)
                    return answer
                process.wait()
                dead = True
            if dead:
                raise TargetRunError(f"{self.what} {ending(process.returncode)}{self._output()}")
            if time.monotonic() > end:
                raise TargetRunError(
                    f"{self.what} did not finish within {timeout_s:.0f} s; "
                    f"run fewer samples at a time{self._output()}"
                )

    def _check(self, answer: Mapping[str, Any]) -> None:
        if "error" in answer:
            lines = "".join(f"\n  | {line}" for line in answer["lines"])
            raise TargetRunError(f"{self.what} failed: {answer['error']}{lines}")

    def _output(self) -> str:
        text = (self._folder / "stderr").read_text(errors="replace")
        return "".join(f"\n  | {line}" for line in text.splitlines()[-_LAST_LINES:])


def _pipe(pipe: Any) -> Any:
    if pipe is None:  # Popen was given PIPE
        raise TypeError("the worker has no pipe")
    return pipe


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Ask the group to end, then kill it; its id stays valid until the leader is waited for."""
    _signal_group(process, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_S)
    _signal_group(process, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):
            _pipe(pipe).close()


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
