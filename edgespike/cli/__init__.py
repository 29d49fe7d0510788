"""The command line. Commands import what they need when they run, so that help is instant."""

from __future__ import annotations

import signal
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line as the process, and end it with its exit code."""
    try:
        from edgespike.cli import app

        app.main()
    except KeyboardInterrupt:  # while this was imported
        sys.exit(128 + signal.SIGINT)
    finally:
        # From here on there is nothing to interrupt: the exit code is that of what was done.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
