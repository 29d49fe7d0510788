"""Programs that are started: how one ended, and what a failed installer printed."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Sequence

_LAST_LINES = 8


def ending(code: int) -> str:
    """Describe how a process ended, from its return code in :mod:`subprocess`."""
    if code >= 0:
        return f"ended with code {code}"
    known = {number.value: number.name for number in signal.Signals}
    return f"died of {known.get(-code, f'signal {-code}')}"


def install(command: Sequence[str], timeout_s: float) -> str | None:
    """Run a command that installs something, with empty standard input.

    Returns
    -------
    failure
        How it failed, and the last lines that it printed; ``None`` if it succeeded.
    """
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return f"it did not finish within {timeout_s} s"
    except OSError as error:
        return f"{command[0]} cannot be run: {error.strerror}"
    if not done.returncode:
        return None
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()[-_LAST_LINES:]
    return "".join([f"it {ending(done.returncode)}", *(f"\n  | {line}" for line in lines)])
