"""Monte-Carlo estimates of the error of the approximate entropy, and of the entropy itself.

The error D is estimated directly, never as a difference of two entropies, and in logarithms, so
its digits are not lost in those of the entropy. Everything is computed by numpy in float64; there
are no gradients.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgespike.bayes.mixture.arrays import Floats, log_sum_exp
from edgespike.bayes.mixture.bounds import log_overlap
from edgespike.bayes.mixture.draws import draws_of
from edgespike.bayes.mixture.entropy import LOG_2PI
from edgespike.bayes.mixture.gaussian import GaussianMixture
from edgespike.bayes.mixture.pairs import middles
from edgespike.errors import InputError, shown

MOST_SAMPLES = 10**8
"""Largest number of points of an estimate; a value of each is kept, 800 MB together."""


@dataclass(frozen=True)
class Estimate:
    """A Monte-Carlo estimate in nats."""

    value: Floats
    """``(...)``."""

    standard_error: Floats
    """``(...)``; 0 where nothing was drawn."""

    samples: int
    """Number of points drawn for each mixture."""


def sampled_error(mixture: GaussianMixture, samples: int = 10_000, seed: int = 0) -> Estimate:
    """Estimate the error D from points between the components.

    ``D = sum_{k < j} sqrt(pi_k pi_j) BC_kj E[v_kj]``, where the mean is over the Gaussian whose
    density is proportional to ``sqrt(N_k N_j)``, and ``v_kj = sqrt(p_k p_j) (phi(p_k) +
    phi(p_j))``. Here p holds the components' shares of the density at the point, and ``phi(p) =
    -log(p) / (1 - p)``. For two components, v is at most ``2 log 2``: the relative error stays
    small even where the components are so far apart that no point drawn from one reaches another.

    Parameters
    ----------
    mixture
        A mixture, or a batch of them.
    samples
        Number of points for each mixture, at least 2; pairs get a share by their overlap.
    seed
        The same seed gives the same estimate.

    Raises
    ------
    InputError
        There are too few or too many samples.
    """
    return _each(mixture, samples, lambda one, rng: _between(one, samples, rng), seed)


def sampled_error_by_components(
    mixture: GaussianMixture, samples: int = 10_000, seed: int = 0
) -> Estimate:
    """Estimate the error D from points of each component.

    ``D = sum_k pi_k E_{N_k} log(1 + sum_{j != k} pi_j N_j / (pi_k N_k))``. Where components hardly
    overlap, the points that matter are rare: the estimate is then too small, and so is its standard
    error. Use :func:`sampled_error` there. Parameters are those of :func:`sampled_error`;
    ``samples`` are divided among the components.
    """
    return _each(
        mixture, samples, lambda one, rng: _by_components(one, samples, rng, _error_values), seed
    )


def monte_carlo_entropy(mixture: GaussianMixture, samples: int = 10_000, seed: int = 0) -> Estimate:
    """Estimate the entropy as the mean of the negative log density, from points of each component.

    This is the plain estimate with which closed forms are compared; the approximate entropy less
    :func:`sampled_error` is far more precise. Parameters are those of
    :func:`sampled_error_by_components`.
    """
    return _each(
        mixture, samples, lambda one, rng: _by_components(one, samples, rng, _entropy_values), seed
    )


_Sampler = Callable[[GaussianMixture, np.random.Generator], tuple[float, float]]
_Values = Callable[[GaussianMixture, Floats, int], Floats]


def _each(mixture: GaussianMixture, samples: int, sampler: _Sampler, seed: int) -> Estimate:
    """Apply a sampler to each mixture of a batch."""
    if samples < 2:
        raise InputError(f"{samples} samples have no standard error; draw at least 2")
    if samples > MOST_SAMPLES:
        raise InputError(f"{shown(samples)} samples are too many; draw at most {MOST_SAMPLES}")
    whole = mixture.as_numpy()
    rng = np.random.default_rng(seed)
    values, errors = np.zeros(mixture.batch), np.zeros(mixture.batch)
    for index in np.ndindex(mixture.batch):
        parts = (part[index] for part in (whole.weights, whole.means, whole.covariances))
        one = GaussianMixture(*parts, validate=False)
        values[index], errors[index] = sampler(one, rng)
    return Estimate(values, errors, samples)


def _between(
    mixture: GaussianMixture, samples: int, rng: np.random.Generator
) -> tuple[float, float]:
    logs = mixture.log_weights()
    pairs = middles(mixture)
    total = log_overlap(logs, pairs)
    if np.exp(total) == 0:  # below the smallest double, and so is the error
        return 0.0, 0.0
    first, second = np.triu_indices(mixture.components, 1)
    shares = (logs[first] + logs[second]) / 2 - pairs.bhattacharyya()[first, second] - total
    draws = draws_of(mixture)
    values = []
    counts = rng.multinomial(samples, np.exp(shares) / np.exp(shares).sum())
    for k, j, count in zip(first.tolist(), second.tolist(), counts.tolist(), strict=True):
        if count:
            joint = draws.middle(k, j)(count, rng)
            values.append(_pair_values(joint - log_sum_exp(joint)[:, None], k, j))
    return _mean(np.concatenate(values), float(np.exp(total)))


def _pair_values(log_shares: Floats, k: int, j: int) -> Floats:
    """Return ``v_kj`` of :func:`sampled_error` from log shares ``(n, K)``."""
    first, second = log_shares[:, k], log_shares[:, j]
    return np.exp((first + second) / 2) * (_phi(first) + _phi(second))


def _phi(log_share: Floats) -> Floats:
    """Return ``-log(p) / (1 - p)``, whose limit at p = 1 is 1."""
    rest = -np.expm1(log_share)
    return np.where(rest > 0, -log_share / np.where(rest > 0, rest, 1), 1.0)


def _by_components(
    mixture: GaussianMixture, samples: int, rng: np.random.Generator, values: _Values
) -> tuple[float, float]:
    """Average over the components, with the same number of points of each."""
    weights = np.exp(mixture.log_weights())
    count = max(2, round(samples / mixture.components))
    draws = draws_of(mixture)
    value = variance = 0.0
    for k, weight in enumerate(weights):
        found = values(mixture, draws.component(k)(count, rng), k)
        mean, error = _mean(found, float(weight))
        value, variance = value + mean, variance + error**2
    return value, math.sqrt(variance)


def _error_values(mixture: GaussianMixture, joint: Floats, k: int) -> Floats:
    others = log_sum_exp(np.delete(joint, k, axis=1)) - joint[:, k]
    return np.asarray(np.logaddexp(0.0, others))


def _entropy_values(mixture: GaussianMixture, joint: Floats, k: int) -> Floats:
    # The draws are in dimensions where the first component has unit variances.
    variances: Any = mixture.covariances
    if mixture.is_full:
        scale = np.log(np.diagonal(variances[0]).astype(np.float64)).sum()
    else:
        scale = np.log(mixture.variances()[0].astype(np.float64)).sum()
    constant = (mixture.dimension * LOG_2PI + float(scale)) / 2
    return np.asarray(constant - log_sum_exp(joint))


def _mean(values: Floats, factor: float) -> tuple[float, float]:
    error = values.std(ddof=1) / math.sqrt(len(values))
    return factor * float(values.mean()), factor * float(error)
