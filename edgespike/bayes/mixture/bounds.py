"""Bounds of the error ``D = H~ - H`` of the approximate entropy, and its expected size.

D is the entropy of the component given the value, in nats: ``0 <= D <= H(weights)``. With f_k =
pi_k N_k and p_k = f_k / sum_j f_j it is the mean entropy of p over the mixture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from array_api_compat import array_namespace, device

from edgespike.bayes.mixture.arrays import AnyArray, log_sum_exp, safe_sqrt
from edgespike.bayes.mixture.gaussian import GaussianMixture
from edgespike.bayes.mixture.pairs import Middles, directed, middles
from edgespike.bayes.mixture.separation import separations


@dataclass(frozen=True)
class ErrorBounds:
    """Guaranteed bounds of the error D in nats, float64 ``(...)``; all 0 for K = 1."""

    weight_entropy: AnyArray
    """Entropy of the weights: equal to D if all components coincide, otherwise above D."""

    bhattacharyya: AnyArray
    """Upper bound by Bhattacharyya coefficients, see :func:`bhattacharyya_bound`."""

    kolchinsky_tracey: AnyArray
    """Upper bound by :func:`overlap_error` of Bhattacharyya distances."""

    lower_divergence: AnyArray
    """Lower bound by :func:`overlap_error` of Kullback-Leibler divergences."""

    lower_bhattacharyya: AnyArray
    """Lower bound by Bhattacharyya coefficients, see :func:`bhattacharyya_lower_bound`."""

    @property
    def upper(self) -> AnyArray:
        """The least of the upper bounds."""
        xp = array_namespace(self.bhattacharyya)
        least = xp.minimum(self.bhattacharyya, self.kolchinsky_tracey)
        return xp.minimum(least, self.weight_entropy)

    @property
    def lower(self) -> AnyArray:
        """The largest of the lower bounds."""
        xp = array_namespace(self.bhattacharyya)
        # Where both bounds meet, as for coinciding components, rounding must not cross them.
        largest = xp.maximum(self.lower_divergence, self.lower_bhattacharyya)
        return xp.minimum(largest, self.upper)


@dataclass(frozen=True)
class SeparationBound:
    """The upper bound by separations alpha; see :func:`separation_bound`."""

    value: AnyArray
    """Nats, ``(...)``."""

    alpha: AnyArray
    """The separations, ``(..., K, K)``; 0 on the diagonal."""

    best_s: AnyArray
    """The s in [0, 1) that is best for each pair, ``(..., K, K)``; 0 where it is vacuous."""

    vacuous: AnyArray
    """Boolean ``(...)``: whether a pair has ``alpha^2 <= m``, which makes the bound useless."""


def error_bounds(mixture: GaussianMixture) -> ErrorBounds:
    """Bound the error of the approximate entropy from both sides."""
    logs = mixture.log_weights()
    pairs = middles(mixture)
    divergences = directed(mixture).kullback_leibler(mixture.dimension)
    return ErrorBounds(
        weight_entropy=weight_entropy(logs),
        bhattacharyya=bhattacharyya_bound(logs, pairs),
        kolchinsky_tracey=_still_above(logs, overlap_error(logs, pairs.bhattacharyya())),
        lower_divergence=overlap_error(logs, divergences),
        lower_bhattacharyya=bhattacharyya_lower_bound(logs, pairs),
    )


def weight_entropy(log_weights: AnyArray) -> AnyArray:
    """Return the entropy of the weights ``(..., K)`` in nats, ``(...)``."""
    xp = array_namespace(log_weights)
    return 0 - xp.sum(xp.exp(log_weights) * log_weights, axis=-1)  # never -0.0


def overlap_error(log_weights: AnyArray, distances: AnyArray) -> AnyArray:
    """Return the error of components that overlap by ``exp(-distance)``.

    ``sum_k pi_k log(1 + sum_{j != k} pi_j / pi_k exp(-distance_kj))`` is never below the error D
    for Bhattacharyya distances, and never above it for Kullback-Leibler divergences ``(k || j)``
    (Kolchinsky and Tracey, 2017).

    Parameters
    ----------
    log_weights
        ``(..., K)``.
    distances
        ``(..., K, K)``.
    """
    xp = array_namespace(log_weights)
    ratios = log_weights[..., None, :] - log_weights[..., :, None] - distances
    others = log_sum_exp(_without_diagonal(ratios))
    # log(1 + exp(others)) in a form that neither overflows nor loses small values.
    surprise = xp.maximum(others, xp.zeros_like(others)) + xp.log1p(xp.exp(-xp.abs(others)))
    return xp.sum(xp.exp(log_weights) * surprise, axis=-1)


def bhattacharyya_bound(log_weights: AnyArray, pairs: Middles) -> AnyArray:
    """Bound the error from above by ``log 2 sum_{k != j} sqrt(pi_k pi_j) BC_kj``.

    D is at most the sum over pairs of ``integral (f + g) h(f / (f + g))``, where h is the binary
    entropy in nats, and ``h(p) <= 2 log 2 sqrt(p (1 - p))`` (Lin, Divergence measures based on the
    Shannon entropy, 1991, theorem 8). Two coinciding components of equal weight reach the bound.

    Returns
    -------
    bound
        ``(...)``; 0 for K = 1. A value that would underflow is raised to the smallest normal
        double, so that it remains a bound; :func:`log_overlap` returns its logarithm.
    """
    xp = array_namespace(log_weights)
    return _still_above(log_weights, 2 * math.log(2) * xp.exp(log_overlap(log_weights, pairs)))


def log_overlap(log_weights: AnyArray, pairs: Middles) -> AnyArray:
    """Return the logarithm of ``sum_{k < j} sqrt(pi_k pi_j) BC_kj``; ``-inf`` for K = 1."""
    xp = array_namespace(log_weights)
    terms = _without_diagonal(_log_overlaps(log_weights, pairs))
    return log_sum_exp(xp.reshape(terms, (*terms.shape[:-2], -1))) - math.log(2)


def bhattacharyya_lower_bound(log_weights: AnyArray, pairs: Middles) -> AnyArray:
    """Bound the error from below by ``2 log 2 sum_{k != j} pi_k pi_j BC_kj^2``.

    The entropy of p is at least ``2 log 2 (1 - sum_k p_k^2)`` (Harremoes and Topsoe, Inequalities
    between entropy and index of coincidence, 2001), and ``integral f_k f_j / q`` is at least
    ``(integral sqrt(f_k f_j))^2`` by the Cauchy-Schwarz inequality.
    """
    xp = array_namespace(log_weights)
    terms = _without_diagonal(2 * _log_overlaps(log_weights, pairs))
    return 2 * math.log(2) * xp.sum(xp.exp(terms), axis=(-2, -1))


def separation_bound(mixture: GaussianMixture) -> SeparationBound:
    """Bound the error from above by the separations alpha.

    The bound is ``2 sum_{k != j} sqrt(pi_k pi_j) (1 - s)^(-m/4) exp(-s alpha_kj^2 / 4)`` for any s
    in (0, 1); the best s of a pair is ``1 - m / alpha^2`` (arXiv 2202.13059). If a pair does not
    have ``alpha^2 > m``, its best s is 0 and the bound is vacuous: it exceeds the entropy of the
    weights. It is never below :func:`bhattacharyya_bound`, since ``alpha^2 / 4`` is never above the
    Bhattacharyya distance.
    """
    xp = array_namespace(mixture.means)
    logs, m = mixture.log_weights(), mixture.dimension
    alpha = separations(mixture)
    squares = alpha**2
    # Pairs that are not far apart get a number above m, to keep the logarithms defined.
    apart = squares > m
    used = xp.where(apart, squares, xp.full_like(squares, 2.0 * m))
    decay = xp.where(apart, (m * xp.log(used / m) - used + m) / 4, xp.zeros_like(used))
    terms = _without_diagonal(math.log(2) + decay + (logs[..., None, :] + logs[..., :, None]) / 2)
    off_diagonal = ~_diagonal(squares)
    return SeparationBound(
        value=_still_above(logs, xp.sum(xp.exp(terms), axis=(-2, -1))),
        alpha=alpha,
        best_s=xp.where(apart, 1 - m / used, xp.zeros_like(used)),
        vacuous=xp.any(~apart & off_diagonal, axis=(-2, -1)),
    )


def spread(pairs: Middles, dimension: int) -> AnyArray:
    """Estimate the c for which the means look as if they were drawn from ``N(0, c^2 S)``.

    The expected ``d' S^-1 d`` of two such means is ``2 c^2 m``. The result is 0 for K = 1.
    """
    xp = array_namespace(pairs.distance)
    components = pairs.distance.shape[-1]
    count = max(1, components * (components - 1))
    mean = xp.sum(pairs.distance, axis=(-2, -1)) / count
    return safe_sqrt(mean / (2 * dimension))


def expected_error_bound(components: int, dimension: int, spread: AnyArray) -> AnyArray:
    """Return a bound of the expected error for random means: ``(K - 1) (1 + c^2 / 2)^(-m / 2)``.

    The means are drawn from ``N(0, c^2 S)``, where S is the covariance of all components. For
    every c > 0 the error vanishes as the dimension grows. The value is the mean of the sum over
    pairs of ``sqrt(pi_k pi_j) BC_kj``; it does not bound the error of a single mixture.

    Parameters
    ----------
    components, dimension
        K and m.
    spread
        c, a float64 array.
    """
    xp = array_namespace(spread)
    return (components - 1) * xp.exp(-dimension / 2 * xp.log1p(spread**2 / 2))


def _still_above(log_weights: AnyArray, bound: AnyArray) -> AnyArray:
    """Raise an upper bound that underflowed to 0: the error of two components is not 0."""
    xp = array_namespace(bound)
    if log_weights.shape[-1] == 1:
        return bound
    least = float(xp.finfo(bound.dtype).smallest_normal)
    return xp.maximum(bound, xp.full_like(bound, least))


def _log_overlaps(log_weights: AnyArray, pairs: Middles) -> AnyArray:
    """Return ``log(sqrt(pi_k pi_j) BC_kj)``."""
    half = (log_weights[..., None, :] + log_weights[..., :, None]) / 2
    return half - pairs.bhattacharyya()


def _diagonal(matrices: AnyArray) -> AnyArray:
    xp = array_namespace(matrices)
    size = matrices.shape[-1]
    return xp.eye(size, dtype=xp.float64, device=device(matrices)) > 0


def _without_diagonal(logs: AnyArray) -> AnyArray:
    xp = array_namespace(logs)
    return xp.where(_diagonal(logs), xp.full_like(logs, -math.inf), logs)
