"""Monte-Carlo estimates, compared with integrals and with each other."""

from __future__ import annotations

import numpy as np
import pytest

from edgespike.bayes.mixture import (
    Estimate,
    GaussianMixture,
    approximate_entropy,
    draws,
    error_bounds,
    monte_carlo_entropy,
    sampled_error,
    sampled_error_by_components,
    weight_entropy,
)
from edgespike.bayes.mixture.draws import draws_of
from edgespike.errors import InputError
from tests.bayes.mixtures import KINDS, integrated_entropy, random_mixture

each_kind = pytest.mark.parametrize("kind", KINDS)


def agrees(estimate: Estimate, exact: float, deviations: float = 4) -> bool:
    return bool(abs(estimate.value - exact) <= deviations * estimate.standard_error + 1e-9)


@each_kind
@pytest.mark.parametrize("spread", [0.3, 1.0, 3.0])
def test_estimates_agree_with_the_integral(kind: str, spread: float) -> None:
    mixture = random_mixture(kind, 3, 1, spread)
    exact = integrated_entropy(mixture, 20_001)
    error = float(approximate_entropy(mixture)) - exact
    assert agrees(sampled_error(mixture), error)
    assert agrees(sampled_error_by_components(mixture), error)
    assert agrees(monte_carlo_entropy(mixture), exact)


@each_kind
def test_both_samplers_of_the_error_agree_in_many_dimensions(kind: str) -> None:
    mixture = random_mixture(kind, 4, 20, 0.2)
    first, second = sampled_error(mixture), sampled_error_by_components(mixture)
    assert first.value > 1e-3
    together = np.hypot(first.standard_error, second.standard_error)
    assert abs(first.value - second.value) <= 4 * together


@each_kind
@pytest.mark.parametrize("spread", [0.3, 1.0])
def test_errors_that_no_point_of_a_component_would_show_are_estimated(
    kind: str, spread: float
) -> None:
    mixture = random_mixture(kind, 4, 100, spread)
    estimate, bounds = sampled_error(mixture), error_bounds(mixture)
    assert 0 < estimate.value < 0.5
    assert estimate.standard_error < 0.1 * estimate.value
    assert bounds.lower <= estimate.value <= bounds.upper


@each_kind
def test_coinciding_components_are_known_exactly(kind: str) -> None:
    mixture = random_mixture("shared " + kind.removeprefix("shared "), 2, 3, spread=0)
    even = GaussianMixture(np.array([0.5, 0.5]), mixture.means, mixture.covariances)
    assert sampled_error(even).value == pytest.approx(np.log(2), rel=1e-12)
    assert agrees(sampled_error(mixture), float(weight_entropy(mixture.log_weights())))


def test_one_component_has_no_error() -> None:
    mixture = random_mixture("full", 1, 3)
    for estimate in (sampled_error(mixture), sampled_error_by_components(mixture)):
        assert estimate.value == estimate.standard_error == 0
    assert agrees(monte_carlo_entropy(mixture), float(approximate_entropy(mixture)))


@pytest.mark.parametrize("kind", ["full", "diagonal"])
@pytest.mark.parametrize("estimator", [sampled_error, monte_carlo_entropy])
def test_a_batch_has_an_estimate_for_each(kind: str, estimator: type) -> None:
    batch = random_mixture(kind, 3, 2, batch=(3,))
    found = estimator(batch, samples=4000)
    assert found.value.shape == found.standard_error.shape == (3,)
    for index in range(3):
        one = GaussianMixture(batch.weights[index], batch.means[index], batch.covariances[index])
        alone = estimator(one, samples=4000, seed=1)
        together = np.hypot(found.standard_error[index], alone.standard_error)
        assert abs(found.value[index] - alone.value) <= 4 * together


def test_the_same_seed_gives_the_same_estimate() -> None:
    mixture = random_mixture("diagonal", 3, 4)
    first, again, other = (sampled_error(mixture, 100, seed) for seed in (5, 5, 6))
    assert first.value == again.value != other.value


@pytest.mark.parametrize("kind", ["full", "diagonal"])
def test_points_in_parts_are_the_same_points(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    mixture = random_mixture(kind, 3, 4, 0.5)
    drawn: list[int] = []
    whole = draws_of(mixture).component(1)(1000, np.random.default_rng(0))
    monkeypatch.setattr("edgespike.bayes.mixture.draws.COORDINATES_AT_ONCE", 100)
    parts = draws._parts

    def noted(count: int, width: int) -> list[int]:
        drawn.extend(parts(count, width))
        return drawn

    monkeypatch.setattr(draws, "_parts", noted)
    found = draws_of(mixture).component(1)(1000, np.random.default_rng(0))
    assert drawn == [25] * 40
    # A matrix product may round differently for other numbers of rows.
    np.testing.assert_allclose(found, whole, rtol=1e-12)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (1, "1 samples have no standard error; draw at least 2"),
        (10**8 + 1, "100000001 samples are too many; draw at most 100000000"),
        (10**30, "samples are too many"),
    ],
)
def test_too_few_and_too_many_samples_are_refused(samples: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        sampled_error(random_mixture("full", 2, 2), samples=samples)
