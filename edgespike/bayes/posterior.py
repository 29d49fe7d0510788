"""A mixture of Gaussians over the weights of a torch module, for variational inference.

Each component is a separate module, whose weights are the means, with a standard deviation for
each weight. The entropy of the mixture, which has no closed form, is approximated (Furuya et al.,
arXiv 2202.13059)::

    posterior = MixturePosterior([make_net() for _ in range(4)])
    outputs = posterior(inputs, generator)  # (members, samples, ...), one draw per component
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
    """A mixture posterior cannot be made from these modules or options."""


class MixturePosterior(nn.Module):
    """A mixture of K Gaussians with diagonal covariances over a module's weights.

    Weights and biases of all layers are random. The factors and offsets of normalisations (and of
    other modules whose ``weight`` has one axis) are learned for each component, but have no
    distribution; each component has its own running statistics.

    The prior is ``N(0, prior_deviation^2 / n)``, independently for each weight, where n is the
    fan-in for a weight with several axes, and 1 for a bias (Neal, Priors for infinite networks,
    1994).

    Parameters
    ----------
    members
        K modules of one architecture, at least one. They become the components' means and are not
        copied. They should have different weights: nothing in the objective keeps components
        apart, see :func:`edgespike.bayes.overlap.measure_overlap`.
    prior_deviation
        See above; positive.
    initial_deviation
        Initial standard deviations, as a share of the prior's; positive.
    deviations
        "weight": each weight has its own standard deviation; "tensor": the weights of a tensor
        share one in each component.
    weights
        "uniform": components have equal weight; "learned": weights start equal and are learned.

    Raises
    ------
    PosteriorError
        There is no member, members differ in architecture, a module is passed twice, there are no
        random weights, or a deviation is not positive. All violations are listed.
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
            raise PosteriorError("no posterior can be made of these modules", faults)
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
        # The first axis holds the components; then one number for a tensor, or one for each weight.
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
        """Return the outputs of each component's network, ``(members, samples, ...)``.

        Parameters
        ----------
        inputs
            ``(samples, ...)``, the same for all components.
        generator
            Draws the weights, separately for each component; if None, the means are used.
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
        """Return the approximate Kullback-Leibler divergence from the prior, in nats, float64.

        It is the exact cross entropy with the prior less the approximate entropy, which is never
        below the entropy. The result is therefore never above the divergence, and below it by at
        most the upper bound of :class:`edgespike.bayes.mixture.ErrorBounds`.
        """
        mixture = self.mixture()
        entropy: Tensor = approximate_entropy(mixture)
        return prior_cross_entropy(mixture, self.prior_variances) - entropy

    def negative_elbo(self, losses: Tensor, samples: int, temperature: float = 1.0) -> Tensor:
        """Return the objective in nats a sample: the expected loss and a share of the divergence.

        It is ``sum_k pi_k losses_k + temperature / samples * divergence``. Each component takes
        part in every step (stratified sampling), so choosing one adds no variance.

        Parameters
        ----------
        losses
            Mean negative log-likelihood of a sample under a draw of each component,
            ``(members,)``.
        samples
            Size of the whole training set.
        temperature
            1 for Bayes' rule; a lower value gives the prior less weight (a "cold" posterior).
        """
        complexity = (temperature / samples * self.divergence()).to(losses.dtype)
        return self.expected(losses) + complexity

    def expected(self, values: Tensor) -> Tensor:
        """Return the mean of values ``(members,)``, weighted by the components' weights."""
        return self.weights.to(values.dtype).dot(values)

    def draw_member(self, k: int, generator: torch.Generator) -> nn.Module:
        """Copy a component's module, with weights drawn from that component.

        Normalisation statistics are those of the member. They were not measured on these weights:
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

    It is ``1/2 sum_k pi_k sum_i [log(2 pi s_i^2) + (mu_ki^2 + sigma_ki^2) / s_i^2]`` in nats,
    float64.

    Parameters
    ----------
    mixture
        One mixture of tensors with diagonal covariances.
    prior_variances
        ``s_i^2``, ``(dimensions,)``.
    """
    prior = prior_variances.double()
    squares = mixture.means.double().square() + mixture.variances().double()
    own = ((2 * math.pi * prior).log() + squares / prior).sum(dim=1) / 2
    weights: Tensor = mixture.log_weights().exp()
    return weights.dot(own)


def _random_names(module: nn.Module) -> list[str]:
    """Return the paths of all parameters except those of normalisations."""
    return [
        f"{path}.{name}" if path else name
        for path, part in module.named_modules()
        if not _is_normalisation(part)
        for name, _ in part.named_parameters(recurse=False)
    ]


def _is_normalisation(module: nn.Module) -> bool:
    # Their weight has one axis.
    weight = getattr(module, "weight", None)
    return isinstance(weight, Tensor) and weight.ndim == 1


def _fan_in(weight: Tensor) -> int:
    return weight[0].numel() if weight.ndim > 1 else 1


def _member_faults(members: list[nn.Module]) -> Iterator[str]:
    if not members:
        yield "there is no member; pass one or more"
        return
    if not _random_names(members[0]):
        yield "member 0 has no weights except those of normalisations; pass one with layers"
    seen: dict[int, int] = {}
    wanted = _shapes(members[0])
    for number, member in enumerate(members):
        if id(member) in seen:
            yield f"members {seen[id(member)]} and {number} are one module; pass separate ones"
        seen.setdefault(id(member), number)
        if (found := _shapes(member)) != wanted:
            other = sorted(dict(found.items() ^ wanted.items()))
            yield f"member {number} differs in architecture from member 0: see {other[0]}"


def _shapes(module: nn.Module) -> dict[str, torch.Size]:
    return {name: values.shape for name, values in module.state_dict().items()}


def _deviation_faults(prior: float, initial: float) -> Iterator[str]:
    for name, value in (("prior_deviation", prior), ("initial_deviation", initial)):
        if not 0 < value < math.inf:
            yield f"{name} is {value}; it must be positive and finite"
