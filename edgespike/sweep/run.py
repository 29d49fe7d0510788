"""Run a sweep: give its points to workers, and write down each that ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from edgespike.errors import InputError, TargetRunError
from edgespike.pools.base import INTERNAL, Failure, Pool
from edgespike.sweep.folder import SweepFolder
from edgespike.sweep.grid import Axis, Point, points_of, settings_of
from edgespike.sweep.point import Counting, run_point
from edgespike.sweep.results import Row

if TYPE_CHECKING:
    from edgespike.nn import Draft, Recipe

OF_A_POINT = ("TrainingError", "UnsupportedError", "GraphError", "WorkerDiedError")
"""Kinds of failures after which the other points go on; all others would meet them too."""


class SweepError(TargetRunError):
    """A sweep cannot go on; what is finished stays."""


class Watcher(Protocol):
    """Sees how a sweep goes on."""

    def begin(self, points: Sequence[Point], finished: int, workers: int) -> None:
        """See the beginning: of all points, so many are finished, so many run at a time."""

    def hear(self, point: Point, note: Any) -> None:
        """See a point started or lost (`edgespike.pools.base`), or at the end of an epoch."""

    def end(self, point: Point, row: Row | None, failure: Failure | None) -> None:
        """See a point finished, with its row, or failed."""


@dataclass(frozen=True)
class Swept:
    """What a sweep gave.

    Parameters
    ----------
    results
        Path of the table of results, which may hold points of earlier sweeps too.
    rows
        Of the points of this sweep, in their order, without those that failed.
    failed
        Settings of the points that failed, and why.
    """

    results: Path
    rows: tuple[Row, ...]
    failed: tuple[tuple[Mapping[str, Any], Failure], ...]

    @property
    def complete(self) -> bool:
        """Whether all points are finished, and their graphs equal to the definition."""
        return not self.failed and all(row["verified"] for row in self.rows)


def sweep(
    draft: Draft,
    axes: Sequence[Axis],
    out: Path,
    pool: Pool,
    counting: Counting,
    watcher: Watcher,
    *,
    resume: bool = False,
    shared: bool = True,
) -> Swept:
    """Train a recipe at every combination of settings that is not finished yet.

    Parameters
    ----------
    draft
        The recipe.
    axes
        The settings and their values.
    out
        The sweep's folder, see `edgespike.sweep.folder`.
    pool
        What trains the points.
    counting
        How each net is verified and counted.
    watcher
        Sees the progress.
    resume
        Whether the folder may hold a sweep of the same recipe and data, whose points are kept.
    shared
        Whether the workers are on this machine: their trainings then go on after a kill from their
        last epoch, else from the start.

    Raises
    ------
    InputError, FileFormatError
        The recipe, a setting or the data is not valid, or the folder holds another sweep or is in
        use.
    EnvironmentMissingError, WriteError
        The data is missing, or the folder cannot be written.
    SweepError
        A worker cannot read the data or write, or had an internal error.
    """
    recipe, task = draft.read()
    if recipe.posterior is not None:
        raise InputError(
            f"recipe {draft.name} trains a mixture of nets, and a point of a sweep is one net; "
            "leave its table 'posterior' out"
        )
    if not shared and not isinstance(draft.data, str | None):
        # Other machines have the data at the same place, but run in another folder.
        draft = replace(draft, data=replace(draft.data, path=str(Path(draft.data.path).absolute())))
    points = points_of(recipe, draft, axes)
    if not shared:
        points = [replace(point, recipe=_at_place(point.recipe)) for point in points]
    known = isinstance(recipe.data, str)
    if known:
        _load_known(recipe)
    source = None if task is None else task.source
    about = {
        # Not the teacher's path: its content is a setting of each point.
        "recipe": {name: entry for name, entry in draft.table.items() if name != "teacher"},
        "data": recipe.data if known else _without_path(source),
        "energy": [counting.model, *(profile.name for profile in counting.profiles)],
    }
    folder = SweepFolder(out)
    with folder.locked():
        finished = {row["point"]: row for row in folder.begin(about, resume)}
        left = [point for point in points if point.id not in finished]
        watcher.begin(points, len(points) - len(left), pool.workers())
        jobs = [
            (point.id, point.recipe, source, counting, folder.running(point.id) if shared else None)
            for point in left
        ]
        failed = []
        outcomes = pool.run(run_point, jobs, lambda job, note: watcher.hear(left[job], note))
        with closing(outcomes):
            for outcome in outcomes:
                point, row = left[outcome.job], None
                if outcome.failure is None:
                    row = folder.finish(point.id, settings_of(point.recipe), outcome.value)
                    finished[point.id] = row
                elif outcome.failure.kind in OF_A_POINT:
                    failed.append((point.settings, outcome.failure))
                else:
                    raise SweepError(_fatal(point, outcome.failure))
                watcher.end(point, row, outcome.failure)
    rows = tuple(finished[point.id] for point in points if point.id in finished)
    return Swept(folder.results, rows, tuple(failed))


def _at_place(recipe: Recipe) -> Recipe:
    """Return a recipe whose teacher is named by its place, for workers in other folders."""
    return replace(recipe, teacher=str(Path(recipe.teacher).absolute() if recipe.teacher else ""))


def _load_known(recipe: Any) -> None:
    """Download a known data set, or raise, before workers look for it all at once."""
    from edgespike.nn import load_task

    load_task(recipe.data, recipe.net.input_shape, recipe.net.classes).limited(recipe.limit)


def _without_path(source: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (source or {}).items() if name != "path"}


def _fatal(point: Point, failure: Failure) -> str:
    what = "an internal error, please report it" if failure.kind == INTERNAL else failure.message
    lines = f"\n{failure.message}" if failure.kind == INTERNAL else ""
    return (
        f"the sweep stopped at {point.label}: {what}; finished points are kept: fix this, then run "
        f"again with --resume{lines}"
    )
