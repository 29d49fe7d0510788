"""Arrays that are not a mixture raise one error that lists all faults."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgespike.bayes.mixture import GaussianMixture, MixtureError, approximate_entropy

WEIGHTS = np.array([0.25, 0.75])
MEANS = np.zeros((2, 3))
DIAGONAL = np.ones((2, 3))
FULL = np.stack([np.eye(3), np.eye(3)])


def with_value(array: NDArray[Any], place: Any, value: float) -> NDArray[Any]:
    changed = array.copy()
    changed[place] = value
    return changed


@pytest.mark.parametrize(
    ("weights", "means", "covariances", "named"),
    [
        (WEIGHTS[:1], MEANS, DIAGONAL, ["weights have the shape (1,)", "(2,)"]),
        (WEIGHTS, MEANS[0], DIAGONAL, ["means have the shape (3,)"]),
        (WEIGHTS, MEANS[:, :0], DIAGONAL, ["means have the shape (2, 0)"]),
        (WEIGHTS, MEANS, DIAGONAL[:, :2], ["covariances have the shape (2, 2)", "(2, 3, 3)"]),
        (WEIGHTS[:1], MEANS, DIAGONAL[0], ["weights have", "covariances have the shape (3,)"]),
        ([0.25, 0.75], MEANS, DIAGONAL, ["weights is a list"]),
        (WEIGHTS, MEANS.astype(int), DIAGONAL, ["means is int64", "float32 or float64"]),
        (WEIGHTS, MEANS.astype(np.float16), DIAGONAL, ["means is float16"]),
        (with_value(WEIGHTS, 0, 0.2), MEANS, DIAGONAL, ["weights sum to 0.95", "1e-06"]),
        (with_value(WEIGHTS, 0, 0.0), MEANS, DIAGONAL, ["weights[0] = 0", "sum to 0.75"]),
        (np.array([-0.25, 1.25]), MEANS, DIAGONAL, ["weights[0] = -0.25: not positive"]),
        (
            with_value(WEIGHTS, 1, np.nan),
            with_value(MEANS, (1, 2), np.inf),
            with_value(DIAGONAL, (0, 0), -np.inf),
            ["weights[1] = nan", "means[1, 2] = inf", "covariances[0, 0] = -inf"],
        ),
        (WEIGHTS, MEANS + np.nan, DIAGONAL, ["means[0, 0] = nan", "and 3 more: not finite"]),
        (WEIGHTS, MEANS, with_value(DIAGONAL, (1, 2), 0), ["covariances[1, 2] = 0", "singular"]),
        (WEIGHTS, MEANS, np.array([1.0, -1.0]), ["covariances[1] = -1", "singular"]),
        (
            WEIGHTS,
            MEANS,
            with_value(FULL, (1, 0, 2), 0.5),
            ["covariances[1] is not symmetric", "differ by 0.5"],
        ),
        (
            np.array([0.5, 0.6]),
            MEANS,
            np.stack([np.ones((3, 3)), np.eye(3) - 0.9]),
            ["weights sum to 1.1", "covariances[0] is singular", "covariances[1] is singular"],
        ),
        (WEIGHTS, MEANS, with_value(FULL, (0, 1, 1), -1), ["covariances[0, 1] = -1"]),
        (WEIGHTS, with_value(MEANS, (0, 0), 1e200), DIAGONAL, ["means differ by 1e+200"]),
        (WEIGHTS, MEANS, with_value(DIAGONAL, (0, 0), 1e-200), ["standard deviations reach 1"]),
    ],
)
def test_what_is_wrong_is_named(
    weights: Any, means: NDArray[Any], covariances: NDArray[Any], named: list[str]
) -> None:
    with pytest.raises(MixtureError) as raised:
        GaussianMixture(weights, means, covariances)
    assert [part for part in named if part not in str(raised.value)] == []


def test_a_batch_names_the_mixture() -> None:
    weights = np.stack([WEIGHTS, WEIGHTS])
    with pytest.raises(MixtureError, match=r"weights\[1, 0\] = 0"):
        GaussianMixture(with_value(weights, (1, 0), 0), np.zeros((2, 2, 3)), np.ones((2, 2, 3)))


@pytest.mark.parametrize("scale", [1e-25, 1e-3, 1.0, 1e3, 1e25])
def test_scales_alone_do_not_make_a_matrix_singular(scale: float) -> None:
    scales = np.array([1.0, scale, 1.0])
    matrix = (0.5 * np.eye(3) + 0.5) * scales[:, None] * scales
    mixture = GaussianMixture(WEIGHTS, MEANS, np.stack([matrix, 2 * matrix]))
    plain = GaussianMixture(WEIGHTS, MEANS, np.stack([0.5 * np.eye(3) + 0.5, np.eye(3) + 1]))
    expected = approximate_entropy(plain) + np.log(scale)
    assert approximate_entropy(mixture) == pytest.approx(expected, rel=1e-12)


def test_weights_are_divided_by_their_sum() -> None:
    mixture = GaussianMixture(WEIGHTS + 4e-7, MEANS, DIAGONAL)
    assert np.exp(mixture.log_weights()).sum() == pytest.approx(1, abs=1e-15)
