"""The progress bar of an epoch."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class EpochProgress:
    """A progress bar on stderr that shows loss, accuracy and synaptic operations a sample.

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
        self._bar = Progress(
            TextColumn("epoch {task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[measured]}"),
            console=Console(stderr=True),
            disable=quiet,
        )
        self._task = self._bar.add_task(f"{epoch + 1}/{epochs}", total=steps, measured="")

    def update(self, step: int, means: Mapping[str, float]) -> None:
        """Show that ``step`` steps are done, and the means so far."""
        measured = (
            f"loss {means['loss']:.4f}  accuracy {means['accuracy']:.2%}  "
            f"{means['synaptic_operations'] / 1000:,.0f} k synaptic operations"
        )
        self._bar.update(self._task, completed=step, measured=measured)

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
