"""What the tests give workers to do."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from edgespike.errors import InputError
from edgespike.pools.base import Say
from edgespike.threads import most_threads


def square(say: Say, number: int) -> int:
    say({"half": number / 2})
    return number * number


def die_once(say: Say, number: int, folder: Path) -> int:
    """Kill the worker of number 3 the first time that it is tried."""
    marker = folder / "died"
    if number == 3 and not marker.exists():
        marker.touch()
        time.sleep(0.5)  # a note that was not sent yet dies with the worker
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def die(say: Say, number: int) -> int:
    """Kill every worker that tries number 1."""
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def fail(say: Say, kind: str) -> None:
    if kind == "expected":
        raise InputError("the samples are missing")
    raise ZeroDivisionError("nobody expected this")


def threads(say: Say) -> tuple[int, str]:
    print("not an answer")
    return most_threads(), os.environ.get("OMP_NUM_THREADS", "")


def wait(say: Say) -> None:
    say(os.getpid())
    time.sleep(600)


def main() -> None:
    """Print the ids of two workers that wait, one a line."""
    from edgespike.pools.local import LocalPool

    def hear(job: int, note: Any) -> None:
        if isinstance(note, int):
            print(note, flush=True)

    for _ in LocalPool(2).run(wait, [(), ()], hear):
        pass
