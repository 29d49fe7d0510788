"""Accuracy class by class: which classes are confused with which."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.energy import EnergyReport
from edgespike.errors import InputError
from edgespike.graph import Graph
from edgespike.report.tables import Table
from edgespike.report.units import share, whole

MATRIX_LIMIT = 25
"""Most classes whose matrix is shown; of more, only the table of the classes."""

SHORT_NAME = 3
"""Most characters of class names that stand above narrow columns without being turned."""

_STRONGEST = 0.42
"""How opaque the colour of a cell is at most: the number in it must stay readable."""


@dataclass(frozen=True)
class MatrixCell:
    """A number of samples, how strong its colour is, 0 to 1, and whether they are right.

    The colour grows with the root of the share in the row, so that a few wrong ones are seen.
    """

    number: str
    opacity: float
    right: bool


def check(
    graph: Graph, report: EnergyReport, confusion: NDArray[Any] | None, names: Sequence[str]
) -> None:
    """Raise :class:`InputError` if a confusion matrix or names do not fit graph and report."""
    classes, samples = graph.readout_op.classes, report.counts.samples
    faults = []
    if names and len(names) != classes:
        faults.append(f"there are {len(names)} class names for {classes} classes")
    if confusion is not None:
        faults += _faults(np.asarray(confusion), classes, samples)
    if faults:
        raise InputError(f"the page of {graph.name!r} cannot be written: {'; '.join(faults)}")


def _faults(confusion: NDArray[Any], classes: int, samples: int) -> Iterator[str]:
    if not np.issubdtype(confusion.dtype, np.integer) or confusion.shape != (classes, classes):
        yield (
            f"the confusion matrix is {confusion.dtype} of shape {confusion.shape}; "
            f"give integers of shape {(classes, classes)}"
        )
    elif (confusion < 0).any():
        yield f"the confusion matrix holds {confusion.min()}; give numbers of samples"
    elif confusion.sum() != samples:
        yield (
            f"the confusion matrix holds {confusion.sum()} samples and the report {samples}; "
            "make both from the same run"
        )


def values(confusion: NDArray[Any] | None, names: Sequence[str]) -> dict[str, Any]:
    """Return what the template of this part shows; nothing without a matrix."""
    if confusion is None:
        return {"by_class": None, "matrix": None, "matrix_names": (), "short_names": True}
    confusion = np.asarray(confusion)
    shown = list(names) or [str(number) for number in range(len(confusion))]
    small = len(confusion) <= MATRIX_LIMIT
    return {
        "by_class": Table(
            "by-class",
            "Each class",
            ("class", "samples", "right", "recall", "precision", "most often taken for"),
            list(_class_rows(confusion, shown)),
            kind="last",
        ),
        "matrix": [_matrix_row(row, at) for at, row in enumerate(confusion)] if small else None,
        "matrix_names": shown,
        "short_names": max(map(len, shown)) <= SHORT_NAME,
    }


def _class_rows(confusion: NDArray[Any], names: Sequence[str]) -> Iterator[list[str]]:
    for at, name in enumerate(names):
        right, of_class = int(confusion[at, at]), int(confusion[at].sum())
        answered = int(confusion[:, at].sum())
        wrong = confusion[at].copy()
        wrong[at] = 0
        worst = int(wrong.argmax())
        yield [
            name,
            whole(of_class),
            whole(right),
            share(right / of_class if of_class else None),
            share(right / answered if answered else None),
            f"{names[worst]} ({whole(int(wrong[worst]))})" if wrong[worst] else "–",
        ]


def _matrix_row(row: NDArray[Any], at: int) -> list[MatrixCell]:
    numbers = [int(number) for number in row]
    most = max(sum(numbers), 1)
    return [
        MatrixCell(whole(number), round(_STRONGEST * (number / most) ** 0.5, 3), column == at)
        for column, number in enumerate(numbers)
    ]
