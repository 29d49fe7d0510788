"""The progress of a sweep on standard error: bars on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from edgespike.pools.base import LOST, STARTED, Failure
from edgespike.sweep.grid import Point
from edgespike.sweep.results import Row
from edgespike.text import number_of

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

SECONDS_BETWEEN_LINES = 60.0
"""Where there is no terminal, the epochs of all running points are printed this often at most."""


def finished_text(row: Row) -> str:
    """Return a point's figures in words."""
    from edgespike.report.units import joules

    energy = row["energy_j"]
    told = "" if energy is None else f"  {joules(energy)}"
    unequal = "" if row["verified"] else "  NOT EQUAL to the definition"
    return (
        f"accuracy {row['accuracy']:.2%}  {row['synaptic_operations']:,.0f} synaptic operations"
        f"{told}  {row['seconds']:.0f} s{unequal}"
    )


class Lines:
    """A line when a point is started, lost, finished or failed, and now and then its epochs.

    Parameters
    ----------
    quiet
        Print nothing.
    """

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._last = time.monotonic()
        self._running: dict[str, str] = {}
        self._total = self._done = 0

    def __enter__(self) -> Lines:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def begin(self, points: Sequence[Point], finished: int, workers: int) -> None:
        """Say how much there is to do."""
        self._total, self._done = len(points), finished
        left = len(points) - finished
        before = f", {finished:,} of them finished before" if finished else ""
        at_once = f"; {min(left, workers)} at a time" if left else ""
        self._print(f"{number_of(len(points), 'point')}{before}{at_once}")

    def hear(self, point: Point, note: Any) -> None:
        """Tell what a point does."""
        if note == STARTED:
            self._running[point.label] = "first epoch"
            self._print(f"{point.label}: started")
        elif note == LOST:
            self._running.pop(point.label, None)
            self._print(f"{point.label}: its worker died; another one does it again")
        else:
            self._running[point.label] = epoch_text(point, note)
            if time.monotonic() - self._last >= SECONDS_BETWEEN_LINES:
                for label, what in self._running.items():
                    self._print(f"{label}: {what}")

    def end(self, point: Point, row: Row | None, failure: Failure | None) -> None:
        """Tell how a point ended."""
        self._running.pop(point.label, None)
        self._done += row is not None
        if failure is not None:
            self._print(f"{point.label}: failed: {failure.message}")
        elif row is not None:
            self._print(f"{self._done}/{self._total}  {point.label}: {finished_text(row)}")

    def _print(self, text: str) -> None:
        if not self._quiet:
            self._last = time.monotonic()
            self._write(text)

    def _write(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def epoch_text(point: Point, measured: Mapping[str, Any]) -> str:
    """Return where a point is, from the measurements of its last epoch."""
    return (
        f"epoch {measured['epoch']}/{point.recipe.epochs}  test accuracy "
        f"{measured['test_accuracy']:.2%}"
    )


class Bars(Lines):
    """The same lines above bars: one of the whole sweep, and one for each running point."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
        )

        super().__init__()
        self._bars: Progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._all: TaskID = self._bars.add_task("points", total=None)
        self._of: dict[str, TaskID] = {}

    def __enter__(self) -> Bars:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def begin(self, points: Sequence[Point], finished: int, workers: int) -> None:
        """Show how much there is to do."""
        super().begin(points, finished, workers)
        self._bars.update(self._all, total=len(points), completed=finished)

    def hear(self, point: Point, note: Any) -> None:
        """Show what a point does."""
        if note == STARTED:
            self._of[point.id] = self._bars.add_task(point.label, total=point.recipe.epochs)
        elif note == LOST:
            self._remove(point)
            super().hear(point, note)
        else:
            self._bars.update(self._of[point.id], completed=note["epoch"])

    def end(self, point: Point, row: Row | None, failure: Failure | None) -> None:
        """Show how a point ended."""
        self._remove(point)
        super().end(point, row, failure)
        self._bars.update(self._all, completed=self._done)

    def _remove(self, point: Point) -> None:
        if (task := self._of.pop(point.id, None)) is not None:
            self._bars.remove_task(task)

    def _write(self, text: str) -> None:
        self._bars.console.print(text, markup=False, highlight=False)


def watcher(quiet: bool) -> Lines:
    """Return what shows the progress: bars where standard error is a terminal."""
    return Bars() if sys.stderr.isatty() and not quiet else Lines(quiet)
