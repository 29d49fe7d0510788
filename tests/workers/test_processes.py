"""What is said of other programs that failed."""

from __future__ import annotations

import sys

import pytest

from edgespike.workers.processes import ending, install


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (0, "ended with code 0"),
        (3, "ended with code 3"),
        (-9, "died of SIGKILL"),
        (-35, "died of signal 35"),  # a real-time signal has no name
    ],
)
def test_an_exit_status_in_words(code: int, text: str) -> None:
    assert ending(code) == text


@pytest.mark.parametrize(
    ("script", "failure"),
    [
        ("", None),
        ("import sys; print('out'); sys.exit(0)", None),
        ("import sys; sys.exit(4)", "it ended with code 4"),
        ("import sys; print('out'); sys.exit('err')", "it ended with code 1\n  | err"),
        ("import sys; print('out'); sys.exit(2)", "it ended with code 2\n  | out"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "it died of SIGKILL"),
        (
            "import sys; print(*range(20), sep=chr(10)); sys.exit(sys.stdin.read() or 5)",
            "it ended with code 5" + "".join(f"\n  | {line}" for line in range(12, 20)),
        ),
    ],
)
def test_why_an_installer_failed(script: str, failure: str | None) -> None:
    found = install([sys.executable, "-c", script], 60)
    assert found == failure


def test_an_installer_that_takes_too_long_is_ended() -> None:
    found = install([sys.executable, "-c", "import time; time.sleep(60)"], 0.2)
    assert found == "it did not finish within 0.2 s"


def test_an_installer_that_is_not_there() -> None:
    assert install(["/nonesuch/pip"], 60) == (
        "/nonesuch/pip cannot be run: No such file or directory"
    )
