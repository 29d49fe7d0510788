"""Limits on what a model may cost, and whether it keeps them.

Counts and accuracies are compared as fractions of integers, so that nothing is rounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from edgespike.comparison import Figures, choose_energy
from edgespike.comparison.comparing import plain
from edgespike.energy.units import parse_bytes, parse_energy
from edgespike.errors import InputError, ViolationsError, shown
from edgespike.graph import Graph
from edgespike.storage.toml_files import read_own_toml
from edgespike.targets import get_target

MODEL_FILES = {"tflite": "raspberry-pi/model.tflite", "onnx": "model.onnx"}
"""The file of a target's artefact that holds the model. Other targets are measured by the graph."""


class BudgetError(ViolationsError):
    """A budget has no limit, or limits that cannot be read."""


@dataclass(frozen=True)
class Limits:
    """What a model may cost. ``None`` is no limit.

    Parameters
    ----------
    operations
        Most synaptic operations and multiply-accumulates together, mean of the samples.
    energy_j
        Most joules of a sample, mean of the samples.
    accuracy
        Least share of right answers, 0 to 1.
    flash
        Most bytes of the model's file.
    weights
        Most weights.
    """

    operations: Fraction | None = None
    energy_j: float | None = None
    accuracy: Fraction | None = None
    flash: int | None = None
    weights: int | None = None

    def over(self, other: Limits) -> Limits:
        """Return these limits, with those that are not given from others."""
        gaps = [field.name for field in fields(self) if getattr(self, field.name) is None]
        return replace(self, **{name: getattr(other, name) for name in gaps})


@dataclass(frozen=True)
class Budget:
    """Limits, and how they are checked; what a budget file or the command line says.

    Parameters
    ----------
    limits
        The limits.
    target
        Target that runs the model, and whose file is measured; empty if it is not said.
    model, profile
        Energy model and profile; ``None`` to choose what answers best what a sample costs.
    typical
        Whether an energy's typical value is compared with its limit; else its high end is.
    """

    limits: Limits = Limits()
    target: str = ""
    model: str | None = None
    profile: str | None = None
    typical: bool | None = None

    def over(self, other: Budget) -> Budget:
        """Return this budget, with what it does not say from another one."""
        limits = self.limits.over(other.limits)
        return Budget(
            limits,
            self.target or other.target,
            self.model or other.model,
            self.profile or other.profile,
            other.typical if self.typical is None else self.typical,
        )

    def of_profile(self, name: str) -> Budget:
        """Return this budget with a profile's own name, where a path was given."""
        return replace(self, profile=name)


@dataclass(frozen=True)
class Check:
    """One limit and what was found.

    Parameters
    ----------
    name
        What is limited, as in JSON: operations, energy_j, accuracy, flash_bytes or weights.
    limit, found
        Exact values; ``found`` is a mean over the samples for operations and energy.
    passed
        Whether the limit is kept.
    what
        What exactly was measured, in words.
    """

    name: str
    limit: Fraction | float | int
    found: Fraction | float | int
    passed: bool
    what: str

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "name": self.name,
            "limit": plain(self.limit),
            "found": plain(self.found),
            "passed": self.passed,
            "what": self.what,
        }


_KEYS = ("max-operations", "max-energy", "min-accuracy", "max-flash", "max-weights")


def parse_budget(values: Mapping[str, object], where: str) -> Budget:
    """Read a budget from what a file or the command line gives.

    Parameters
    ----------
    values
        By name: ``max-operations``, ``max-energy``, ``min-accuracy``, ``max-flash``,
        ``max-weights``, ``target``, ``model``, ``profile`` and ``typical``. ``None`` is nothing.
    where
        What they are from, for messages.

    Raises
    ------
    BudgetError
        A name is unknown, or a value cannot be read; all are listed.
    """
    problems: list[str] = []

    def read(key: str, parse: Any) -> Any:
        value = values.get(key)
        if value is None:
            return None
        try:
            return parse(value)
        except InputError as error:
            problems.append(f"{key}: {error}")
            return None

    known = (*_KEYS, "target", "model", "profile", "typical")
    for key in values:
        if key not in known:
            problems.append(f"{shown(key)} is unknown; there are {', '.join(known)}")
    limits = Limits(
        read("max-operations", parse_operations),
        read("max-energy", parse_energy),
        read("min-accuracy", parse_share),
        read("max-flash", _bytes),
        read("max-weights", _whole),
    )
    names = {key: read(key, _name) for key in ("target", "model", "profile")}
    typical = read("typical", _yes)
    if problems:
        raise BudgetError(f"{where} cannot be used", problems)
    return Budget(limits, names["target"] or "", names["model"], names["profile"], typical)


def read_budget(path: Path) -> Budget:
    """Read a budget from a TOML file.

    Raises
    ------
    InputError, FileFormatError
        The file cannot be read, or is not TOML.
    BudgetError
        As for :func:`parse_budget`.
    """
    return parse_budget(read_own_toml("budget", path), f"budget {path}")


def parse_operations(value: object) -> Fraction:
    """Return a number of operations, exactly: ``3_000_000``, ``"3e6"`` or ``2.5``."""
    number = _fraction(value, "a number of operations, such as 3e6")
    if number < 0:
        raise InputError(f"{shown(value)} is negative; give a number that is at least 0")
    return number


def parse_share(value: object) -> Fraction:
    """Return a share from 0 to 1, exactly: ``0.9`` or ``"90%"``."""
    text = value.strip() if isinstance(value, str) else value
    percent = isinstance(text, str) and text.endswith("%")
    share = _fraction(text[:-1] if isinstance(text, str) and percent else text, "a share")
    share = share / 100 if percent else share
    if not 0 <= share <= 1:
        raise InputError(f"{shown(value)} is not a share from 0 to 1; give one such as 0.9 or 90%")
    return share


def _fraction(value: object, what: str) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise InputError(f"{shown(value)} is not {what}")
    text = str(value).strip()  # the decimal digits that were written, not the nearest float
    try:
        # An exponent of thousands would make a number of as many digits.
        if len(text) > 40 or abs(int(text.lower().partition("e")[2] or 0)) > 100:
            raise ValueError
        return Fraction(re.sub(r"(?<=\d)_(?=\d)", "", text))  # Python 3.10 reads no underscores
    except (ValueError, ZeroDivisionError):
        raise InputError(f"{shown(value)} is not {what}") from None


def _whole(value: object) -> int:
    number = parse_operations(value)
    if number.denominator != 1:
        raise InputError(f"{shown(value)} is not a whole number")
    return int(number)


def _bytes(value: object) -> int:
    if isinstance(value, str) and not value.strip().isdigit():
        return parse_bytes(value)
    return _whole(value)


def _name(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise InputError(f"{shown(value)} is not a name")
    return value


def _yes(value: object) -> bool:
    if not isinstance(value, bool):
        raise InputError(f"{shown(value)} is neither true nor false")
    return value


def check_limits(budget: Budget, *, labelled: bool = True) -> None:
    """Check that a budget limits something that can be measured, before anything runs.

    Raises
    ------
    BudgetError
        It has no limit, or limits the accuracy where there are no labels.
    """
    limits = budget.limits
    problems = []
    if limits == Limits():
        problems.append(f"no limit is given; give at least one of {', '.join(_KEYS)}")
    if limits.accuracy is not None and not labelled:
        problems.append("min-accuracy: there are no labels; give --labels, or leave it out")
    if limits.energy_j is None:
        problems += [
            f"{key}: it says how an energy is measured, but max-energy is not given"
            for key in ("model", "profile", "typical")
            if getattr(budget, key)
        ]
    if problems:
        raise BudgetError("this budget cannot be checked", problems)


def check_budget(budget: Budget, figures: Figures, graph: Graph) -> tuple[Check, ...]:
    """Compare what a run found with a budget.

    Parameters
    ----------
    budget
        See :func:`check_limits`.
    figures
        What the run found, see :func:`edgespike.comparison.run_figures`.
    graph
        The graph that ran. Where the size of a target's file is limited, it is exported.

    Raises
    ------
    InputError
        There is no energy by the model and profile.
    UnsupportedError
        The target cannot compute the graph.
    """
    return tuple(_checks(budget, figures, graph))


def _checks(budget: Budget, figures: Figures, graph: Graph) -> Iterator[Check]:
    limits = budget.limits
    if limits.operations is not None:
        total = figures.synaptic_operations + figures.multiply_accumulates
        mean = Fraction(total, figures.samples)
        what = (
            "synaptic operations plus multiply-accumulates of all layers and steps, mean of the "
            "samples, on synapses whose quantised weight is not zero"
        )
        yield Check("operations", limits.operations, mean, mean <= limits.operations, what)
    if limits.energy_j is not None:
        yield _energy_check(budget, limits.energy_j, figures)
    if limits.accuracy is not None and figures.right is not None:
        share = Fraction(figures.right, figures.samples)
        what = f"{figures.right:,} of {figures.samples:,} samples are right"
        yield Check("accuracy", limits.accuracy, share, share >= limits.accuracy, what)
    if limits.flash is not None:
        size, what = flash_bytes(graph, budget.target or "cpu", figures.file_bytes)
        yield Check("flash_bytes", limits.flash, size, size <= limits.flash, what)
    if limits.weights is not None:
        found = figures.weights
        what = "weights, zeros included; those of a kernel count once"
        yield Check("weights", limits.weights, found, found <= limits.weights, what)


def _energy_check(budget: Budget, limit: float, figures: Figures) -> Check:
    chosen = choose_energy([figures], budget.model, budget.profile)
    if not chosen:
        raise InputError(
            f"{figures.name} has no energy to compare with max-energy: the profile has no models; "
            "name another one"
        )
    (energy,) = chosen
    mean = energy.energy / figures.samples
    found = mean.typical if budget.typical else mean.high
    what = f"{_end(budget)} by {energy.model} of profile {energy.profile}, mean of the samples"
    if energy.refused:  # a figure of hardware that cannot run the graph keeps no limit
        what += f"; target {energy.target} cannot run this graph"
    return Check("energy_j", limit, found, found <= limit and not energy.refused, what)


def _end(budget: Budget) -> str:
    return "typical value" if budget.typical else "high end"


def flash_bytes(graph: Graph, target: str, graph_file: int) -> tuple[int, str]:
    """Return the bytes of what a device stores of a model, and what was measured in words.

    Parameters
    ----------
    graph
        The graph.
    target
        Name of a target. Those of :data:`MODEL_FILES` are exported to measure that file.
    graph_file
        Bytes of the graph file, the answer for every other target.

    Raises
    ------
    UnsupportedError
        The target cannot compute the graph.
    """
    chosen = get_target(target)
    if chosen.name not in MODEL_FILES:
        return graph_file, "the graph file; code is not included"
    chosen.check(graph)
    name = MODEL_FILES[chosen.name]
    with TemporaryDirectory() as folder:
        chosen.write(graph, Path(folder))
        size = (Path(folder) / name).stat().st_size
    return size, f"{name} of target {chosen.name}; code and working memory are not included"
