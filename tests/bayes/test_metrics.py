"""Detection and calibration, compared with counting pairs and samples one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgespike.bayes.metrics import area_under_roc, expected_calibration_error
from edgespike.errors import InputError

SCORES = st.lists(st.integers(-4, 4), min_size=1, max_size=12)


@given(SCORES, SCORES)
def test_the_area_is_the_share_of_pairs_in_order(low: list[int], high: list[int]) -> None:
    pairs = [1.0 if n < p else 0.5 if n == p else 0.0 for n in low for p in high]
    assert area_under_roc(np.array(low), np.array(high)) == pytest.approx(np.mean(pairs))


@pytest.mark.parametrize(
    ("negatives", "positives", "area"),
    [([0.1, 0.2], [0.3, np.inf], 1.0), ([0.3], [0.1], 0.0), ([0.0, 0.0], [0.0], 0.5)],
)
def test_areas_that_are_known(negatives: list[float], positives: list[float], area: float) -> None:
    assert area_under_roc(np.array(negatives), np.array(positives)) == area


def test_calibration_of_two_bins_by_hand() -> None:
    """Confidences .6 and .8, one of two right: |.7 - .5|; 1.0, right: 0; bins of width 1/2."""
    probabilities = np.array([[0.6, 0.4], [0.2, 0.8], [0.5, 0.5]])
    labels = np.array([0, 0, 1])
    # .6 and .8 are in the upper bin; .5 is the upper end of the lower one, and wrong.
    expected = 2 / 3 * abs(0.7 - 0.5) + 1 / 3 * abs(0.5 - 0.0)
    found = expected_calibration_error(probabilities, labels, bins=2)
    assert found == pytest.approx(expected)


@given(st.integers(0, 2**32 - 1), st.integers(1, 20))
def test_the_error_is_that_of_samples_sorted_one_by_one(seed: int, bins: int) -> None:
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(3), 30)
    labels = rng.integers(0, 3, 30)
    total = 0.0
    for place in range(bins):
        inside = [
            (row.max(), float(row.argmax() == label))
            for row, label in zip(probabilities, labels, strict=True)
            if place / bins < row.max() <= (place + 1) / bins
        ]
        if inside:
            confidence, right = np.mean(inside, axis=0)
            total += len(inside) / 30 * abs(confidence - right)
    assert expected_calibration_error(probabilities, labels, bins) == pytest.approx(total)


def test_certain_and_right_is_calibrated() -> None:
    assert expected_calibration_error(np.eye(3), np.arange(3)) == 0.0


@pytest.mark.parametrize(
    ("probabilities", "labels", "bins", "fault"),
    [
        (np.ones((2, 1)), np.zeros(3, np.int64), 5, r"shape \(2, 1\), labels \(3,\)"),
        (np.ones(2), np.zeros(2, np.int64), 5, r"shape \(2,\)"),
        (np.ones((0, 2)), np.zeros(0, np.int64), 5, "one sample or more"),
        (np.ones((2, 1)), np.zeros(2, np.int64), 0, "bins is 0"),
    ],
)
def test_what_has_no_calibration_is_refused(
    probabilities: np.ndarray, labels: np.ndarray, bins: int, fault: str
) -> None:
    with pytest.raises(InputError, match=fault):
        expected_calibration_error(probabilities, labels, bins)


@pytest.mark.parametrize(
    ("negatives", "positives", "fault"),
    [([], [1.0], "0 negatives and 1 positives"), ([1.0], [np.nan], "some scores are NaN")],
)
def test_scores_without_an_area_are_refused(
    negatives: list[float], positives: list[float], fault: str
) -> None:
    with pytest.raises(InputError, match=fault):
        area_under_roc(np.array(negatives), np.array(positives))
