"""Compare the figures of several models, after checking that they can be compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

from edgespike.comparison.constants import difference, other_constants
from edgespike.comparison.figures import Energy, Figures
from edgespike.comparison.layers import LayerRow, layer_rows
from edgespike.comparison.statistics import McNemar, mcnemar, wilson
from edgespike.energy import Interval
from edgespike.errors import InputError, ViolationsError


class ComparisonError(ViolationsError):
    """Figures cannot be compared: of other samples, or by other models or conventions."""


@dataclass(frozen=True)
class Row:
    """One figure of every model.

    Parameters
    ----------
    key
        Its name in JSON.
    values
        One for each model: means over samples, shares or totals as ``key`` says; ``None`` where it
        is not known.
    most_wins
        Whether the largest value is the best; else the smallest is.
    proven
        Whether the best differs from every other by more than its uncertainty; ``None`` if the
        figure is exact.
    """

    key: str
    values: tuple[Fraction | float | None, ...]
    most_wins: bool = False
    proven: bool | None = None

    @property
    def best(self) -> int | None:
        """Index of the best value; ``None`` if one is missing or the best is not the only one."""
        known = [value for value in self.values if value is not None]
        if len(known) < len(self.values):
            return None
        best = max(known) if self.most_wins else min(known)
        return self.values.index(best) if known.count(best) == 1 else None

    def ratio(self, at: int) -> float | None:
        """Return a value over the first one; ``None`` if one is missing or the first is zero."""
        first, value = self.values[0], self.values[at]
        return None if first is None or value is None or first == 0 else float(value / first)

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        ratios = [self.ratio(at) for at in range(len(self.values))]
        return {
            "values": [None if value is None else plain(value) for value in self.values],
            "ratio": ratios,
            "percent": [None if ratio is None else 100 * (ratio - 1) for ratio in ratios],
            "best": self.best,
            "proven": self.proven,
        }


def plain(value: Fraction | float) -> int | float:
    """Return a value as JSON holds it: a fraction as a whole number, or as the nearest float."""
    if isinstance(value, Fraction):
        return int(value) if value.denominator == 1 else float(value)
    return value


@dataclass(frozen=True)
class Comparison:
    """Several models side by side.

    Parameters
    ----------
    models
        Their figures; the first is what the others are compared with.
    energies
        Joules per sample by the same model and profile, one for each; empty if none is compared.
    charged
        That model and profile, with the figures of each; empty if none is compared.
    rows
        The figures.
    tests
        For each model but the first, McNemar's test against the first; ``None`` where the answers
        of single samples or the labels are not known.
    accuracy_ranges
        95 % interval of each accuracy; empty without labels.
    layers
        Layers that correspond, then those that do not.
    """

    models: tuple[Figures, ...]
    energies: tuple[Interval, ...]
    charged: tuple[Energy, ...]
    rows: tuple[Row, ...]
    tests: tuple[McNemar | None, ...]
    accuracy_ranges: tuple[tuple[float, float], ...]
    layers: tuple[LayerRow, ...]

    @property
    def energy(self) -> Energy | None:
        """The energy model and profile, with the first one's figures; ``None`` if there is none."""
        return next(iter(self.charged), None)

    def energy_difference(self, at: int) -> tuple[float, float] | None:
        """Return the least and most joules a sample that a model takes more than the best one.

        Every constant takes any value in its range, the same for both. ``None`` if there is no best
        one, or a report does not say what is charged.
        """
        row = self.row("energy_per_sample_j")
        if row is None or row.best is None:
            return None
        ends = difference(self.charged[row.best], self.charged[at])
        samples = self.models[0].samples
        return None if ends is None else (float(ends[0] / samples), float(ends[1] / samples))

    def row(self, key: str) -> Row | None:
        """Return the row of a figure, ``None`` if it is not compared."""
        return next((row for row in self.rows if row.key == key), None)

    def __repr__(self) -> str:
        """Return what was compared, and the energies, on one line."""
        names = ", ".join(repr(model.name) for model in self.models)
        energies = ", ".join(f"{each.typical:.3g} J" for each in self.energies)
        return f"<Comparison of {names}: per sample {energies or 'no energy'}>"

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "models": [_model(each) for each in self.models],
            "samples": self.models[0].samples,
            "rows": {row.key: row.to_json() for row in self.rows},
            "energy": None if self.energy is None else self._energy(self.energy),
            "accuracy_tests": [None if test is None else test.to_json() for test in self.tests],
            "accuracy_95_percent": [list(ends) for ends in self.accuracy_ranges],
            "exactness": "not compared; see edgespike verify",
            "layers": [row.to_json() for row in self.layers],
        }

    def _energy(self, energy: Energy) -> dict[str, Any]:
        return {
            "model": energy.model,
            "profile": energy.profile,
            "convention": energy.convention,
            "formula": energy.formula,
            "per_sample": [each.to_json() for each in self.energies],
            "ranges_overlap": overlap(self.energies),
            "above_best_j": [self.energy_difference(at) for at in range(len(self.models))],
        }


def _model(figures: Figures) -> dict[str, Any]:
    return {
        "name": figures.name,
        "graph": figures.graph,
        "from_report": figures.from_report,
        "inputs": figures.inputs or None,
    }


def compare_figures(
    models: Sequence[Figures], model: str | None = None, profile: str | None = None
) -> Comparison:
    """Compare figures of the same samples.

    Parameters
    ----------
    models
        At least two.
    model, profile
        Energy model and profile; ``None`` to choose what answers best what a sample of the first
        model costs, of those that all models have.

    Raises
    ------
    ComparisonError
        The figures are of different samples, or by different models or conventions.
    InputError
        There is only one model, or none has the energy model or profile.
    """
    if len(models) < 2:
        raise InputError(f"{len(models)} models are given; give at least 2 to compare")
    if problems := list(_differences(models)):
        raise ComparisonError("these figures cannot be compared", problems)
    chosen = choose_energy(models, model, profile)
    energies = tuple(each.energy / of.samples for each, of in zip(chosen, models, strict=False))
    tests = tuple(_test(models[0], other) for other in models[1:])
    ranges: tuple[tuple[float, float], ...] = ()
    if all(each.right is not None for each in models):
        ranges = tuple(wilson(each.right or 0, each.samples) for each in models)
    return Comparison(
        tuple(models),
        energies,
        chosen,
        tuple(_rows(models, energies, chosen, tests, ranges)),
        tests,
        ranges,
        tuple(layer_rows(models)),
    )


def _differences(models: Sequence[Figures]) -> Iterator[str]:
    """Yield why figures are not of the same samples."""
    first = models[0]
    known = [each for each in models if each.inputs]
    for other in models[1:]:
        if other.samples != first.samples:
            yield (
                f"{other.name} is of {other.samples:,} samples, {first.name} of "
                f"{first.samples:,}; run both on the same"
            )
    for other in known[1:]:
        if other.inputs != known[0].inputs:
            yield (
                f"{other.name} is of other samples than {known[0].name}: SHA-256 "
                f"{other.inputs[:12]} and {known[0].inputs[:12]}; run both on the same"
            )


def choose_energy(
    models: Sequence[Figures], model: str | None, profile: str | None
) -> tuple[Energy, ...]:
    """Return the energy of each by the same model and profile; empty if no one has any.

    Raises
    ------
    ComparisonError
        No model and profile is common to all, or one is by another formula or convention.
    InputError
        The model or profile that is asked for is not there.
    """
    wanted = [
        {each.key: each for each in of.energies if model in (None, each.model)} for of in models
    ]
    if profile is not None:
        wanted = [{key: row for key, row in of.items() if key[1] == profile} for of in wanted]
    common = [key for key in wanted[0] if all(key in of for of in wanted)]
    if not common:
        return _nothing_common(models, model, profile)
    usable = [key for key in common if not any(of[key].refused for of in wanted)] or common
    key = _answering(models, wanted[0], usable)
    chosen = tuple(of[key] for of in wanted)
    problems = [
        f"{key[0]} of {other.name} is by convention {row.convention!r}, '{row.formula}'; of "
        f"{models[0].name} by {chosen[0].convention!r}, '{chosen[0].formula}'; run both again with "
        "the same version"
        for other, row in zip(models, chosen, strict=True)
        if (row.convention, row.formula) != (chosen[0].convention, chosen[0].formula)
    ]
    problems += other_constants([of.name for of in models], chosen)
    if problems:
        raise ComparisonError("these energies cannot be compared", problems)
    return chosen


def _answering(
    models: Sequence[Figures],
    energies: Mapping[tuple[str, str], Energy],
    keys: Sequence[tuple[str, str]],
) -> tuple[str, str]:
    """Return what answers best what a sample costs: a headline, else a model that has memory."""
    headlines = [key for of in models for key in keys if key[0] == of.headline]
    general = [key for key in keys if not energies[key].target]
    memory = [key for key in general if energies[key].memory]
    return [*headlines, *memory, *general, *keys][0]


def _nothing_common(
    models: Sequence[Figures], model: str | None, profile: str | None
) -> tuple[Energy, ...]:
    have = [
        f"{of.name} has " + (", ".join(f"{e.model} ({e.profile})" for e in of.energies) or "none")
        for of in models
    ]
    if model is not None or profile is not None:
        asked = " of ".join(
            filter(None, [model and f"model {model!r}", profile and f"profile {profile!r}"])
        )
        raise InputError(f"not every model has an energy by {asked}: {'; '.join(have)}")
    if not any(of.energies for of in models):
        return ()
    raise ComparisonError(
        "these energies cannot be compared: no model and profile is common to all", have
    )


def _test(first: Figures, other: Figures) -> McNemar | None:
    if first.answers is None or other.answers is None:
        return None
    return mcnemar(first.answers, other.answers)


def _rows(
    models: Sequence[Figures],
    energies: Sequence[Interval],
    chosen: Sequence[Energy],
    tests: Sequence[McNemar | None],
    ranges: Sequence[tuple[float, float]],
) -> Iterator[Row]:
    def of(key: str, value: Callable[[Figures], int], *, per_sample: bool = False) -> Row:
        return Row(key, tuple(Fraction(value(x), x.samples if per_sample else 1) for x in models))

    if any(each.right is not None for each in models):
        shares = tuple(
            None if each.right is None else Fraction(each.right, each.samples) for each in models
        )
        row = Row("accuracy", shares, most_wins=True)
        yield Row("accuracy", shares, True, _accuracy_proven(row.best, tests, ranges))
    yield of("synaptic_operations_per_sample", lambda x: x.synaptic_operations, per_sample=True)
    yield of("multiply_accumulates_per_sample", lambda x: x.multiply_accumulates, per_sample=True)
    yield of(
        "operations_per_sample",
        lambda x: x.synaptic_operations + x.multiply_accumulates,
        per_sample=True,
    )
    if energies:
        typical = Row("energy_per_sample_j", tuple(each.typical for each in energies))
        proven = typical.best is not None and all(
            _less(chosen[typical.best], other, energies[typical.best], energies[at])
            for at, other in enumerate(chosen)
            if at != typical.best
        )
        yield Row(typical.key, typical.values, False, proven)
    yield of("weights", lambda x: x.weights)
    yield of("weight_bytes", lambda x: x.weight_bytes)
    yield of("file_bytes", lambda x: x.file_bytes)


def _less(best: Energy, other: Energy, best_each: Interval, other_each: Interval) -> bool:
    """Return whether an energy is lower than another whatever the constants in their ranges are."""
    ends = difference(best, other)
    return ends[0] > 0 if ends is not None else best_each.high < other_each.low


def _accuracy_proven(
    best: int | None,
    tests: Sequence[McNemar | None],
    ranges: Sequence[tuple[float, float]],
) -> bool:
    """Return whether the best accuracy is shown to be better than every other.

    By McNemar's test where each model's answers are known and only two are compared; else by
    intervals that do not overlap, which asks for more.
    """
    if best is None or not ranges:
        return False
    if len(ranges) == 2 and tests[0] is not None:
        return tests[0].shown
    return all(ranges[best][0] > high for at, (_, high) in enumerate(ranges) if at != best)


def overlap(energies: Sequence[Interval]) -> bool:
    """Return whether any two ranges overlap."""
    ordered = sorted(energies, key=lambda each: (each.low, each.high))
    return any(later.low <= earlier.high for earlier, later in pairwise(ordered))
