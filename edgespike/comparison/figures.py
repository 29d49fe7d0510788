"""The figures of one model, as an energy report has them: from a run, or from a saved file."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import astuple, dataclass, field, replace
from math import isclose
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.energy import Interval
from edgespike.errors import FileFormatError, shown
from edgespike.storage.files import opened

SIZE_LIMIT = 2**26
"""Most bytes of a saved report: one of 1,000 layers and 1,000 steps has a tenth of that."""

LARGEST = 10**100
"""Largest number in a report: far above any count, and far below a float's limit."""

_BEGINNING = 64
"""Bytes that tell a report from a model file, whose first eight hold a length or a magic number."""


@dataclass(frozen=True)
class Energy:
    """The energy of a run by one model with the constants of one profile.

    Parameters
    ----------
    model, profile, convention, formula
        What was charged, on which synapses, and with which constants.
    energy
        In joules, over all samples.
    target
        Name of the target whose hardware the constants are of; empty if they are of none.
    refused
        Whether that target cannot run the graph.
    memory
        Whether memory accesses are charged.
    charged
        How many times each constant is charged, and its energy; empty if the report does not say.
    """

    model: str
    profile: str
    convention: str
    formula: str
    energy: Interval
    target: str = ""
    refused: bool = False
    memory: bool = False
    charged: Mapping[str, tuple[float, Interval]] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        """What must be equal for two energies to be compared: model and profile."""
        return self.model, self.profile


@dataclass(frozen=True)
class LayerFigures:
    """What one layer did, over all samples and steps, on non-zero quantised weights."""

    name: str
    synaptic_operations: int
    multiply_accumulates: int
    weights: int

    @property
    def operations(self) -> int:
        """Synaptic operations and multiply-accumulates together."""
        return self.synaptic_operations + self.multiply_accumulates


@dataclass(frozen=True)
class Figures:
    """The figures of one model, over all samples.

    Parameters
    ----------
    name
        What the user called it: a path, or the graph's name.
    graph
        Hash of the graph.
    samples
        Number of samples.
    synaptic_operations, multiply_accumulates
        Totals on non-zero quantised weights.
    weights, weight_bytes, file_bytes
        Number of weights, their bytes in a graph file, and that file's bytes.
    energies
        One for each model of each profile.
    headline
        Name of the energy model that answers what a sample costs; empty if there is none.
    layers
        In the order in which they run.
    right
        Number of samples whose class is their label; ``None`` without labels.
    answers
        Whether each sample is answered right, ``(samples,)``; ``None`` if that is not known.
    inputs
        SHA-256 of the samples, see :func:`edgespike.comparison.running.samples_hash`; empty if it
        was not recorded.
    from_report
        Whether the figures are from a saved report.
    """

    name: str
    graph: str
    samples: int
    synaptic_operations: int
    multiply_accumulates: int
    weights: int
    weight_bytes: int
    file_bytes: int
    energies: tuple[Energy, ...]
    headline: str
    layers: tuple[LayerFigures, ...]
    right: int | None = None
    answers: NDArray[np.bool_] | None = None
    inputs: str = ""
    from_report: bool = False


def is_report(path: Path) -> bool:
    """Return whether a file begins as JSON does, and so may be a saved report."""
    with opened(path) as file:
        head = file.read(_BEGINNING)
    return head.lstrip()[:1] == b"{" and head.isascii() and b"\0" not in head


def read_figures(path: Path) -> Figures:
    """Read the figures of a report that ``edgespike energy --json`` wrote.

    Raises
    ------
    InputError
        The file cannot be read.
    FileFormatError
        It is too large, is not JSON, or is not such a report.
    """
    with opened(path) as file:
        content = file.read(SIZE_LIMIT + 1)
    if len(content) > SIZE_LIMIT:
        raise FileFormatError(f"{path} has more than {SIZE_LIMIT:,} bytes, the limit of a report")
    try:
        table = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{path} is not valid JSON: {shown(str(error))}") from None
    return replace(figures_of(str(path), table), from_report=True)


def figures_of(name: str, report: Any) -> Figures:
    """Take the figures out of :meth:`edgespike.energy.EnergyReport.to_json`.

    Raises
    ------
    FileFormatError
        Something is missing or of another type.
    """
    read = _Reader(name)
    counts, size = read.table(report, "counts"), read.table(report, "size")
    samples = read.whole(counts, "samples")
    if samples == 0:
        raise FileFormatError(f"{name} is a report of no samples; run at least one")
    weights = read.table(size, "total")
    accuracy = report.get("accuracy")
    return Figures(
        name,
        read.text(report, "graph"),
        samples,
        read.whole(read.table(counts, "synaptic_operations"), "quantised"),
        read.whole(counts, "multiply_accumulates"),
        read.whole(weights, "weights"),
        read.whole(weights, "file_bytes"),
        read.whole(size, "file_bytes"),
        tuple(_energy(read, row) for row in read.rows(report, "energy")),
        read.text_or_none(report, "headline"),
        tuple(_layers(read, counts, size)),
        None if accuracy is None else _right(read, report, samples),
        inputs=read.text_or_none(report, "inputs"),
    )


def _right(read: _Reader, report: Mapping[str, Any], samples: int) -> int:
    accuracy = read.number(report, "accuracy")
    right = round(min(accuracy, 2) * samples)
    if right > samples or abs(right - accuracy * samples) > 1e-6 * samples:
        raise FileFormatError(
            f"{read.name} has an accuracy of {accuracy:g} over {samples:,} samples, which is no "
            "whole number of right answers from 0 to all; write the report again"
        )
    return right


def _energy(read: _Reader, row: Any) -> Energy:
    rows = read.table(row, "charged") if isinstance(row, dict) and "charged" in row else {}
    charged = {
        read.line("charged", name): (read.number(each, "times"), _interval(read, each))
        for name, each in rows.items()
    }
    energy = _interval(read, row)
    _check_sum(read, energy, charged.values())
    return Energy(
        read.text(row, "model"),
        read.text(row, "profile"),
        read.text(row, "convention"),
        read.text(row, "formula"),
        energy,
        read.text_or_none(row, "target"),
        row.get("target_runs_graph") is False,
        row.get("memory_share") is not None,
        charged,
    )


def _check_sum(
    read: _Reader, energy: Interval, charged: Collection[tuple[float, Interval]]
) -> None:
    """Refuse an energy that is not the sum of what is charged; floats were added in any order."""
    added = sum((constant * times for times, constant in charged), start=Interval())
    if charged and not all(
        isclose(total, of_all, rel_tol=1e-9)
        for total, of_all in zip(astuple(added), astuple(energy), strict=True)
    ):
        raise FileFormatError(
            f"{read.name} has an energy of {energy.typical:g} J, but what it charges adds up to "
            f"{added.typical:g} J ({added.low:g} to {added.high:g}); write the report again"
        )


def _interval(read: _Reader, row: Any) -> Interval:
    low, typical, high = (read.number(row, f"{end}_j") for end in ("low", "typical", "high"))
    if not low <= typical <= high:
        raise FileFormatError(
            f"{read.name} has an energy whose range {low:g} to {high:g} J does not hold its "
            f"typical value, {typical:g} J; write the report again"
        )
    return Interval(low, typical, high)


def _layers(
    read: _Reader, counts: Mapping[str, Any], size: Mapping[str, Any]
) -> list[LayerFigures]:
    """Return the layers that have weights or operations."""
    weights = {
        read.text(row, "name"): read.whole(row, "weights") for row in read.rows(size, "layers")
    }
    rows = [
        LayerFigures(
            name := read.text(row, "name"),
            read.whole(read.table(row, "synaptic_operations"), "quantised"),
            read.whole(row, "multiply_accumulates"),
            weights.get(name, 0),
        )
        for row in read.rows(counts, "layers")
    ]
    return [row for row in rows if row.operations or row.weights]


@dataclass(frozen=True)
class _Reader:
    """Takes typed values out of a table, and names what is wrong in the file."""

    name: str

    def _get(self, table: Any, key: str, kind: type | tuple[type, ...], what: str) -> Any:
        if not isinstance(table, Mapping) or key not in table:
            raise FileFormatError(
                f"{self.name} is not a report of 'edgespike energy --json': it has no {key!r}"
            )
        value = table[key]
        if not isinstance(value, kind) or isinstance(value, bool):
            raise FileFormatError(
                f"{self.name} is not a report of 'edgespike energy --json': {key!r} is "
                f"{shown(value)}, not {what}"
            )
        return value

    def table(self, table: Any, key: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._get(table, key, Mapping, "a table")
        return found

    def rows(self, table: Any, key: str) -> list[Any]:
        found: list[Any] = self._get(table, key, list, "a list")
        return found

    def text(self, table: Any, key: str) -> str:
        return self.line(key, self._get(table, key, str, "text"))

    def text_or_none(self, table: Mapping[str, Any], key: str) -> str:
        """Return a text; empty if there is none."""
        value = table.get(key)
        return "" if value is None else self.line(key, value)

    def line(self, key: str, value: Any) -> str:
        """Return a value that is a line of text."""
        # Control characters could change what a terminal shows.
        if not (isinstance(value, str) and value.isprintable()):
            raise FileFormatError(f"{self.name}: {key!r} is {shown(value)}, not one line of text")
        return value

    def whole(self, table: Any, key: str) -> int:
        value = self._get(table, key, int, "a whole number")
        if not 0 <= value <= LARGEST:
            raise FileFormatError(
                f"{self.name}: {key!r} is {shown(value)}; it must be in 0..{LARGEST:g}"
            )
        return int(value)

    def number(self, table: Any, key: str) -> float:
        value = self._get(table, key, (int, float), "a number")
        if not 0 <= value <= LARGEST:
            raise FileFormatError(
                f"{self.name}: {key!r} is {shown(value)}; it must be in 0..{LARGEST:g}"
            )
        return float(value)
