"""The command line. Commands import what they need only when they run: help stays fast."""

from __future__ import annotations

import signal
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line, and end the process with its exit code."""
    try:
        from edgespike.cli.app import run_app

        run_app()
    except KeyboardInterrupt:  # during the import
        sys.exit(128 + signal.SIGINT)
    finally:
        # The work is done: an interrupt during interpreter shutdown must not change the exit code.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
