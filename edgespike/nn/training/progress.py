"""The progress of an epoch: a bar on a terminal, one line elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_SHOWN = ("loss", "accuracy", "synaptic_operations")


class EpochProgress:
    """Shows loss, accuracy and, of a net with events, synaptic operations a sample on stderr.

    On a terminal this is a progress bar; in a file or pipe it is one line after the epoch.

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
        self._title = f"{epoch + 1}/{epochs}"
        self._line = not quiet and not terminal
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

    def update(self, step: int, means: Mapping[str, float | None]) -> None:
        """Show that ``step`` steps are done, and the means so far."""
        self._bar.update(self._task, completed=step, measured=_measured(means))

    def finish(self, measured: Mapping[str, Any]) -> None:
        """Show the epoch's line of the log, where there is no bar."""
        if self._line:
            trained = {name: measured[f"train_{name}"] for name in _SHOWN}
            print(
                f"epoch {self._title}  {_measured(trained)}  test accuracy "
                f"{measured['test_accuracy']:.2%}  {measured['seconds']:.1f} s",
                file=sys.stderr,
                flush=True,
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
    return text if operations is None else f"{text}  {operations / 1000:,.0f} k synaptic operations"
