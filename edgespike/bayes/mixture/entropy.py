"""The approximate entropy of a Gaussian mixture, and other approximations to compare it with.

All entropies are differential, in nats.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

from array_api_compat import array_namespace

from edgespike.bayes.mixture.arrays import AnyArray, log_sum_exp
from edgespike.bayes.mixture.bounds import overlap_error
from edgespike.bayes.mixture.gaussian import GaussianMixture
from edgespike.bayes.mixture.pairs import Directed, directed, middles

LOG_2PI = math.log(2 * math.pi)


def approximate_entropy(mixture: GaussianMixture) -> AnyArray:
    """Approximate the entropy as if no two components overlapped.

    ``H~ = m/2 (1 + log 2 pi) + 1/2 sum_k pi_k log|S_k| - sum_k pi_k log pi_k``
    (arXiv 2202.13059). It is never below the entropy H. The error ``D = H~ - H`` is at most the
    entropy of the weights, which it reaches if all components coincide, and is 0 for K = 1. The
    means do not enter it, so nothing in its gradient keeps components apart.

    Returns
    -------
    entropy
        Float64, ``(...)``.
    """
    xp = array_namespace(mixture.means)
    logs = mixture.log_weights()
    gaussians = mixture.dimension * (1 + LOG_2PI) / 2
    own = mixture.log_determinants() / 2 - logs
    return gaussians + xp.sum(xp.exp(logs) * own, axis=-1)


def huber_0(mixture: GaussianMixture) -> AnyArray:
    """Return Huber's Taylor series of order 0: the log density at the means of the components.

    Huber et al., On entropy approximation for Gaussian mixture random vectors (2008), eq. 10.
    """
    logs = _log_densities_at_means(mixture, directed(mixture))
    return _expected(mixture, -log_sum_exp(logs))


def huber_2(mixture: GaussianMixture) -> AnyArray:
    """Return Huber's Taylor series of order 2.

    It is order 0 less ``1/2 sum_k pi_k tr(F(mu_k) S_k)``, where F holds the second derivatives of
    the log density; the source is that of :func:`huber_0`. Its error is not bounded: where
    components are close in some dimensions and not in others it can be large.
    """
    xp = array_namespace(mixture.means)
    relations = directed(mixture)
    logs = _log_densities_at_means(mixture, relations)
    total = log_sum_exp(logs)
    shares = xp.exp(logs - total[..., None])
    push, pull = _curvatures(mixture, shares)
    traces = xp.sum(shares * (push - relations.trace), axis=-1) - pull
    return _expected(mixture, -total - traces / 2)


def gaussian_kernel_lower(mixture: GaussianMixture) -> AnyArray:
    """Return a lower bound from Jensen's inequality and the overlaps of the components.

    ``-sum_k pi_k log sum_j pi_j N(mu_k; mu_j, S_k + S_j)``: Huber et al. (2008), eq. 12.
    """
    pairs = middles(mixture)
    own = mixture.log_determinants()
    log_volume = pairs.log_volume + (own[..., :, None] + own[..., None, :]) / 2
    constant = mixture.dimension * (LOG_2PI + math.log(2))
    logs = -(pairs.distance / 2 + log_volume + constant) / 2
    return _expected(mixture, -log_sum_exp(logs + mixture.log_weights()[..., None, :]))


def kolchinsky_tracey_lower(mixture: GaussianMixture) -> AnyArray:
    """Return the pairwise estimate by Bhattacharyya distances, a lower bound.

    Kolchinsky and Tracey, Estimating mixture entropy with pairwise distances (2017), eq. 10 with
    the Chernoff divergence of parameter 1/2.
    """
    distances = middles(mixture).bhattacharyya()
    return approximate_entropy(mixture) - overlap_error(mixture.log_weights(), distances)


def kolchinsky_tracey_upper(mixture: GaussianMixture) -> AnyArray:
    """Return the pairwise estimate by Kullback-Leibler divergences, an upper bound.

    The source is that of :func:`kolchinsky_tracey_lower`.
    """
    divergences = directed(mixture).kullback_leibler(mixture.dimension)
    return approximate_entropy(mixture) - overlap_error(mixture.log_weights(), divergences)


APPROXIMATIONS: Mapping[str, Callable[[GaussianMixture], AnyArray]] = {
    "approximate_entropy": approximate_entropy,
    "huber_0": huber_0,
    "huber_2": huber_2,
    "gaussian_kernel_lower": gaussian_kernel_lower,
    "kolchinsky_tracey_lower": kolchinsky_tracey_lower,
    "kolchinsky_tracey_upper": kolchinsky_tracey_upper,
}
"""All closed forms by name: each takes a mixture and returns nats, float64 ``(...)``."""


def _expected(mixture: GaussianMixture, values: AnyArray) -> AnyArray:
    xp = array_namespace(values)
    return xp.sum(xp.exp(mixture.log_weights()) * values, axis=-1)


def _log_densities_at_means(mixture: GaussianMixture, relations: Directed) -> AnyArray:
    """Return ``log(pi_j N_j(mu_k))`` in row k and column j."""
    own = mixture.log_weights() - mixture.log_determinants() / 2
    return own[..., None, :] - (relations.distance + mixture.dimension * LOG_2PI) / 2


def _curvatures(mixture: GaussianMixture, shares: AnyArray) -> tuple[AnyArray, AnyArray]:
    """Return the share of the components' slopes in the second derivatives of the log density.

    With ``v_j = S_j^-1 (mu_k - mu_j)`` in row k, these are ``v_j' S_k v_j`` as ``(..., K, K)`` and
    ``w' S_k w`` as ``(..., K)``, where w is the mean of the v_j weighted by the components' shares
    at mu_k.
    """
    xp = array_namespace(shares)
    parts = _full_slopes(mixture) if mixture.is_full else _diagonal_slopes(mixture)
    each: list[AnyArray] = [0] * mixture.components
    joint: list[AnyArray] = [0] * mixture.components
    for k, slopes, stretched in parts:
        each[k] = each[k] + xp.sum(slopes * stretched, axis=-1)
        share = shares[..., k : k + 1, :]
        joint[k] = joint[k] + xp.sum((share @ slopes) * (share @ stretched), axis=(-2, -1))
    return xp.stack(each, axis=-2), xp.stack(joint, axis=-1)


def _diagonal_slopes(mixture: GaussianMixture) -> Iterator[tuple[int, AnyArray, AnyArray]]:
    """Yield k, all ``v_j`` and all ``S_k v_j`` for a block of dimensions, ``(..., K, block)``."""
    for means, variances in mixture.standardised_blocks():
        for k in range(mixture.components):
            slopes = (means[..., k : k + 1, :] - means) / variances
            yield k, slopes, variances[..., k : k + 1, :] * slopes


def _full_slopes(mixture: GaussianMixture) -> Iterator[tuple[int, AnyArray, AnyArray]]:
    """Yield k, all ``v_j`` and all ``S_k v_j``, ``(..., K, m)``."""
    xp = array_namespace(mixture.means)
    means, matrices = mixture.standardised()
    for k in range(mixture.components):
        differences = (means[..., k : k + 1, :] - means)[..., None]
        slopes = xp.linalg.solve(matrices, differences)[..., 0]
        yield k, slopes, slopes @ matrices[..., k, :, :]
