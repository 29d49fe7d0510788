"""The rows of a table of results as series: one for each penalty, levels of its strength, seeds."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import Any

from edgespike.errors import InputError, named, shown
from edgespike.sweep.grid import OF_PENALTY, PENALTY_WEIGHT
from edgespike.sweep.point import FIGURES
from edgespike.sweep.results import Row

SEED = "seed"

COSTS = {
    "synaptic_operations": "synaptic operations",
    "operations": "synaptic operations and multiply-accumulates",
    "energy_j": "energy, typical",
}
"""What accuracy is set against, by column of the table, each a mean of a sample."""


@dataclass(frozen=True)
class Run:
    """One net: its seed, its accuracy from 0 to 1, and its costs by the names of `COSTS`."""

    seed: Any
    accuracy: float
    costs: Mapping[str, float]


@dataclass(frozen=True)
class Spread:
    """The mean of a figure over seeds, and its range."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Level:
    """The runs of one strength of a penalty, one for each seed."""

    strength: Any
    runs: tuple[Run, ...]

    @cached_property
    def accuracy(self) -> Spread:
        """The accuracy over seeds."""
        return _spread([run.accuracy for run in self.runs])

    def cost(self, name: str) -> Spread:
        """Return a cost over seeds."""
        return _spread([run.costs[name] for run in self.runs])


def distinct_runs(levels: Iterable[Level]) -> list[Run]:
    """Return the runs of levels, each once: series share the nets without penalty."""
    return list({id(run): run for level in levels for run in level.runs}.values())


@dataclass(frozen=True)
class Series:
    """A penalty, or another combination of settings than strength and seed.

    Parameters
    ----------
    settings
        Those that are not the same in all rows.
    levels
        By rising strength.
    """

    settings: Mapping[str, Any]
    levels: tuple[Level, ...]

    @property
    def name(self) -> str:
        """The settings in words: names stand for themselves, ``spike_count, p 2``.

        A setting that the rows of the series lack is not said.
        """
        words = (
            value if isinstance(value, str) else f"{name} {value}"
            for name, value in self.settings.items()
            if value is not None
        )
        return ", ".join(words) or "all"

    @cached_property
    def by_seed(self) -> dict[Any, tuple[Run, ...]]:
        """The runs of each seed, by rising strength."""
        runs: dict[Any, list[Run]] = {}
        for level in self.levels:
            for run in level.runs:
                runs.setdefault(run.seed, []).append(run)
        return {seed: tuple(found) for seed, found in runs.items()}


@dataclass(frozen=True)
class Results:
    """A table of results as series.

    Parameters
    ----------
    series
        In the order of their first rows.
    along
        The setting that is a penalty's strength.
    samples
        How many test samples each net was counted on.
    costs
        Names in `COSTS` of those that all rows have.
    energy_by
        Energy model and profile; empty if there is no energy.
    left_out
        How many rows were left out, because their graph is not equal to its definition.
    """

    series: tuple[Series, ...]
    along: str
    samples: int
    costs: tuple[str, ...]
    energy_by: str
    left_out: int


def read_results(rows: Sequence[Row], along: str) -> Results:
    """Arrange rows.

    Parameters
    ----------
    rows
        As `edgespike.sweep.results.read_rows` returns them.
    along
        Name of the setting that is a penalty's strength, such as ``lambda``.

    Raises
    ------
    InputError
        There are no rows, the setting is missing or not of numbers, figures are missing or no
        numbers, two nets have the same settings, or the nets were counted on other samples or by
        other energy models.
    """
    used = [row for row in rows if row.get("verified") is True]
    if not used:
        raise InputError(
            f"there are no finished points whose graph is equal to its definition, of "
            f"{len(rows)} points in all; run the sweep again with --resume"
        )
    _check_same(used)
    varying = _varying(used)
    usable = [named(name) for name in varying if name != SEED]
    if along in (*FIGURES, SEED) or any(along not in row for row in used):
        raise InputError(
            f"the results have no setting {named(along)}; name the one that is the strength of the "
            f"penalty, with --along: {', '.join(usable) or 'no setting has several values'}"
        )
    names = [name for name in varying if name not in (along, SEED)]
    costs = tuple(name for name in COSTS if all(row.get(name) is not None for row in used))
    if not costs:
        raise InputError(
            f"the results have none of the columns {', '.join(COSTS)} in every row, so there is "
            "nothing to set accuracy against; run the sweep again in a new folder"
        )
    groups: _Groups = {}
    first: dict[tuple[Any, ...], Row] = {}
    for row in used:
        key = tuple(row.get(name) for name in names)
        _check_strength(along, row)
        same = first.setdefault((key, row[along], row.get(SEED)), row)
        if same is not row:
            raise InputError(
                f"points {same['point']} and {row['point']} have the same settings, and would "
                "count as two seeds; leave one of the two lines out"
            )
        groups.setdefault(key, {}).setdefault(row[along], []).append(_run(row, costs))
    if along == PENALTY_WEIGHT:
        groups = _with_unpenalised(groups, names)
    series = tuple(
        Series(
            dict(zip(names, key, strict=True)),
            tuple(Level(strength, tuple(runs)) for strength, runs in sorted(levels.items())),
        )
        for key, levels in groups.items()
    )
    by = ""
    if "energy_j" in costs:
        _check_stated(used[0], ("energy_model", "energy_profile"))
        by = f"{used[0]['energy_model']} with the constants of {used[0]['energy_profile']}"
    return Results(series, along, used[0]["samples"], costs, by, len(rows) - len(used))


_Groups = dict[tuple[Any, ...], dict[Any, list[Run]]]


def _with_unpenalised(groups: _Groups, names: Sequence[str]) -> _Groups:
    """Share the nets without penalty among all series that differ in the penalty alone.

    A group of nothing else is no series of its own, unless there is no other.
    """

    def apart_from_penalty(key: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(v for name, v in zip(names, key, strict=True) if name not in OF_PENALTY)

    free: dict[tuple[Any, ...], dict[Any, Run]] = {}
    for key, levels in groups.items():
        for run in levels.get(0, ()):
            free.setdefault(apart_from_penalty(key), {}).setdefault(run.seed, run)
    penalised = {apart_from_penalty(key) for key, levels in groups.items() if set(levels) != {0}}
    shared: _Groups = {}
    for key, levels in groups.items():
        same = apart_from_penalty(key)
        if set(levels) == {0} and same in penalised:
            continue
        own = {run.seed for run in levels.get(0, ())}
        others = [run for seed, run in free.get(same, {}).items() if seed not in own]
        shared[key] = {**levels, 0: [*levels.get(0, ()), *others]} if others else levels
    return shared


def _check_strength(along: str, row: Row) -> None:
    value = row[along]
    if not _is_number(value):
        raise InputError(
            f"{named(along)} of point {row['point']} is {shown(value)}, not a finite number; name "
            "a setting of numbers with --along"
        )


def _is_number(value: Any) -> bool:
    """Return whether a value is a number that a float can hold, neither infinite nor NaN."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and abs(value) <= sys.float_info.max


def _check_same(rows: Sequence[Row]) -> None:
    wanted = {
        "inputs": "the nets were counted on other samples, and cannot be compared",
        "samples": "the nets were counted on other samples, and cannot be compared",
        "energy_model": "energies are by other models, and cannot be compared",
        "energy_profile": "energies are of other profiles, and cannot be compared",
    }
    for name, why in wanted.items():
        found = list(dict.fromkeys(row.get(name) for row in rows))
        if len(found) > 1:
            raise InputError(
                f"{why}: {name} is {shown(found[0])} in point {rows[0]['point']}, "
                f"{shown(found[1])} in another; make one table for each"
            )
    _check_stated(rows[0], ("inputs",))
    samples = rows[0].get("samples")
    if not isinstance(samples, int) or samples < 1:
        raise InputError(
            f"samples of point {rows[0]['point']} is {shown(samples)}, not a whole number of at "
            "least 1; remove such lines and run the sweep again with --resume"
        )


def _check_stated(row: Row, names: Sequence[str]) -> None:
    for name in names:
        if not isinstance(row.get(name), str):
            raise InputError(
                f"{name} of point {row['point']} is {shown(row.get(name))}, so that it cannot be "
                "compared; remove such lines and run the sweep again with --resume"
            )


def _varying(rows: Sequence[Row]) -> list[str]:
    """Return the settings that are not the same in all rows, in the order of the table.

    Rows of an older edgespike may lack a setting, which is then not known to differ.
    """
    values: dict[str, set[Any]] = {}
    for row in rows:
        for name in row.keys() - set(FIGURES):
            values.setdefault(name, set()).add(row[name])
    names = dict.fromkeys(name for row in rows for name in row)
    return [name for name in names if len(values.get(name, ())) > 1]


def _run(row: Row, costs: Sequence[str]) -> Run:
    figures: dict[str, Any] = {name: row.get(name) for name in ("accuracy", *costs)}
    for name, value in figures.items():
        share = name == "accuracy"
        if not _is_number(value) or not 0 <= value <= (1 if share else math.inf):
            raise InputError(
                f"{name} of point {row['point']} is {shown(value)}, not a number "
                f"{'from 0 to 1' if share else 'of at least 0'}; remove its line and run the sweep "
                "again with --resume"
            )
    accuracy = figures.pop("accuracy")
    return Run(row.get(SEED), accuracy, figures)


def _spread(values: Sequence[float]) -> Spread:
    return Spread(fmean(values), min(values), max(values))
