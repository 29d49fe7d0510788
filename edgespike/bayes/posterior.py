"""A mixture of Gaussians over the weights of a torch module, for variational inference.

Each component is a module of its own, whose weights are the means, with a standard deviation for
each weight. The entropy of the mixture, which has no closed form, is approximated (Furuya et al.,
arXiv 2202.13059)::

    posterior = MixturePosterior([make_net() for _ in range(4)])
    outputs = posterior(inputs, generator)  # (members, samples, ...), a draw of each component
    losses = ...  # mean negative log-likelihood of each member, (members,)
    loss = posterior.negative_elbo(losses, samples=len(training_set))

Needs torch.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator
from typing import Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call

from edgespike.bayes.mixture import GaussianMixture, approximate_entropy
from edgespike.errors import ViolationsError

Deviations = Literal["weight", "tensor"]
Weights = Literal["uniform", "learned"]


class PosteriorError(ViolationsError):
    """Modules or options cannot make a mixture posterior."""


class MixturePosterior(nn.Module):
    """A mixture of K Gaussians with diagonal covariances over a module's weights.

    Weights and biases of all layers are random. What normalisations (and other modules whose
    ``weight`` has one axis) scale and shift by is learned for each component, but has no
    distribution; their running statistics are each component's own.

    The prior is ``N(0, prior_deviation^2 / n)`` for each weight, independently, with n the fan-in
    of a weight of several axes, and 1 for a bias (Neal, Priors for infinite networks, 1994).

    Parameters
    ----------
    members
        K modules of one architecture, at least one. They become the components' means and are not
        copied. Give them different weights: nothing in the objective keeps components apart, see
        :func:`edgespike.bayes.overlap.measure_overlap`.
    prior_deviation
        See above; positive.
    initial_deviation
        Standard deviations at the start, as a share of the prior's; positive.
    deviations
        "weight": each weight has its own standard deviation; "tensor": those of a tensor share
        one in each component.
    weights
        "uniform": components have equal weight; "learned": weights start equal and are learned.

    Raises
    ------
    PosteriorError
        No member, members of different architecture, one module given twice, no random weights,
        or a deviation that is not positive. All violations are listed.
    """

    prior_variances: Tensor

    def __init__(
        self,
        members: Iterable[nn.Module],
        *,
        prior_deviation: float = 1.0,
        initial_deviation: float = 0.05,
        deviations: Deviations = "weight",
        weights: Weights = "uniform",
    ) -> None:
        super().__init__()
        modules = list(members)
        faults = [*_member_faults(modules), *_deviation_faults(prior_deviation, initial_deviation)]
        if faults:
            raise PosteriorError("these modules make no posterior", faults)
        self.members = nn.ModuleList(modules)
        self.names = _random_names(modules[0])
        """Paths of the random tensors in each member."""
        means = [modules[0].get_parameter(name).detach() for name in self.names]
        priors = [prior_deviation / math.sqrt(_fan_in(mean)) for mean in means]
        self.register_buffer(
            "prior_variances",
            torch.cat([torch.full((x.numel(),), s**2) for x, s in zip(means, priors, strict=True)]),
            persistent=False,
        )
        # First axis: components. One number for a tensor, or one for each weight.
        shapes = [x.shape if deviations == "weight" else (1,) * x.ndim for x in means]
        self.log_deviations = nn.ParameterList(
            torch.full((len(modules), *shape), math.log(initial_deviation * s))
            for shape, s in zip(shapes, priors, strict=True)
        )
        equal = torch.zeros(len(modules))
        if weights == "learned":
            self.weight_logits: Tensor = nn.Parameter(equal)
        else:
            self.register_buffer("weight_logits", equal)

    @property
    def weights(self) -> Tensor:
        """The components' weights, ``(members,)``; they sum to 1."""
        return self.weight_logits.softmax(dim=0)

    @property
    def random_weights(self) -> int:
        """Number of weights that have a distribution: the dimension of the mixture."""
        return len(self.prior_variances)

    def forward(self, inputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return what each component's network makes of the inputs, ``(members, samples, ...)``.

        Parameters
        ----------
        inputs
            ``(samples, ...)``, the same for all components.
        generator
            What weights are drawn by, anew for each component; without it they are the means.
            Gradients reach means and deviations (Kingma and Welling, arXiv 1312.6114).
        """
        if generator is None:
            return torch.stack([member(inputs) for member in self.members])
        drawn = [
            functional_call(member, self._draw(k, generator), (inputs,))
            for k, member in enumerate(self.members)
        ]
        return torch.stack(drawn)

    def mixture(self) -> GaussianMixture:
        """Return the posterior as a mixture of ``random_weights`` dimensions, differentiable."""
        means = [self._flat_means(k) for k in range(len(self.members))]
        variances = [
            (2 * logs).exp().expand(len(means), *self._mean(0, name).shape).flatten(1)
            for name, logs in zip(self.names, self.log_deviations, strict=True)
        ]
        return GaussianMixture(
            self.weights, torch.stack(means), torch.cat(variances, dim=1), validate=False
        )

    def divergence(self) -> Tensor:
        """Approximate the Kullback-Leibler divergence from the prior, nats, float64.

        It is the cross entropy with the prior, exactly, less the approximate entropy. That is
        never below the entropy, so this is never above the divergence, by no more than
        :class:`edgespike.bayes.mixture.ErrorBounds` tell.
        """
        mixture = self.mixture()
        entropy: Tensor = approximate_entropy(mixture)
        return prior_cross_entropy(mixture, self.prior_variances) - entropy

    def negative_elbo(self, losses: Tensor, samples: int, temperature: float = 1.0) -> Tensor:
        """Return the objective, in nats a sample: expected loss, and the divergence's share.

        ``sum_k pi_k losses_k + temperature / samples * divergence``. Each component has its part
        in every step (stratified sampling), which leaves no variance from the choice of one.

        Parameters
        ----------
        losses
            Mean negative log-likelihood of a sample by a draw of each component, ``(members,)``.
        samples
            Size of the whole training set.
        temperature
            1 for Bayes' rule; less weighs the prior less (a "cold" posterior).
        """
        complexity = (temperature / samples * self.divergence()).to(losses.dtype)
        return self.expected(losses) + complexity

    def expected(self, values: Tensor) -> Tensor:
        """Average values of the members, ``(members,)``, by the components' weights."""
        return self.weights.to(values.dtype).dot(values)

    def draw_member(self, k: int, generator: torch.Generator) -> nn.Module:
        """Copy a component's module, with weights drawn from that component.

        Normalisation statistics are those of the member; they were not measured on these weights,
        see :func:`edgespike.nn.training.averaging.measure_statistics`.
        """
        member = copy.deepcopy(self.members[k])
        with torch.no_grad():
            for name, values in self._draw(k, generator).items():
                member.get_parameter(name).copy_(values)
        return member

    def _draw(self, k: int, generator: torch.Generator) -> dict[str, Tensor]:
        drawn = {}
        for name, logs in zip(self.names, self.log_deviations, strict=True):
            mean = self._mean(k, name)
            noise = torch.empty_like(mean, requires_grad=False).normal_(generator=generator)
            drawn[name] = mean + logs[k].exp() * noise
        return drawn

    def _mean(self, k: int, name: str) -> Tensor:
        return self.members[k].get_parameter(name)

    def _flat_means(self, k: int) -> Tensor:
        return torch.cat([self._mean(k, name).flatten() for name in self.names])


def prior_cross_entropy(mixture: GaussianMixture, prior_variances: Tensor) -> Tensor:
    """Return the cross entropy of a diagonal mixture with a Gaussian prior of mean 0.

    ``1/2 sum_k pi_k sum_i [log(2 pi s_i^2) + (mu_ki^2 + sigma_ki^2) / s_i^2]``, nats, float64.

    Parameters
    ----------
    mixture
        Of tensors, with diagonal covariances; no batch.
    prior_variances
        ``s_i^2``, ``(dimensions,)``.
    """
    prior = prior_variances.double()
    squares = mixture.means.double().square() + mixture.variances().double()
    own = ((2 * math.pi * prior).log() + squares / prior).sum(dim=1) / 2
    weights: Tensor = mixture.log_weights().exp()
    return weights.dot(own)


def _random_names(module: nn.Module) -> list[str]:
    """Name all parameters but those of normalisations, whose weight has one axis."""
    return [
        f"{path}.{name}" if path else name
        for path, part in module.named_modules()
        if not _is_normalisation(part)
        for name, _ in part.named_parameters(recurse=False)
    ]


def _is_normalisation(module: nn.Module) -> bool:
    weight = getattr(module, "weight", None)
    return isinstance(weight, Tensor) and weight.ndim == 1


def _fan_in(weight: Tensor) -> int:
    return weight[0].numel() if weight.ndim > 1 else 1


def _member_faults(members: list[nn.Module]) -> Iterator[str]:
    if not members:
        yield "no member is given; give one or more"
        return
    if not _random_names(members[0]):
        yield "member 0 has no weights but those of normalisations; give one with layers"
    seen: dict[int, int] = {}
    wanted = _shapes(members[0])
    for number, member in enumerate(members):
        if id(member) in seen:
            yield f"members {seen[id(member)]} and {number} are one module; give each its own"
        seen.setdefault(id(member), number)
        if (found := _shapes(member)) != wanted:
            other = sorted(dict(found.items() ^ wanted.items()))
            yield f"member {number} is of another architecture than member 0: see {other[0]}"


def _shapes(module: nn.Module) -> dict[str, torch.Size]:
    return {name: values.shape for name, values in module.state_dict().items()}


def _deviation_faults(prior: float, initial: float) -> Iterator[str]:
    for name, value in (("prior_deviation", prior), ("initial_deviation", initial)):
        if not 0 < value < math.inf:
            yield f"{name} is {value}; give a positive number"
