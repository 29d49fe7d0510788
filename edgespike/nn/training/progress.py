"""The progress of an epoch: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

SECONDS_BETWEEN_LINES = 60.0
"""Where there is no terminal, a line is printed at least this often, with the step after it."""

_SHOWN = ("loss", "accuracy", "synaptic_operations")


class EpochProgress:
    """Shows loss, accuracy and, of a net with events, synaptic operations a sample on stderr.

    On a terminal this is a progress bar; in a file or pipe it is one line after the epoch, and one
    a minute during it.

    Parameters
    ----------
    epoch, epochs
        Number of the epoch, from 0, and number of epochs.
    steps
        Number of steps in the epoch.
    quiet
        Show nothing.
    """

    def __init__(self, epoch: int, epochs: int, steps: int, quiet: bool) -> None:
        terminal = sys.stderr.isatty()
        self._title, self._steps = f"{epoch + 1}/{epochs}", steps
        self._line = not quiet and not terminal
        self._last = time.monotonic()
        self._bar = Progress(
            TextColumn("epoch {task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[measured]}"),
            console=Console(stderr=True),
            disable=quiet or not terminal,
        )
        self._task = self._bar.add_task(self._title, total=steps, measured="")

    def due(self) -> bool:
        """Return whether it is time for a line, where there is no bar."""
        return self._line and time.monotonic() - self._last >= SECONDS_BETWEEN_LINES

    def update(self, step: int, means: Mapping[str, float | None]) -> None:
        """Show that ``step`` steps are done, and the means so far."""
        self._bar.update(self._task, completed=step, measured=_measured(means))
        if self.due():
            self.say(f"step {step:,} of {self._steps:,}  {_measured(means)}")

    def say(self, text: str) -> None:
        """Print a line about the epoch at once, where there is no bar."""
        if self._line:
            self._last = time.monotonic()
            print(f"epoch {self._title}  {text}", file=sys.stderr, flush=True)

    def finish(self, measured: Mapping[str, Any]) -> None:
        """Show the epoch's line of the log, where there is no bar."""
        validated = ""
        if "validation_accuracy" in measured:
            validated = f"validation accuracy {measured['validation_accuracy']:.2%}  "
        self.say(
            f"{_measured({name: measured[f'train_{name}'] for name in _SHOWN})}  {validated}"
            f"test accuracy {measured['test_accuracy']:.2%}  {measured['seconds']:.1f} s"
        )

    def __enter__(self) -> EpochProgress:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()


def _measured(means: Mapping[str, float | None]) -> str:
    text = f"loss {means['loss']:.4f}  accuracy {means['accuracy']:.2%}"
    operations = means["synaptic_operations"]
    return (
        text if operations is None else f"{text}  {operations / 1000:,.0f} k operations at synapses"
    )
