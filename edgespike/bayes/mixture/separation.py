"""The separation alpha of components: their distance, maximised over mixed covariances.

``alpha^2 = max over t in [0, 1] of t (1 - t) d' [(1 - t) S_k + t S_j]^-1 d``, where d is the
difference of the means. For equal covariances S, alpha is ``|d|_S / 2``; for isotropic ones it is
``|d| / (sigma_k + sigma_j)`` (arXiv 2202.13059).
"""

from __future__ import annotations

from collections.abc import Callable

from array_api_compat import array_namespace

from edgespike.bayes.mixture.arrays import AnyArray, constant, mirrored, safe_sqrt, upper_triangle
from edgespike.bayes.mixture.gaussian import GaussianMixture
from edgespike.bayes.mixture.pairs import distances_between

_ROUNDS = 200
"""In so many rounds halving alone reaches a t of 1e-60, the smallest best t that checks allow."""

_LOSS = 1e-9
"""Largest relative error of a maximum; when the search ends it is usually much smaller."""

Moments = Callable[[AnyArray], tuple[AnyArray, AnyArray, AnyArray]]
"""Maps t to ``d' S_t^-1 d`` and its first and second derivatives with respect to t."""


def separations(mixture: GaussianMixture) -> AnyArray:
    """Return the separations alpha of all pairs.

    Returns
    -------
    alpha
        Float64, symmetric ``(..., K, K)``; 0 on the diagonal and for equal means. Gradients are
        exact: the gradient of the maximum is that at the best t, and 0 for equal means.
    """
    t = _best_t(mixture)
    squares = t * (1 - t) * distances_between(mixture, t)
    return safe_sqrt(mirrored(squares))


def _best_t(mixture: GaussianMixture) -> AnyArray:
    """Return the best t of each pair above the diagonal, without gradients."""
    xp = array_namespace(mixture.means)
    still = GaussianMixture(
        constant(mixture.weights),
        constant(mixture.means),
        constant(mixture.covariances),
        validate=False,
    )
    start = xp.full_like(still.means[..., 0, 0], 0.5, dtype=xp.float64)
    start = xp.broadcast_to(start[..., None, None], (*mixture.batch, *[mixture.components] * 2))
    moments = _full_moments(still) if mixture.is_full else _diagonal_moments(still)
    return _maximise(moments, start)


def _maximise(moments: Moments, t: AnyArray) -> AnyArray:
    """Find the maxima of ``t (1 - t) g(t)`` by Newton's method with bracketing.

    The function is concave: it is a sum of ``d_i^2 / (a_i / t + b_i / (1 - t))`` over the
    directions in which both covariances are diagonal, and each term is a parallel sum of two lines.
    """
    xp = array_namespace(t)
    low, high = xp.zeros_like(t), xp.ones_like(t)
    for _ in range(_ROUNDS):
        g, first, second = moments(t)
        slope = (1 - 2 * t) * g + t * (1 - t) * first
        curvature = -2 * g + 2 * (1 - 2 * t) * first + t * (1 - t) * second
        low = xp.where(slope > 0, t, low)
        high = xp.where(slope < 0, t, high)
        # A concave function stays below its tangents.
        found = xp.abs(slope) * (high - low) <= _LOSS * t * (1 - t) * g
        if bool(xp.all(found)):
            break
        curved = curvature < 0
        newton = t - xp.where(curved, slope / xp.where(curved, curvature, t * 0 - 1), t * 0)
        better = xp.where((newton > low) & (newton < high), newton, (low + high) / 2)
        t = xp.where(found, t, better)
    return t


def _along(
    d2: AnyArray, a: AnyArray, b: AnyArray, t: AnyArray
) -> tuple[AnyArray, AnyArray, AnyArray]:
    """Sum over directions in which the covariances are diagonal, with variances a and b."""
    xp = array_namespace(d2)
    between = (1 - t) * a + t * b
    change = (b - a) / between
    g = d2 / between
    first = -g * change
    return (
        xp.sum(g, axis=-1),
        xp.sum(first, axis=-1),
        -2 * xp.sum(first * change, axis=-1),
    )


def _diagonal_moments(mixture: GaussianMixture) -> Moments:
    def moments(t: AnyArray) -> tuple[AnyArray, AnyArray, AnyArray]:
        sums: list[AnyArray] = [0, 0, 0]
        for means, variances in mixture.standardised_blocks():
            rows = []
            for k in range(mixture.components):
                d = means[..., k + 1 :, :] - means[..., k : k + 1, :]
                a, b = variances[..., k : k + 1, :], variances[..., k + 1 :, :]
                rows.append(_along(d * d, a, b, t[..., k, k + 1 :, None]))
            parts = zip(*rows, strict=True)
            sums = [old + upper_triangle(new) for old, new in zip(sums, parts, strict=True)]
        return sums[0], sums[1], sums[2]

    return moments


def _full_moments(mixture: GaussianMixture) -> Moments:
    xp = array_namespace(mixture.means)
    means, matrices = mixture.standardised()
    pairs = []
    for k in range(mixture.components):
        own = matrices[..., k, :, :]
        row = [
            whitened(means[..., j, :] - means[..., k, :], own, matrices[..., j, :, :])
            for j in range(k + 1, mixture.components)
        ]
        empty = means[..., :0, :]
        d = xp.concat([empty, *(difference[..., None, :] for difference, _, _ in row)], axis=-2)
        b = xp.concat([empty, *(variances[..., None, :] for _, variances, _ in row)], axis=-2)
        pairs.append((d * d, b))

    def moments(t: AnyArray) -> tuple[AnyArray, AnyArray, AnyArray]:
        rows = [
            _along(d2, xp.ones_like(b), b, t[..., k, k + 1 :, None])
            for k, (d2, b) in enumerate(pairs)
        ]
        first, second, third = (upper_triangle(part) for part in zip(*rows, strict=True))
        return first, second, third

    return moments


def whitened(
    difference: AnyArray, first: AnyArray, second: AnyArray
) -> tuple[AnyArray, AnyArray, AnyArray]:
    """Find directions in which one covariance is the identity and another is diagonal.

    Parameters
    ----------
    difference
        ``(..., m)``.
    first, second
        Covariances, ``(..., m, m)``.

    Returns
    -------
    difference
        The difference in those directions, ``(..., m)``.
    variances
        Those of the second covariance, ``(..., m)``; positive.
    back
        ``(..., m, m)``, the map from those directions back to the original dimensions.
    """
    xp = array_namespace(difference)
    factor = xp.linalg.cholesky(first)
    half = xp.matrix_transpose(xp.linalg.solve(factor, second))
    variances, directions = xp.linalg.eigh(xp.linalg.solve(factor, half))
    inside = xp.linalg.solve(factor, difference[..., None])
    turned = (xp.matrix_transpose(directions) @ inside)[..., 0]
    least = xp.full_like(variances, float(xp.finfo(variances.dtype).smallest_normal))
    return turned, xp.maximum(variances, least), factor @ directions
