"""A summary of a mixture's entropy, and which value of it to trust."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgespike.bayes.mixture.bounds import (
    SeparationBound,
    error_bounds,
    expected_error_bound,
    separation_bound,
    spread,
)
from edgespike.bayes.mixture.entropy import APPROXIMATIONS
from edgespike.bayes.mixture.gaussian import GaussianMixture
from edgespike.bayes.mixture.pairs import Middles, middles
from edgespike.bayes.mixture.sampling import Estimate, monte_carlo_entropy, sampled_error
from edgespike.errors import InputError

NEGLIGIBLE = 0.01
"""Nats: a value whose error is guaranteed to be no larger is trusted without sampling."""

COINCIDENT = 1e-12
"""Bhattacharyya distance up to which two components are the same except for rounding."""

_SAMPLES = 10_000
_FEWEST_SAMPLES = 30
_COORDINATES = 2**30
"""Limit of samples times dimensions times components for the default number of samples."""


@dataclass(frozen=True)
class Trusted:
    """The value of the entropy to trust, in nats."""

    method: str
    """``approximate_entropy``; ``bounds``: that less the midpoint of the error's bounds; or
    ``sampled``: that less the estimated error."""

    entropy: float
    uncertainty: float
    """A standard error for ``sampled``, otherwise the largest error of the value."""

    why: str


@dataclass(frozen=True)
class Closest:
    """The two components with the smallest separation."""

    components: tuple[int, int]
    """Counted from 0."""

    alpha: float
    best_s: float | None
    """The best s of this pair in the bound by separations; None where that is vacuous."""


@dataclass(frozen=True)
class Expected:
    """The expected error for means drawn at random; not a bound for this mixture."""

    spread: float
    """The c of ``N(0, c^2 S)`` from which the means look as if they were drawn."""

    error: float


@dataclass(frozen=True)
class Summary:
    """The entropy of one mixture in nats; "error" means that of the approximate entropy.

    For one component there are no pairs, and the fields about pairs are None.
    """

    components: int
    dimension: int
    covariances: str
    entropy: float
    """The approximate entropy; it is never below the entropy."""

    error_upper: float
    """The smallest of the upper bounds."""

    error_lower: float
    """The largest of the lower bounds."""

    error_estimate: float
    """Monte-Carlo estimate of the error, clipped to its bounds."""

    error_estimate_standard_error: float
    samples: int
    """Number of points of each Monte-Carlo estimate."""

    weight_entropy: float
    """The largest possible error for these weights, reached if all components coincide."""

    error_upper_bhattacharyya: float
    error_upper_kolchinsky_tracey: float
    error_upper_separation: float | None
    """None if it is vacuous, that is, unless ``alpha^2 > dimension`` for all pairs."""

    alpha_min: float | None
    """The smallest separation."""

    closest: Closest | None
    expected: Expected | None
    coinciding: tuple[tuple[int, int], ...]
    """Pairs of equal components: the entropy of their weights is part of the error."""

    approximations: dict[str, float]
    """All closed forms by name."""

    monte_carlo: float
    """Plain Monte-Carlo estimate of the entropy."""

    monte_carlo_standard_error: float
    trusted: Trusted

    def to_json(self) -> dict[str, Any]:
        """Return all values in types that JSON has."""
        return asdict(self)


def summarise(mixture: GaussianMixture, samples: int | None = None, seed: int = 0) -> Summary:
    """Compute everything about the entropy of one mixture.

    Parameters
    ----------
    mixture
        One mixture, not a batch.
    samples
        Number of points of each Monte-Carlo estimate, at least 2; by default 10,000, or, in many
        dimensions, as many as take a few seconds.
    seed
        Seed of the Monte-Carlo estimates.

    Raises
    ------
    InputError
        The mixture is a batch, or there are too few samples.
    """
    if mixture.batch:
        raise InputError(
            f"the mixture is a batch of shape {mixture.batch}; summarise its mixtures one by one"
        )
    mixture = mixture.as_numpy()
    samples = _default_samples(mixture) if samples is None else samples
    bounds = error_bounds(mixture)
    lower, upper = float(bounds.lower), float(bounds.upper)
    error, deviation = _within(lower, upper, sampled_error(mixture, samples, seed))
    plain = monte_carlo_entropy(mixture, samples, seed)
    approximations = {name: float(form(mixture)) for name, form in APPROXIMATIONS.items()}
    entropy = approximations["approximate_entropy"]
    pairs = middles(mixture)
    separation = separation_bound(mixture)
    closest = _closest(separation)
    return Summary(
        components=mixture.components,
        dimension=mixture.dimension,
        covariances=mixture.kind.value,
        entropy=entropy,
        error_upper=upper,
        error_lower=lower,
        error_estimate=error,
        error_estimate_standard_error=deviation,
        samples=samples,
        weight_entropy=float(bounds.weight_entropy),
        error_upper_bhattacharyya=float(bounds.bhattacharyya),
        error_upper_kolchinsky_tracey=float(bounds.kolchinsky_tracey),
        error_upper_separation=None if separation.vacuous else float(separation.value),
        alpha_min=closest.alpha if closest else None,
        closest=closest,
        expected=_expected(pairs, mixture.dimension),
        coinciding=_coinciding(pairs),
        approximations=approximations,
        monte_carlo=float(plain.value),
        monte_carlo_standard_error=float(plain.standard_error),
        trusted=_trusted(entropy, (lower, upper), error, deviation),
    )


def _default_samples(mixture: GaussianMixture) -> int:
    values = mixture.components * mixture.dimension
    return min(_SAMPLES, max(_FEWEST_SAMPLES, _COORDINATES // values))


def _within(lower: float, upper: float, estimate: Estimate) -> tuple[float, float]:
    """Return an estimate and its standard error, clipped to guaranteed bounds."""
    error, deviation = float(estimate.value), float(estimate.standard_error)
    return min(max(error, lower), upper), min(deviation, upper - lower)


def _closest(separation: SeparationBound) -> Closest | None:
    components = separation.alpha.shape[-1]
    if components == 1:
        return None
    first, second = np.triu_indices(components, 1)
    least = int(np.argmin(separation.alpha[first, second]))
    k, j = int(first[least]), int(second[least])
    best_s = float(separation.best_s[k, j])
    return Closest((k, j), float(separation.alpha[k, j]), best_s or None)


def _expected(pairs: Middles, dimension: int) -> Expected | None:
    components = pairs.distance.shape[-1]
    if components == 1:
        return None
    found = spread(pairs, dimension)
    return Expected(float(found), float(expected_error_bound(components, dimension, found)))


def _coinciding(pairs: Middles) -> tuple[tuple[int, int], ...]:
    same = np.argwhere(np.triu(pairs.bhattacharyya() <= COINCIDENT, k=1))
    return tuple((int(k), int(j)) for k, j in same)


def _trusted(
    entropy: float, bounds: tuple[float, float], error: float, deviation: float
) -> Trusted:
    lower, upper = bounds
    if upper == 0:  # one component
        return Trusted("approximate_entropy", entropy, 0.0, "it is exact for one component")
    if upper <= NEGLIGIBLE:
        why = f"it is too large by at most {upper:.3g} nats"
        return Trusted("approximate_entropy", entropy, upper, why)
    half = (upper - lower) / 2
    if half <= NEGLIGIBLE:
        why = f"the components overlap, and the bounds of the error are {2 * half:.3g} nats apart"
        return Trusted("bounds", entropy - lower - half, half, why)
    why = (
        "the components overlap, and the bounds of the error are far apart; "
        f"sampling finds it as {error:.4g} nats"
    )
    return Trusted("sampled", entropy - error, deviation, why)
