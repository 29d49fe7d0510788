"""The confusion matrix: what it counts, and what does not fit a report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgespike.energy import energy_report
from edgespike.errors import InputError
from edgespike.report import classes, write_page
from tests.energy.examples import TWO_LAYERS, TWO_SAMPLES, counts_of

FITS = np.array([[1, 0], [1, 0]])


def test_each_class_has_recall_precision_and_its_worst_confusion() -> None:
    values = classes.values(np.array([[3, 1], [0, 0]]), ("cat", "dog"))
    assert values["by_class"].rows == [
        ["cat", "4", "3", "75.0%", "100.0%", "dog (1)"],
        ["dog", "0", "0", "–", "0.0%", "–"],
    ]
    assert [[cell.number for cell in row] for row in values["matrix"]] == [["3", "1"], ["0", "0"]]


def test_a_matrix_of_many_classes_is_a_table_of_classes_alone() -> None:
    values = classes.values(np.eye(classes.MATRIX_LIMIT + 1, dtype=np.int64), ())
    assert values["matrix"] is None
    assert len(values["by_class"].rows) == classes.MATRIX_LIMIT + 1


@pytest.mark.parametrize(
    ("confusion", "names", "said"),
    [
        (np.eye(3, dtype=int), None, r"of shape \(3, 3\); give integers of shape \(2, 2\)"),
        (FITS / 1, None, "is float64 of shape"),
        (np.array([[3, -1], [0, 0]]), None, "holds -1"),
        (2 * FITS, None, "holds 4 samples and the report 2"),
        (FITS, ("a", "b", "c"), "3 class names for 2 classes"),
        (np.eye(3, dtype=int), ("a",), "1 class names for 2 classes; the confusion matrix is"),
    ],
)
def test_what_does_not_fit_is_refused(
    tmp_path: Path, confusion: Any, names: Any, said: str
) -> None:
    report = energy_report(TWO_LAYERS, counts_of(TWO_LAYERS, TWO_SAMPLES))
    page = tmp_path / "page.html"
    with pytest.raises(InputError, match=said):
        write_page(page, TWO_LAYERS, report, confusion=confusion, class_names=names)
    assert not page.exists()


def test_names_given_come_before_the_graphs(tmp_path: Path) -> None:
    report = energy_report(TWO_LAYERS, counts_of(TWO_LAYERS, TWO_SAMPLES))
    page = tmp_path / "page.html"
    write_page(page, TWO_LAYERS, report, confusion=FITS, class_names=["cat", "dog"])
    assert "dog" in page.read_text(encoding="utf-8")
