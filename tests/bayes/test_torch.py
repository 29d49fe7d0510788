"""The same formulas on torch tensors, and their gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgespike.bayes.mixture import (
    APPROXIMATIONS,
    GaussianMixture,
    MixtureError,
    error_bounds,
    monte_carlo_entropy,
    sampled_error,
    separation_bound,
    separations,
    summarise,
)
from tests.bayes.mixtures import KINDS, random_mixture

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

Form = Callable[[GaussianMixture], Any]

FORMS: dict[str, Form] = {
    **APPROXIMATIONS,
    "upper": lambda mixture: error_bounds(mixture).upper,
    "lower": lambda mixture: error_bounds(mixture).lower,
    "bhattacharyya": lambda mixture: error_bounds(mixture).bhattacharyya,
    "lower_bhattacharyya": lambda mixture: error_bounds(mixture).lower_bhattacharyya,
    "lower_divergence": lambda mixture: error_bounds(mixture).lower_divergence,
    "separation_bound": lambda mixture: separation_bound(mixture).value,
    "separations": lambda mixture: separations(mixture).sum(),
}


def tensors(mixture: GaussianMixture, **options: Any) -> GaussianMixture:
    arrays = (mixture.weights, mixture.means, mixture.covariances)
    return GaussianMixture(*(torch.tensor(array, **options) for array in arrays))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spread", [0.5, 8.0])
def test_tensors_and_arrays_have_the_same_value(kind: str, form: str, spread: float) -> None:
    mixture = random_mixture(kind, 3, 4, spread, batch=(2,))
    expected = FORMS[form](mixture)
    np.testing.assert_allclose(FORMS[form](tensors(mixture)), expected, rtol=1e-10, atol=1e-300)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spread", [0.5, 3.0])
def test_gradients_are_those_of_finite_differences(kind: str, form: str, spread: float) -> None:
    mixture = tensors(random_mixture(kind, 3, 2, spread))

    def value(weights: Any, means: Any, covariances: Any) -> Any:
        if mixture.is_full:  # keeps matrices symmetric under single changes
            covariances = (covariances + covariances.mT) / 2
        return FORMS[form](GaussianMixture(weights.softmax(-1), means, covariances, validate=False))

    leaves = [
        array.clone().requires_grad_()
        for array in (mixture.weights.log(), mixture.means, mixture.covariances)
    ]
    assert torch.autograd.gradcheck(value, leaves, eps=1e-6, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("components", [1, 3])
def test_gradients_of_coinciding_components_are_finite(
    kind: str, form: str, components: int
) -> None:
    shared = "shared " + kind.removeprefix("shared ")
    mixture = tensors(random_mixture(shared, components, 2, spread=0), requires_grad=True)
    if "shared" not in kind:
        sizes = (components, *[-1] * (mixture.covariances.ndim - 1))
        own = mixture.covariances.detach().expand(sizes).clone().requires_grad_()
        mixture = GaussianMixture(mixture.weights, mixture.means, own)
    value = FORMS[form](mixture)
    if value.requires_grad:
        value.backward()
    for leaf in (mixture.weights, mixture.means, mixture.covariances):
        assert leaf.grad is None or bool(torch.isfinite(leaf.grad).all())


def test_single_precision_keeps_its_gradients() -> None:
    mixture = tensors(random_mixture("diagonal", 3, 4), dtype=torch.float32, requires_grad=True)
    value = error_bounds(mixture).upper
    value.backward()
    assert value.dtype == torch.float64
    assert mixture.means.grad.dtype == torch.float32
    assert bool((mixture.means.grad != 0).all())


@pytest.mark.parametrize("kind", KINDS)
def test_samplers_take_tensors(kind: str) -> None:
    mixture = random_mixture(kind, 3, 4)
    with_gradients = tensors(mixture, requires_grad=True)
    for estimator in (sampled_error, monte_carlo_entropy):
        assert estimator(with_gradients, 100).value == estimator(mixture, 100).value


def test_bad_tensors_are_named() -> None:
    half = torch.tensor([0.5, 0.4])
    with pytest.raises(MixtureError, match=r"weights sum to 0\.9"):
        GaussianMixture(half, torch.zeros(2, 3), torch.ones(2))
    with pytest.raises(MixtureError, match="some arrays are numpy's and some torch's"):
        GaussianMixture(np.array([0.5, 0.5]), torch.zeros(2, 3), torch.ones(2))
    with pytest.raises(MixtureError, match=r"means is torch\.bfloat16"):
        GaussianMixture(half, torch.zeros(2, 3, dtype=torch.bfloat16), torch.ones(2))


def test_a_summary_is_that_of_the_arrays() -> None:
    mixture = random_mixture("diagonal", 3, 4)
    assert summarise(tensors(mixture), 100) == summarise(mixture, 100)
