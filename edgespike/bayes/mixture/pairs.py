"""How components lie to each other: what every bound and approximation is made of.

Matrices over pairs are ``(..., K, K)``; no array of the size of all pairs and dimensions is made.
"""

from __future__ import annotations

from dataclasses import dataclass

from array_api_compat import array_namespace

from edgespike.bayes.mixture.arrays import Array, mirrored, upper_triangle
from edgespike.bayes.mixture.gaussian import GaussianMixture, log_determinant


@dataclass(frozen=True)
class Middles:
    """Pairs of components, seen in the mean S of their two covariances; symmetric ``(..., K, K)``.

    With d the difference of the means, 0 for coinciding components:
    """

    distance: Array
    """``d' S^-1 d``."""

    log_volume: Array
    """``log|S|`` less the mean of the two components' ``log|S_k|``; not negative."""

    def bhattacharyya(self) -> Array:
        """Give Bhattacharyya distances; ``exp(-distance)`` is the Bhattacharyya coefficient."""
        return self.distance / 8 + self.log_volume / 2


@dataclass(frozen=True)
class Directed:
    """Components k (row) as component j (column) sees them, ``(..., K, K)``; 0 where k = j."""

    distance: Array
    """``d' S_j^-1 d``, with d the difference of the means."""

    trace: Array
    """``tr(S_j^-1 S_k)``; the number of dimensions where k = j."""

    log_volume: Array
    """``log|S_j| - log|S_k|``."""

    def kullback_leibler(self, dimension: int) -> Array:
        """Give the divergences ``KL(N_k || N_j)``."""
        xp = array_namespace(self.trace)
        # The covariances' own part is not negative; rounding makes it so for equal ones.
        shape = self.trace - dimension + self.log_volume
        return (self.distance + xp.maximum(shape, xp.zeros_like(shape))) / 2


def middles(mixture: GaussianMixture) -> Middles:
    """Compare all pairs in the mean of their covariances."""
    xp = array_namespace(mixture.means)
    half = xp.full_like(mixture.means[..., 0, 0], 0.5, dtype=xp.float64)
    half = xp.broadcast_to(half[..., None, None], (*mixture.batch, *[mixture.components] * 2))
    distance, log_determinants, own = interpolated(mixture, half)
    gain = log_determinants - (own[..., :, None] + own[..., None, :]) / 2
    gain = xp.maximum(xp.triu(gain, k=1), xp.zeros_like(gain))
    return Middles(mirrored(distance), mirrored(gain))


def interpolated(mixture: GaussianMixture, t: Array) -> tuple[Array, Array, Array]:
    """Measure pairs in ``S_t = (1 - t) S_k + t S_j``, each with its own t.

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
    log_determinants
        ``log|S_t|`` above the diagonal, 0 elsewhere, in standardised dimensions.
    own
        ``(..., K)``, ``log|S_k|`` in standardised dimensions.
    """
    xp = array_namespace(mixture.means)
    if mixture.is_full:
        means, matrices = mixture.standardised()
        rows = [_full_row(means, matrices, t, k) for k in range(mixture.components)]
        own = log_determinant(xp.linalg.cholesky(matrices))
        return *_triangles(rows), own
    distances = log_determinants = own = 0
    for means, variances in mixture.standardised_blocks():
        rows = [_diagonal_row(means, variances, t, k) for k in range(mixture.components)]
        more_distances, more_logs = _triangles(rows)
        distances = distances + more_distances
        log_determinants = log_determinants + more_logs
        own = own + xp.sum(xp.log(variances), axis=-1)
    return distances, log_determinants, own


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


def _triangles(rows: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    first, second = zip(*rows, strict=True)
    return upper_triangle(first), upper_triangle(second)


def _diagonal_row(means: Array, variances: Array, t: Array, k: int) -> tuple[Array, Array]:
    xp = array_namespace(means)
    difference = means[..., k + 1 :, :] - means[..., k : k + 1, :]
    share = t[..., k, k + 1 :, None]
    between = (1 - share) * variances[..., k : k + 1, :] + share * variances[..., k + 1 :, :]
    distance = xp.sum(difference * difference / between, axis=-1)
    return distance, xp.sum(xp.log(between), axis=-1)


def _full_row(means: Array, matrices: Array, t: Array, k: int) -> tuple[Array, Array]:
    # One pair after the other: a row of matrices would be as large as the mixture.
    xp = array_namespace(means)
    own = matrices[..., k, :, :]
    distances, logs = [t[..., k, :0]], [t[..., k, :0]]
    for j in range(k + 1, means.shape[-2]):
        share = t[..., k, j, None, None]
        factor = xp.linalg.cholesky((1 - share) * own + share * matrices[..., j, :, :])
        difference = (means[..., j, :] - means[..., k, :])[..., None]
        distances.append(xp.sum(xp.linalg.solve(factor, difference) ** 2, axis=-2))
        logs.append(log_determinant(factor)[..., None])
    return xp.concat(distances, axis=-1), xp.concat(logs, axis=-1)


def _diagonal_column(means: Array, variances: Array, j: int) -> tuple[Array, Array]:
    xp = array_namespace(means)
    own = variances[..., j : j + 1, :]
    difference = means - means[..., j : j + 1, :]
    distance = xp.sum(difference * difference / own, axis=-1)
    return distance, xp.sum(variances / own, axis=-1)


def _full_column(means: Array, factors: Array, j: int) -> tuple[Array, Array]:
    xp = array_namespace(means)
    distances, traces = [], []
    for k in range(means.shape[-2]):
        difference = (means[..., k, :] - means[..., j, :])[..., None]
        both = xp.concat([difference, factors[..., k, :, :]], axis=-1)
        squares = xp.linalg.solve(factors[..., j, :, :], both) ** 2
        distances.append(xp.sum(squares[..., 0], axis=-1))
        traces.append(xp.sum(squares[..., 1:], axis=(-2, -1)))
    return xp.stack(distances, axis=-1), xp.stack(traces, axis=-1)
