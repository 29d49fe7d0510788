"""The objective that training minimises, for one net and for a mixture posterior over nets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgespike.bayes.overlap import measure_overlap
from edgespike.bayes.posterior import MixturePosterior
from edgespike.nn.layers.penalty import SpikePenalty
from edgespike.nn.nets.models import build
from edgespike.nn.training.posterior_spec import PosteriorSpec
from edgespike.nn.training.recipe import Recipe
from edgespike.nn.training.teacher import answers_of, distillation_loss


class TrainingObjective(Protocol):
    """The loss of a model, its answers, and what is logged and kept of it."""

    def step(
        self, net: nn.Module, images: Tensor, labels: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return the loss without penalty, and logits ``(samples, classes)``.

        ``net`` is the model, or a wrapper that runs it on several processes.
        """

    def logits(self, images: Tensor) -> Tensor:
        """Return the model's logits, ``(samples, classes)``."""

    def penalty(self) -> Tensor:
        """Return the penalty of the latest forward pass of a net with events."""

    def synaptic_operations(self) -> Tensor:
        """Return the mean number of synaptic operations a sample in the latest forward pass."""

    def measure(self) -> dict[str, float | None]:
        """Return further values to be logged about the model."""

    def networks(self) -> Iterator[tuple[str, nn.Module]]:
        """Yield the nets to keep, each with the name of its file."""

    def draws(self) -> Iterator[tuple[str, nn.Module]]:
        """Yield drawn nets to keep too; their normalisation is not measured yet."""


def build_model(recipe: Recipe, start: nn.Module | None = None) -> nn.Module:
    """Build the model that the recipe trains: a net, or a mixture of several.

    The weights are those of ``start``, which is possible for a single net only, or follow from the
    recipe's seed.
    """
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        if recipe.posterior is None:
            return for_convolutions(build(recipe.net) if start is None else start)
        spec = recipe.posterior
        return MixturePosterior(
            [for_convolutions(build(recipe.net)) for _ in range(spec.members)],
            prior_deviation=spec.prior_deviation,
            initial_deviation=spec.initial_deviation,
            deviations=spec.deviations,
            weights=spec.weights,
        )


def for_convolutions(net: nn.Module) -> nn.Module:
    """Set the memory layout in which convolutions are faster, on CPUs and GPUs alike."""
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def objective_of(
    recipe: Recipe, model: nn.Module, samples: int, teacher: nn.Module | None = None
) -> TrainingObjective:
    """Return the objective of a model from `build_model`, for a number of training samples.

    The teacher, for one net only, is on the model's device.
    """
    if isinstance(model, MixturePosterior) and recipe.posterior is not None:
        return PosteriorObjective(recipe, recipe.posterior, model, samples)
    return NetObjective(recipe, model, teacher)


def _penalty_of(recipe: Recipe, model: nn.Module) -> SpikePenalty:
    device = next(model.parameters()).device
    example = torch.zeros((1, *recipe.net.input_shape), dtype=torch.uint8, device=device)
    return SpikePenalty(model, example, recipe.penalty, recipe.p)


class NetObjective:
    """Cross entropy of one net, and how far it is from its teacher, if it has one."""

    def __init__(self, recipe: Recipe, model: nn.Module, teacher: nn.Module | None = None) -> None:
        self._recipe, self._model, self._teacher = recipe, model, teacher
        self._penalty = _penalty_of(recipe, model) if recipe.net.spiking else None

    def step(
        self, net: nn.Module, images: Tensor, labels: Tensor, _generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """See `TrainingObjective`."""
        logits, recipe = net(images), self._recipe
        loss = functional.cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing)
        if self._teacher is not None:
            taught = answers_of(self._teacher, images)
            learnt = distillation_loss(logits, taught, recipe.temperature)
            loss = (1 - recipe.distillation) * loss + recipe.distillation * learnt
        return loss, logits

    def logits(self, images: Tensor) -> Tensor:
        """See `TrainingObjective`."""
        found: Tensor = self._model(images)
        return found

    def penalty(self) -> Tensor:
        """See `TrainingObjective`."""
        assert self._penalty is not None
        return self._penalty()

    def synaptic_operations(self) -> Tensor:
        """See `TrainingObjective`."""
        assert self._penalty is not None
        return self._penalty.synaptic_operations()

    def measure(self) -> dict[str, float | None]:
        """See `TrainingObjective`."""
        return {}

    def networks(self) -> Iterator[tuple[str, nn.Module]]:
        """See `TrainingObjective`."""
        yield "model", self._model

    def draws(self) -> Iterator[tuple[str, nn.Module]]:
        """See `TrainingObjective`."""
        yield from ()


class PosteriorObjective:
    """The negative evidence lower bound of a mixture posterior.

    Logits are logarithms of the mean probability over the components. Penalties are averaged by
    the components' weights; synaptic operations are summed, since an ensemble performs them all.
    """

    def __init__(
        self, recipe: Recipe, spec: PosteriorSpec, model: MixturePosterior, samples: int
    ) -> None:
        self._model, self._smoothing = model, recipe.label_smoothing
        self._spec, self._samples, self._seed = spec, samples, recipe.seed
        members = model.members if recipe.net.spiking else ()
        self._penalties = [_penalty_of(recipe, member) for member in members]

    def step(
        self, net: nn.Module, images: Tensor, labels: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """See `TrainingObjective`; every component draws its weights."""
        each = net(images, generator)
        losses = [
            functional.cross_entropy(logits, labels, label_smoothing=self._smoothing)
            for logits in each
        ]
        temperature = self._spec.temperature
        loss = self._model.negative_elbo(torch.stack(losses), self._samples, temperature)
        return loss, self._mean(each)

    def logits(self, images: Tensor) -> Tensor:
        """See `TrainingObjective`; the weights are the components' means."""
        return self._mean(self._model(images))

    def penalty(self) -> Tensor:
        """See `TrainingObjective`."""
        return self._model.expected(torch.stack([penalty() for penalty in self._penalties]))

    def synaptic_operations(self) -> Tensor:
        """See `TrainingObjective`."""
        return torch.stack([penalty.synaptic_operations() for penalty in self._penalties]).sum()

    @torch.no_grad()
    def measure(self) -> dict[str, float | None]:
        """See `TrainingObjective`; a warning is issued if components collapse."""
        overlap = measure_overlap(self._model.mixture())
        overlap.warn_of_collapse()
        return {
            "divergence": float(self._model.divergence()),
            "separation": overlap.alpha,
            "entropy_error_bound": overlap.error_bound,
        }

    def networks(self) -> Iterator[tuple[str, nn.Module]]:
        """See `TrainingObjective`; these are the components' means."""
        for k, member in enumerate(self._model.members):
            yield _numbered("member", k, len(self._model.members)), member

    def draws(self) -> Iterator[tuple[str, nn.Module]]:
        """See `TrainingObjective`; drawn from each component in turn, to cover the mixture."""
        generator = torch.Generator(self._model.prior_variances.device)
        generator.manual_seed(self._seed)
        for place in range(self._spec.samples):
            drawn = self._model.draw_member(place % len(self._model.members), generator)
            yield _numbered("sample", place, self._spec.samples), drawn

    def _mean(self, each: Tensor) -> Tensor:
        logs = self._model.weights.log()[:, None, None]
        return (each.detach().log_softmax(dim=2) + logs.detach()).logsumexp(dim=0)


def _numbered(word: str, place: int, count: int) -> str:
    """Return the name of a file, numbered from 0, so that alphabetical order is numerical order."""
    return f"{word}{place:0{len(str(count - 1))}}"
