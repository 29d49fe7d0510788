"""Distances between components, from which every bound and approximation is computed.

Matrices over pairs are ``(..., K, K)``; no array over all pairs and dimensions is made.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from array_api_compat import array_namespace

from edgespike.bayes.mixture.arrays import AnyArray, mirrored, upper_triangle
from edgespike.bayes.mixture.gaussian import GaussianMixture, log_determinant


@dataclass(frozen=True)
class Middles:
    """Pairs of components, compared in the mean S of their two covariances.

    Float64, symmetric ``(..., K, K)``, all 0 for coinciding components. d is the difference of the
    means.
    """

    distance: AnyArray
    """``d' S^-1 d``."""

    log_volume: AnyArray
    """``log|S|`` less the mean of the two components' ``log|S_k|``; not negative."""

    def bhattacharyya(self) -> AnyArray:
        """Return Bhattacharyya distances ``(..., K, K)``; the coefficient is ``exp(-distance)``."""
        return self.distance / 8 + self.log_volume / 2


@dataclass(frozen=True)
class Directed:
    """Component k (row) relative to component j (column), float64 ``(..., K, K)``."""

    distance: AnyArray
    """``d' S_j^-1 d``, with d the difference of the means; 0 where k = j."""

    trace: AnyArray
    """``tr(S_j^-1 S_k)``; the number of dimensions where k = j."""

    log_volume: AnyArray
    """``log|S_j| - log|S_k|``; 0 where k = j."""

    def kullback_leibler(self, dimension: int) -> AnyArray:
        """Return the divergences ``KL(N_k || N_j)`` in nats, ``(..., K, K)``."""
        xp = array_namespace(self.trace)
        # The covariances' share is not negative; rounding can make it so for equal covariances.
        shape = self.trace - dimension + self.log_volume
        return (self.distance + xp.maximum(shape, xp.zeros_like(shape))) / 2


def middles(mixture: GaussianMixture) -> Middles:
    """Compare all pairs in the mean of their covariances."""
    xp = array_namespace(mixture.means)
    components = range(mixture.components)
    if mixture.is_full:
        means, matrices = mixture.standardised()
        distances, logs = _triangles([_full_middles(means, matrices, k) for k in components])
        own = log_determinant(xp.linalg.cholesky(matrices))
    else:
        distances = logs = own = 0
        for means, variances in mixture.standardised_blocks():
            more = _triangles([_diagonal_middles(means, variances, k) for k in components])
            distances, logs = distances + more[0], logs + more[1]
            own = own + xp.sum(xp.log(variances), axis=-1)
    gain = logs - (own[..., :, None] + own[..., None, :]) / 2
    gain = xp.triu(gain, k=1)
    # Rounding can make it negative for equal covariances.
    gain = xp.maximum(gain, xp.zeros_like(gain))
    return Middles(mirrored(distances), mirrored(gain))


def distances_between(mixture: GaussianMixture, t: AnyArray) -> AnyArray:
    """Return distances of pairs in ``S_t = (1 - t) S_k + t S_j``, each pair with its own t.

    Parameters
    ----------
    mixture
        K components.
    t
        ``(..., K, K)``, read above the diagonal.

    Returns
    -------
    distances
        ``d' S_t^-1 d`` above the diagonal, 0 elsewhere.
    """
    xp = array_namespace(mixture.means)
    components = range(mixture.components)
    if mixture.is_full:
        means, matrices = mixture.standardised()
        return upper_triangle([_full_distances(means, matrices, t, k) for k in components])
    total = 0
    for means, variances in mixture.standardised_blocks():
        rows = []
        for k in components:
            share = t[..., k, k + 1 :, None]
            own, others = variances[..., k : k + 1, :], variances[..., k + 1 :, :]
            between = (1 - share) * own + share * others
            rows.append(xp.sum(_differences(means, k) ** 2 / between, axis=-1))
        total = total + upper_triangle(rows)
    return total


def directed(mixture: GaussianMixture) -> Directed:
    """Compare all ordered pairs."""
    xp = array_namespace(mixture.means)
    if mixture.is_full:
        means, matrices = mixture.standardised()
        factors = xp.linalg.cholesky(matrices)
        columns = [_full_column(means, factors, j) for j in range(mixture.components)]
        distance, trace = (xp.stack(part, axis=-1) for part in zip(*columns, strict=True))
        own = log_determinant(factors)
    else:
        distance = trace = own = 0
        for means, variances in mixture.standardised_blocks():
            columns = [_diagonal_column(means, variances, j) for j in range(mixture.components)]
            more = [xp.stack(part, axis=-1) for part in zip(*columns, strict=True)]
            distance, trace = distance + more[0], trace + more[1]
            own = own + xp.sum(xp.log(variances), axis=-1)
    return Directed(distance, trace, own[..., None, :] - own[..., :, None])


def _triangles(rows: list[tuple[AnyArray, AnyArray]]) -> tuple[AnyArray, AnyArray]:
    first, second = zip(*rows, strict=True)
    return upper_triangle(first), upper_triangle(second)


def _differences(means: AnyArray, k: int) -> AnyArray:
    return means[..., k + 1 :, :] - means[..., k : k + 1, :]


def _diagonal_middles(means: AnyArray, variances: AnyArray, k: int) -> tuple[AnyArray, AnyArray]:
    # Nearly all the time is spent here, so the sum is halved only after it is used.
    xp = array_namespace(means)
    both = variances[..., k : k + 1, :] + variances[..., k + 1 :, :]
    distances = 2 * xp.sum(_differences(means, k) ** 2 / both, axis=-1)
    return distances, xp.sum(xp.log(both), axis=-1) - math.log(2) * means.shape[-1]


def _full_middles(means: AnyArray, matrices: AnyArray, k: int) -> tuple[AnyArray, AnyArray]:
    # One pair at a time: a row of matrices would be as large as the mixture.
    xp = array_namespace(means)
    distances, logs = [means[..., k, :0]], [means[..., k, :0]]
    for j in range(k + 1, means.shape[-2]):
        middle = (matrices[..., k, :, :] + matrices[..., j, :, :]) / 2
        factor = xp.linalg.cholesky(middle)
        distances.append(_squared_length(factor, means[..., j, :] - means[..., k, :]))
        logs.append(log_determinant(factor)[..., None])
    return xp.concat(distances, axis=-1), xp.concat(logs, axis=-1)


def _full_distances(means: AnyArray, matrices: AnyArray, t: AnyArray, k: int) -> AnyArray:
    xp = array_namespace(means)
    distances = [means[..., k, :0]]
    for j in range(k + 1, means.shape[-2]):
        share = t[..., k, j, None, None]
        between = (1 - share) * matrices[..., k, :, :] + share * matrices[..., j, :, :]
        factor = xp.linalg.cholesky(between)
        distances.append(_squared_length(factor, means[..., j, :] - means[..., k, :]))
    return xp.concat(distances, axis=-1)


def _squared_length(factor: AnyArray, difference: AnyArray) -> AnyArray:
    """Return ``d' S^-1 d`` for S with this Cholesky factor, ``(..., 1)``."""
    xp = array_namespace(factor)
    return xp.sum(xp.linalg.solve(factor, difference[..., None]) ** 2, axis=-2)


def _diagonal_column(means: AnyArray, variances: AnyArray, j: int) -> tuple[AnyArray, AnyArray]:
    xp = array_namespace(means)
    own = variances[..., j : j + 1, :]
    difference = means - means[..., j : j + 1, :]
    distance = xp.sum(difference * difference / own, axis=-1)
    return distance, xp.sum(variances / own, axis=-1)


def _full_column(means: AnyArray, factors: AnyArray, j: int) -> tuple[AnyArray, AnyArray]:
    xp = array_namespace(means)
    distances, traces = [], []
    for k in range(means.shape[-2]):
        difference = (means[..., k, :] - means[..., j, :])[..., None]
        both = xp.concat([difference, factors[..., k, :, :]], axis=-1)
        squares = xp.linalg.solve(factors[..., j, :, :], both) ** 2
        distances.append(xp.sum(squares[..., 0], axis=-1))
        traces.append(xp.sum(squares[..., 1:], axis=(-2, -1)))
    return xp.stack(distances, axis=-1), xp.stack(traces, axis=-1)
