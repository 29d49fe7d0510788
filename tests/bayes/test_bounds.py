"""Properties of the bounds of the error, and of the separation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given

from edgespike.bayes.mixture import (
    GaussianMixture,
    approximate_entropy,
    error_bounds,
    expected_error_bound,
    log_overlap,
    middles,
    separation_bound,
    separations,
    spread,
    weight_entropy,
)
from tests.bayes.mixtures import KINDS, integrated_entropy, matrices, mixtures, random_mixture

each_kind = pytest.mark.parametrize("kind", KINDS)


@given(mixtures())
def test_bounds_are_in_order(mixture: GaussianMixture) -> None:
    bounds = error_bounds(mixture)
    assert 0 <= bounds.lower <= bounds.upper <= bounds.weight_entropy
    assert bounds.kolchinsky_tracey <= bounds.weight_entropy + 1e-12


@given(mixtures())
def test_the_bound_by_separations_is_never_sharper(mixture: GaussianMixture) -> None:
    bounds, separation = error_bounds(mixture), separation_bound(mixture)
    if mixture.components > 1:
        assert bounds.bhattacharyya <= separation.value
        squares = separation.alpha[np.triu_indices(mixture.components, 1)] ** 2
        assert separation.vacuous == (squares <= mixture.dimension).any()
    assert (separation.alpha**2 / 4 <= middles(mixture).bhattacharyya() + 1e-9).all()


@each_kind
def test_one_component_has_no_error(kind: str) -> None:
    mixture = random_mixture(kind, 1, 3)
    bounds, separation = error_bounds(mixture), separation_bound(mixture)
    assert (bounds.lower, bounds.upper, bounds.bhattacharyya) == (0, 0, 0)
    assert (separation.value, separation.vacuous) == (0, False)


@each_kind
def test_coinciding_components_have_the_entropy_of_their_weights_as_error(kind: str) -> None:
    found = random_mixture("shared " + kind.removeprefix("shared "), 4, 3, spread=0)
    bounds = error_bounds(found)
    exact = weight_entropy(found.log_weights())
    assert bounds.lower == pytest.approx(exact, abs=1e-12)
    assert bounds.upper == pytest.approx(exact, abs=1e-12)


def test_groups_that_coincide_have_the_entropy_of_their_weights_within_the_group() -> None:
    weights = np.array([0.1, 0.2, 0.3, 0.4])
    means = np.array([[0.0], [0.0], [1e3], [1e3]])
    bounds = error_bounds(GaussianMixture(weights, means, np.ones(4)))
    exact = 0.3 * weight_entropy(np.log([1 / 3, 2 / 3])) + 0.7 * weight_entropy(
        np.log([3 / 7, 4 / 7])
    )
    assert bounds.lower == pytest.approx(exact, abs=1e-12)
    assert bounds.upper == pytest.approx(exact, abs=1e-12)


def test_the_bhattacharyya_bounds_are_reached_by_two_equal_components() -> None:
    mixture = GaussianMixture(np.array([0.5, 0.5]), np.zeros((2, 3)), np.ones(2))
    bounds = error_bounds(mixture)
    assert bounds.bhattacharyya == pytest.approx(math.log(2), rel=1e-14)
    assert bounds.lower_bhattacharyya == pytest.approx(math.log(2), rel=1e-14)


def test_a_bound_below_the_smallest_double_stays_above_0() -> None:
    mixture = random_mixture("diagonal", 2, 50, spread=1e3)
    bounds = error_bounds(mixture)
    assert 0 < bounds.upper < 1e-300
    assert log_overlap(mixture.log_weights(), middles(mixture)) < -1e6


@each_kind
@pytest.mark.parametrize("dimension", [1, 3])
def test_the_separation_is_the_largest_over_t(kind: str, dimension: int) -> None:
    mixture = random_mixture(kind, 4, dimension)
    covariances, alpha = matrices(mixture), separations(mixture)
    for k in range(4):
        for j in range(4):
            d = mixture.means[k] - mixture.means[j]
            values = [
                t * (1 - t) * d @ np.linalg.solve((1 - t) * covariances[k] + t * covariances[j], d)
                for t in np.linspace(0, 1, 2001)
            ]
            assert alpha[k, j] ** 2 == pytest.approx(max(values), rel=1e-5, abs=1e-12)
            assert alpha[k, j] ** 2 >= max(values) * (1 - 1e-9)


def test_the_separation_of_isotropic_components_is_in_sums_of_deviations() -> None:
    mixture = random_mixture("isotropic", 4, 5)
    deviations = np.sqrt(mixture.covariances)
    distances = np.linalg.norm(mixture.means[:, None] - mixture.means, axis=-1)
    expected = distances / (deviations[:, None] + deviations)
    np.testing.assert_allclose(separations(mixture), expected, rtol=1e-12)


def test_the_separation_of_equal_covariances_is_half_a_mahalanobis_distance() -> None:
    mixture = random_mixture("shared full", 3, 4)
    expected = np.sqrt(middles(mixture).distance) / 2
    np.testing.assert_allclose(separations(mixture), expected, rtol=1e-12)


def test_variances_of_hugely_different_size_are_no_trouble() -> None:
    mixture = GaussianMixture(
        np.array([0.5, 0.5]), np.array([[0.0], [1.0]]), np.array([1e-50, 1e50])
    )
    assert separations(mixture)[0, 1] == pytest.approx(1e-25, rel=1e-6)
    assert np.isfinite(error_bounds(mixture).upper)


@pytest.mark.parametrize("s", [0.1, 0.5, 0.9])
def test_no_other_s_is_better(s: float) -> None:
    mixture = random_mixture("full", 3, 2, spread=30)
    found = separation_bound(mixture)
    assert not found.vacuous
    roots = np.sqrt(mixture.weights)
    terms = np.outer(roots, roots) * (1 - s) ** (-2 / 4) * np.exp(-s * found.alpha**2 / 4)
    np.fill_diagonal(terms, 0)
    assert found.value <= 2 * terms.sum()
    # At the s that is returned for each pair, the formula equals the bound.
    best = found.best_s
    terms = np.outer(roots, roots) * (1 - best) ** (-2 / 4) * np.exp(-best * found.alpha**2 / 4)
    np.fill_diagonal(terms, 0)
    assert found.value == pytest.approx(2 * terms.sum(), rel=1e-10)


@pytest.mark.parametrize("c", [0.5, 2.0])
@pytest.mark.parametrize("components", [2, 3])
def test_the_expected_error_is_below_its_bound(c: float, components: int) -> None:
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(100):
        means = c * rng.standard_normal((components, 1))
        weights = np.full(components, 1 / components)
        mixture = GaussianMixture(weights, means, np.ones(1))
        errors.append(approximate_entropy(mixture) - integrated_entropy(mixture, 2001))
    assert np.mean(errors) < expected_error_bound(components, 1, np.array(c))


def test_the_expected_bound_is_the_mean_of_overlaps_over_random_means() -> None:
    mixture = random_mixture("shared diagonal", 2, 6, batch=(20_000,))
    unit = GaussianMixture(np.full((20_000, 2), 0.5), mixture.means, np.ones((20_000, 1, 6)))
    overlaps = 2 * np.exp(log_overlap(unit.log_weights(), middles(unit)))
    expected = expected_error_bound(2, 6, np.array(1.0))
    assert overlaps.mean() == pytest.approx(expected, abs=4 * overlaps.std() / 20_000**0.5)


@pytest.mark.parametrize("c", [0.1, 2.0])
def test_the_spread_of_random_means_is_found(c: float) -> None:
    mixture = random_mixture("isotropic", 8, 5_000, c)
    scaled = GaussianMixture(mixture.weights, mixture.means, np.ones(8))
    assert spread(middles(scaled), 5_000) == pytest.approx(c, rel=0.03)
