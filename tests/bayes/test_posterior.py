"""Mixture posteriors over a module's weights, compared with quadrature for a single weight."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

from edgespike.bayes.mixture import GaussianMixture, error_bounds
from edgespike.bayes.overlap import MOST_ERROR, CollapseWarning, measure_overlap
from edgespike.bayes.posterior import MixturePosterior, PosteriorError, prior_cross_entropy

pytestmark = pytest.mark.torch

X = torch.tensor([[-1.0], [0.5], [2.0]], dtype=torch.float64)
Y = torch.tensor([[-0.7], [0.4], [1.1]], dtype=torch.float64)
PRIOR = 1.5


def one_weight(means: list[float], deviations: list[float]) -> MixturePosterior:
    """Return a mixture over the single weight of ``y = w x``, in double precision."""
    members = [nn.Linear(1, 1, bias=False) for _ in means]
    posterior = MixturePosterior(members, prior_deviation=PRIOR, weights="learned").double()
    with torch.no_grad():
        for k, (mean, deviation) in enumerate(zip(means, deviations, strict=True)):
            posterior.members[k].get_parameter("weight").fill_(mean)
            posterior.log_deviations[0][k] = math.log(deviation)
        posterior.weight_logits.copy_(torch.arange(len(means)) / 2)
    return posterior


def losses_of(outputs: Tensor) -> Tensor:
    """Return each member's mean negative log-likelihood for noise of variance 1."""
    return (0.5 * (outputs - Y) ** 2 + 0.5 * math.log(2 * math.pi)).mean(dim=(1, 2))


def by_quadrature(posterior: MixturePosterior) -> dict[str, float]:
    """Integrate everything over the one weight, on a grid."""
    w = np.linspace(-40, 40, 400_001)
    means = [member.get_parameter("weight").item() for member in posterior.members]
    deviations = posterior.log_deviations[0].detach().exp().flatten().tolist()
    densities = np.stack([normal(w, m, s) for m, s in zip(means, deviations, strict=True)])
    weights = posterior.weights.detach().numpy()
    q, log_p = weights @ densities, np.log(normal(w, 0, PRIOR))
    errors = [0.5 * (y - w * x) ** 2 + 0.5 * np.log(2 * np.pi) for x, y in pairs()]
    step = w[1] - w[0]
    log_q = np.log(np.where(q > 0, q, 1))
    return {
        "loss": float((q * np.mean(errors, axis=0)).sum() * step),
        "cross entropy": float(-(q * log_p).sum() * step),
        "divergence": float((q * (log_q - log_p)).sum() * step),
    }


def normal(w: Any, mean: float, deviation: float) -> Any:
    return np.exp(-0.5 * ((w - mean) / deviation) ** 2) / (deviation * math.sqrt(2 * math.pi))


def pairs() -> list[tuple[float, float]]:
    return list(zip(X.flatten().tolist(), Y.flatten().tolist(), strict=True))


APART = ([-3.0, 0.5, 4.0], [0.2, 0.1, 0.3])
NEAR = ([0.2, 0.5, 0.9], [0.4, 0.3, 0.5])


@pytest.mark.parametrize(("means", "deviations"), [APART, NEAR, ([0.7], [0.2])])
def test_the_cross_entropy_is_that_of_quadrature(means: Any, deviations: Any) -> None:
    posterior = one_weight(means, deviations)
    found = prior_cross_entropy(posterior.mixture(), posterior.prior_variances).item()
    assert found == pytest.approx(by_quadrature(posterior)["cross entropy"], rel=1e-6)


@pytest.mark.parametrize(("means", "deviations"), [APART, ([0.7], [0.2])])
def test_the_divergence_of_separate_components_is_that_of_quadrature(
    means: Any, deviations: Any
) -> None:
    posterior = one_weight(means, deviations)
    expected = by_quadrature(posterior)["divergence"]
    assert posterior.divergence().item() == pytest.approx(expected, abs=1e-6)


def test_the_divergence_of_overlapping_components_is_too_small_within_the_bounds() -> None:
    posterior = one_weight(*NEAR)
    missing = by_quadrature(posterior)["divergence"] - posterior.divergence().item()
    bounds = error_bounds(posterior.mixture().as_numpy())
    assert 0.1 < float(bounds.lower) <= missing <= float(bounds.upper)


def test_the_objective_is_the_negative_evidence_lower_bound() -> None:
    """Expected losses are means over many draws, which must agree with quadrature."""
    posterior = one_weight(*APART)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        draws = torch.stack(
            [
                posterior.negative_elbo(losses_of(posterior(X, generator)), len(X))
                for _ in range(4000)
            ]
        )
    exact = by_quadrature(posterior)
    expected = exact["loss"] + exact["divergence"] / len(X)
    error = draws.std().item() / math.sqrt(len(draws))
    assert abs(draws.mean().item() - expected) < 5 * error
    assert error < 0.01 * expected


def test_temperature_weighs_the_divergence_alone() -> None:
    posterior = one_weight(*APART)
    losses = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)
    cold, warm = (posterior.negative_elbo(losses, 10, t).item() for t in (0.0, 0.5))
    assert cold == pytest.approx((posterior.weights * losses).sum().item())
    assert warm - cold == pytest.approx(0.05 * posterior.divergence().item())


def test_gradients_are_those_of_finite_differences() -> None:
    torch.manual_seed(1)
    members = [nn.Sequential(nn.Linear(1, 3), nn.Tanh(), nn.Linear(3, 1)) for _ in range(2)]
    posterior = MixturePosterior(members, initial_deviation=0.3, weights="learned").double()
    parameters = dict(posterior.named_parameters())

    def objective(*values: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(2)
        with torch.no_grad():
            for parameter, value in zip(parameters.values(), values, strict=True):
                parameter.copy_(value)
        return posterior.negative_elbo(losses_of(posterior(X, generator)), len(X))

    start = [parameter.detach().clone() for parameter in parameters.values()]
    torch.autograd.backward(objective(*start))
    found = {name: torch.clone(parameter.grad) for name, parameter in parameters.items()}  # type: ignore[arg-type]
    step = 1e-6
    for place, name in enumerate(parameters):
        for element in range(start[place].numel()):
            values = []
            for sign in (1, -1):
                moved = [value.clone() for value in start]
                moved[place].view(-1)[element] += sign * step
                values.append(objective(*moved).item())
            slope = (values[0] - values[1]) / (2 * step)
            assert found[name].view(-1)[element].item() == pytest.approx(slope, abs=1e-6), name


def test_nothing_but_prior_and_likelihood_moves_the_means() -> None:
    posterior = one_weight(*NEAR)
    torch.autograd.backward(posterior.divergence())
    for weight, member in zip(posterior.weights, posterior.members, strict=True):
        mean = member.get_parameter("weight")
        assert mean.grad is not None
        assert mean.grad.item() == pytest.approx((weight * mean / PRIOR**2).item())


def test_one_component_is_mean_field_inference() -> None:
    torch.manual_seed(0)
    first, last = nn.Linear(2, 3).double(), nn.Linear(3, 1).double()
    net = nn.Sequential(first, nn.ReLU(), last)
    posterior = MixturePosterior([net], prior_deviation=2.0, initial_deviation=0.1).double()
    inputs = torch.randn(5, 2, dtype=torch.float64)
    generator = torch.Generator().manual_seed(4)
    answers = posterior(inputs, torch.Generator().manual_seed(4))[0]
    drawn, divergence = [], torch.zeros((), dtype=torch.float64)
    for layer in (first, last):
        for mean in (layer.weight, layer.bias):
            prior = 2.0 / math.sqrt(mean.shape[1] if mean.ndim == 2 else 1)
            deviation = torch.full_like(mean, 0.1 * prior)
            noise = torch.empty_like(mean).normal_(generator=generator)
            drawn.append(mean + deviation * noise)
            own, of_prior = Normal(mean, deviation), Normal(torch.zeros_like(mean), prior)
            divergence = divergence + kl_divergence(own, of_prior).sum()
    hidden = torch.relu(inputs @ drawn[0].T + drawn[1])
    torch.testing.assert_close(answers, hidden @ drawn[2].T + drawn[3], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(posterior.divergence(), divergence, rtol=1e-6, atol=0)


def normalised_net() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3))


def test_normalisations_have_no_distribution_and_statistics_of_their_own() -> None:
    torch.manual_seed(0)
    posterior = MixturePosterior([normalised_net() for _ in range(2)])
    assert posterior.names == ["0.weight", "0.bias", "3.weight", "3.bias"]
    assert posterior.random_weights == 18 + 2 + 24 + 3
    posterior(torch.randn(6, 1, 4, 4), torch.Generator().manual_seed(0))
    first, second = (member.get_buffer("1.running_mean") for member in posterior.members)
    assert first.abs().min() > 0
    assert not torch.equal(first, second)


def test_without_a_generator_weights_are_the_means() -> None:
    torch.manual_seed(0)
    posterior = MixturePosterior([normalised_net() for _ in range(3)]).eval()
    images = torch.randn(2, 1, 4, 4)
    expected = torch.stack([member(images) for member in posterior.members])
    assert torch.equal(posterior(images), expected)


def test_drawn_weights_have_the_component_s_mean_and_deviation() -> None:
    torch.manual_seed(0)
    members = [nn.Linear(200, 100) for _ in range(2)]
    posterior = MixturePosterior(members, prior_deviation=3.0, initial_deviation=0.5)
    before = members[1].weight.detach().clone()
    drawn = posterior.draw_member(1, torch.Generator().manual_seed(7)).get_parameter("weight")
    noise = (drawn - before).detach() / (0.5 * 3 / math.sqrt(200))
    assert abs(noise.mean().item()) < 5 / math.sqrt(noise.numel())
    assert abs(noise.var().item() - 1) < 5 * math.sqrt(2 / noise.numel())
    assert torch.equal(members[1].weight, before)


@pytest.mark.parametrize("weights", ["uniform", "learned"])
def test_deviations_of_a_tensor_are_those_of_its_weights(weights: Any) -> None:
    torch.manual_seed(0)
    nets = [normalised_net() for _ in range(2)]
    each = MixturePosterior(nets, deviations="weight", weights=weights)
    shared = MixturePosterior(nets, deviations="tensor", weights=weights)
    torch.testing.assert_close(shared.divergence(), each.divergence())
    assert sum(p.numel() for p in each.log_deviations) == 2 * each.random_weights
    assert sum(p.numel() for p in shared.log_deviations) == 2 * len(shared.names)


def test_learned_weights_move_to_the_better_component_and_uniform_ones_stay() -> None:
    learned, uniform = (
        MixturePosterior([nn.Linear(2, 1) for _ in range(2)], weights=weights)
        for weights in ("learned", "uniform")
    )
    torch.autograd.backward(learned.expected(torch.tensor([1.0, 3.0])))
    assert learned.weight_logits.grad is not None
    assert learned.weight_logits.grad[0] < 0 < learned.weight_logits.grad[1]
    assert "weight_logits" not in dict(uniform.named_parameters())


def test_a_state_is_restored() -> None:
    torch.manual_seed(0)
    first, second = (MixturePosterior([normalised_net() for _ in range(2)]) for _ in range(2))
    second.load_state_dict(first.state_dict())
    assert torch.equal(first.divergence(), second.divergence())


SAME = nn.Linear(2, 2)


@pytest.mark.parametrize(
    ("members", "options", "fault"),
    [
        ([], {}, "there is no member; pass one or more"),
        ([nn.BatchNorm1d(3)], {}, "member 0 has no weights except those of normalisations"),
        ([SAME, nn.Linear(2, 3)], {}, "member 1 differs in architecture from member 0: see"),
        ([SAME, nn.Linear(2, 2), SAME], {}, "members 0 and 2 are one module; pass separate ones"),
        (
            [SAME],
            {"prior_deviation": 0.0},
            "prior_deviation is 0.0; it must be positive and finite",
        ),
        ([SAME], {"initial_deviation": math.nan}, "initial_deviation is nan"),
        ([SAME, SAME], {"prior_deviation": -1.0}, r"one module(.|\n)*prior_deviation is -1.0"),
    ],
)
def test_what_makes_no_posterior_is_refused(members: Any, options: Any, fault: str) -> None:
    with pytest.raises(PosteriorError, match=fault):
        MixturePosterior(members, **options)


def isotropic(places: list[float], deviations: list[float], dimension: int) -> GaussianMixture:
    means = np.outer(places, np.ones(dimension) / math.sqrt(dimension))
    weights = np.full(len(places), 1 / len(places))
    return GaussianMixture(weights, means, np.square(deviations))


def test_the_closest_components_are_named() -> None:
    overlap = measure_overlap(isotropic([0.0, 20.0, 26.0], [1.0, 1.0, 2.0], 5))
    assert overlap.closest == (1, 2)
    assert overlap.alpha == pytest.approx(6 / 3)


@pytest.mark.filterwarnings("error")
def test_components_that_are_apart_are_no_collapse() -> None:
    overlap = measure_overlap(isotropic([0.0, 20.0], [1.0, 1.0], 5))
    assert overlap.error_bound < MOST_ERROR
    overlap.warn_of_collapse()


@pytest.mark.parametrize("distance", [0.0, 1.0, 5.0])
def test_components_that_overlap_are_a_collapse(distance: float) -> None:
    overlap = measure_overlap(isotropic([30.0, 0.0, distance], [1.0, 1.0, 1.0], 3))
    assert MOST_ERROR < overlap.error_bound <= overlap.weight_entropy
    with pytest.warns(CollapseWarning, match=rf"1 and 2 are closest, separation {distance / 2:g}"):
        overlap.warn_of_collapse()


@pytest.mark.filterwarnings("error")
def test_one_component_cannot_collapse() -> None:
    overlap = measure_overlap(isotropic([1.0], [1.0], 3))
    assert (overlap.alpha, overlap.closest, overlap.error_bound) == (None, None, 0.0)
    overlap.warn_of_collapse()
