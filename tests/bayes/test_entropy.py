"""The approximate entropy and others, compared with textbook formulas and integrals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from edgespike.bayes.mixture import (
    APPROXIMATIONS,
    GaussianMixture,
    approximate_entropy,
    directed,
    error_bounds,
    gaussian_kernel_lower,
    huber_0,
    huber_2,
    kolchinsky_tracey_lower,
    kolchinsky_tracey_upper,
    middles,
)
from tests.bayes.mixtures import (
    KINDS,
    integrated_entropy,
    log_densities,
    matrices,
    mixtures,
    random_mixture,
)

each_kind = pytest.mark.parametrize("kind", KINDS)


@each_kind
@pytest.mark.parametrize("approximation", APPROXIMATIONS)
def test_one_component_has_the_entropy_of_a_gaussian(kind: str, approximation: str) -> None:
    mixture = random_mixture(kind, 1, 5)
    exact = np.linalg.slogdet(2 * np.pi * np.e * matrices(mixture)[0])[1] / 2
    off = {"huber_0": 5 / 2, "gaussian_kernel_lower": 5 / 2 * (1 - np.log(2))}
    found = APPROXIMATIONS[approximation](mixture)
    assert found == pytest.approx(exact - off.get(approximation, 0), abs=1e-12)


@each_kind
def test_far_components_add_the_entropy_of_their_weights(kind: str) -> None:
    mixture = random_mixture(kind, 4, 3, spread=1e4)
    gaussians = np.linalg.slogdet(2 * np.pi * np.e * matrices(mixture))[1] / 2
    weights = mixture.weights
    exact = weights @ (gaussians - np.log(weights))
    for form in (approximate_entropy, huber_2, kolchinsky_tracey_lower, kolchinsky_tracey_upper):
        assert form(mixture) == pytest.approx(exact, abs=1e-10)


@each_kind
def test_pairs_are_what_the_book_says(kind: str) -> None:
    mixture = random_mixture(kind, 4, 3)
    pairs, relations = middles(mixture), directed(mixture)
    divergences = relations.kullback_leibler(3)
    covariances = matrices(mixture)
    for k in range(4):
        for j in range(4):
            d = mixture.means[k] - mixture.means[j]
            a, b = covariances[k], covariances[j]
            middle, logs = (a + b) / 2, [np.linalg.slogdet(x)[1] for x in (a, b, (a + b) / 2)]
            volume = logs[2] - (logs[0] + logs[1]) / 2
            distance = d @ np.linalg.solve(middle, d) / 8 + volume / 2
            trace = np.trace(np.linalg.solve(b, a))
            divergence = (trace + d @ np.linalg.solve(b, d) - 3 + logs[1] - logs[0]) / 2
            assert pairs.bhattacharyya()[k, j] == pytest.approx(distance, abs=1e-12)
            assert relations.trace[k, j] == pytest.approx(trace, abs=1e-12)
            assert divergences[k, j] == pytest.approx(divergence, abs=1e-12)


@each_kind
def test_taylor_series_are_what_differences_of_the_log_density_say(kind: str) -> None:
    mixture = random_mixture(kind, 3, 2)

    def log_density(points: np.ndarray) -> np.ndarray:
        return np.asarray(np.log(np.exp(log_densities(mixture, points)) @ mixture.weights))

    step = 1e-4
    shifts = step * np.array([[0, 0], [1, 0], [0, 1], [-1, 0], [0, -1], [1, 1], [-1, -1]])
    order_0 = order_2 = 0.0
    for weight, mean, matrix in zip(mixture.weights, mixture.means, matrices(mixture), strict=True):
        at, right, up, left, down, both, back = log_density(mean + shifts)
        mixed = (both - right - up + 2 * at - left - down + back) / 2
        curvature = np.array([[right - 2 * at + left, mixed], [mixed, up - 2 * at + down]])
        order_0 -= weight * at
        order_2 -= weight * np.trace(curvature / step**2 @ matrix) / 2
    assert huber_0(mixture) == pytest.approx(order_0, abs=1e-10)
    assert huber_2(mixture) == pytest.approx(order_0 + order_2, abs=1e-5)


@each_kind
def test_the_kernel_bound_is_that_of_sums_of_covariances(kind: str) -> None:
    mixture = random_mixture(kind, 3, 2)
    covariances = matrices(mixture)
    total = 0.0
    for k, weight in enumerate(mixture.weights):
        sums = GaussianMixture(mixture.weights, mixture.means, covariances + covariances[k])
        densities = np.exp(log_densities(sums, mixture.means[k : k + 1])[0])
        total -= weight * np.log(mixture.weights @ densities)
    assert gaussian_kernel_lower(mixture) == pytest.approx(total, abs=1e-12)


@each_kind
@pytest.mark.parametrize(("dimension", "points"), [(1, 20_001), (2, 601)])
@pytest.mark.parametrize("spread", [0.3, 1.0, 3.0])
def test_the_entropy_is_between_its_bounds(
    kind: str, dimension: int, points: int, spread: float
) -> None:
    mixture = random_mixture(kind, 3, dimension, spread)
    exact = integrated_entropy(mixture, points)
    bounds = error_bounds(mixture)
    error = approximate_entropy(mixture) - exact
    assert bounds.lower - 1e-6 <= error <= bounds.upper + 1e-6
    assert error <= bounds.bhattacharyya + 1e-6
    assert error <= bounds.kolchinsky_tracey + 1e-6
    assert gaussian_kernel_lower(mixture) <= exact + 1e-6
    assert kolchinsky_tracey_lower(mixture) - 1e-6 <= exact
    assert exact <= kolchinsky_tracey_upper(mixture) + 1e-6


@given(mixtures())
def test_every_value_is_finite(mixture: GaussianMixture) -> None:
    for form in APPROXIMATIONS.values():
        assert np.isfinite(form(mixture))


@each_kind
@pytest.mark.parametrize("approximation", APPROXIMATIONS)
def test_a_batch_is_its_mixtures_one_by_one(kind: str, approximation: str) -> None:
    form = APPROXIMATIONS[approximation]
    batch = random_mixture(kind, 3, 4, batch=(2, 3))
    found = form(batch)
    assert found.shape == (2, 3)
    for index in np.ndindex(2, 3):
        one = GaussianMixture(batch.weights[index], batch.means[index], batch.covariances[index])
        assert found[index] == pytest.approx(float(form(one)), rel=1e-12)


@each_kind
@pytest.mark.parametrize("approximation", APPROXIMATIONS)
def test_float32_is_near_float64(kind: str, approximation: str) -> None:
    form = APPROXIMATIONS[approximation]
    double = random_mixture(kind, 4, 50, 0.3)
    single = random_mixture(kind, 4, 50, 0.3, dtype=np.float32)
    assert form(single).dtype == np.float64
    assert form(single) == pytest.approx(form(double), rel=1e-5)


@pytest.mark.parametrize("approximation", APPROXIMATIONS)
def test_the_forms_of_covariance_agree(approximation: str) -> None:
    form = APPROXIMATIONS[approximation]
    isotropic = random_mixture("isotropic", 3, 4)
    diagonal = GaussianMixture(
        isotropic.weights, isotropic.means, np.repeat(isotropic.covariances[:, None], 4, axis=1)
    )
    full = GaussianMixture(isotropic.weights, isotropic.means, matrices(isotropic))
    assert form(diagonal) == pytest.approx(form(isotropic), rel=1e-13)
    assert form(full) == pytest.approx(form(isotropic), rel=1e-12)


@pytest.mark.parametrize("approximation", APPROXIMATIONS)
def test_an_affine_map_adds_the_logarithm_of_its_volume(approximation: str) -> None:
    form = APPROXIMATIONS[approximation]
    mixture = random_mixture("full", 3, 4)
    rng = np.random.default_rng(1)
    linear = rng.standard_normal((4, 4))
    mapped = GaussianMixture(
        mixture.weights,
        mixture.means @ linear.T + rng.standard_normal(4),
        linear @ mixture.covariances @ linear.T,
    )
    volume = np.linalg.slogdet(linear)[1]
    assert form(mapped) == pytest.approx(form(mixture) + volume, abs=1e-9)


def test_dimensions_beyond_one_block_are_summed() -> None:
    mixture = random_mixture("diagonal", 3, 100_000, 0.01)
    halves = [
        GaussianMixture(mixture.weights, mixture.means[:, part], mixture.covariances[:, part])
        for part in (slice(0, 777), slice(777, None))
    ]
    whole, first, second = (middles(one).bhattacharyya() for one in (mixture, *halves))
    np.testing.assert_allclose(whole, first + second, rtol=1e-12)
