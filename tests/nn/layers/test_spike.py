from __future__ import annotations

import math

import pytest
import torch

from edgespike.nn import SpikeActivation
from edgespike.nn.layers.surrogates import surrogate_derivative


@pytest.mark.parametrize(
    ("potential", "spike"),
    [(-5.0, 0.0), (0.0, 0.0), (0.9999999, 0.0), (1.0, 1.0), (7.5, 1.0)],
)
def test_a_neuron_fires_when_its_potential_reaches_the_threshold(
    potential: float, spike: float
) -> None:
    assert SpikeActivation(threshold=1.0)(torch.tensor([potential])).item() == spike


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_spikes_have_the_dtype_of_the_potential(dtype: torch.dtype) -> None:
    assert SpikeActivation()(torch.zeros(2, dtype=dtype)).dtype == dtype


@pytest.mark.parametrize(("alpha", "beta"), [(4.0, 1.0), (2.0, 0.5), (10.0, 3.0)])
@pytest.mark.parametrize("x", [-20.0, -1.0, -0.3, -1e-9, 0.0, 0.2, 1.0, 50.0])
def test_the_gradient_is_the_asymmetric_surrogate(x: float, alpha: float, beta: float) -> None:
    potential = torch.tensor(x + 2.0, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(3 * SpikeActivation(2.0, alpha, beta)(potential), potential)
    x = potential.item() - 2.0
    sigmoid = 1 / (1 + math.exp(-alpha * x))
    expected = alpha * sigmoid * (1 - sigmoid) if x < 0 else beta / (x + 1)
    assert gradient.item() == pytest.approx(3 * expected, rel=1e-12)


def test_the_default_surrogate_is_continuous_at_the_threshold() -> None:
    below, at = surrogate_derivative(torch.tensor([-1e-12, 0.0], dtype=torch.float64), 4.0, 1.0)
    assert at.item() == 1.0
    assert below.item() == pytest.approx(1.0, abs=1e-10)


def test_a_surrogate_that_is_differentiated_again_is_finite_at_the_pole_of_its_other_branch() -> (
    None
):
    x = torch.tensor([-1.0], requires_grad=True)
    (second,) = torch.autograd.grad(surrogate_derivative(x, 4.0, 1.0), x)
    assert torch.isfinite(second).all()


def test_a_neuron_that_fired_always_has_a_gradient() -> None:
    potential = torch.tensor([1.0, 1e3, 1e6], requires_grad=True)
    (gradient,) = torch.autograd.grad(SpikeActivation()(potential).sum(), potential)
    assert (gradient > 0).all()
