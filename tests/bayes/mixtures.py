"""Random mixtures, and references for them: textbook densities, and sums over a grid."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgespike.bayes.mixture import GaussianMixture

KINDS = ("full", "diagonal", "isotropic", "shared full", "shared diagonal", "shared isotropic")


def random_mixture(
    kind: str,
    components: int,
    dimension: int,
    spread: float = 1.0,
    seed: int = 0,
    batch: tuple[int, ...] = (),
    dtype: type = np.float64,
) -> GaussianMixture:
    """Draw means from N(0, spread^2), uniform weights on the simplex, and covariances around 1."""
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(components), batch) + 0.01
    weights /= weights.sum(axis=-1, keepdims=True)
    means = spread * rng.standard_normal((*batch, components, dimension))
    covariances = _covariances(
        kind, (*batch, 1 if "shared" in kind else components), dimension, rng
    )
    return GaussianMixture(
        *(np.asarray(array).astype(dtype) for array in (weights, means, covariances))
    )


def _covariances(
    kind: str, shape: tuple[int, ...], dimension: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    if "isotropic" in kind:
        return np.exp(0.5 * rng.standard_normal(shape))
    if "diagonal" in kind:
        return np.exp(0.5 * rng.standard_normal((*shape, dimension)))
    factors = rng.standard_normal((*shape, dimension, dimension + 2)) / dimension**0.5
    matrices: NDArray[np.float64] = factors @ factors.swapaxes(-1, -2)
    return matrices


@st.composite
def mixtures(draw: st.DrawFn, most_components: int = 5, most_dimensions: int = 6) -> Any:
    """Draw a mixture of any kind, from nearly coinciding to far apart."""
    return random_mixture(
        draw(st.sampled_from(KINDS)),
        draw(st.integers(1, most_components)),
        draw(st.integers(1, most_dimensions)),
        draw(st.sampled_from([0.0, 1e-6, 0.1, 1.0, 3.0, 20.0])),
        draw(st.integers(0, 2**20)),
    )


def matrices(mixture: GaussianMixture) -> NDArray[np.float64]:
    """Return all covariances of one mixture as matrices, ``(K, m, m)``."""
    size = (mixture.components, mixture.dimension, mixture.dimension)
    if mixture.is_full:
        return np.broadcast_to(mixture.covariances, size).astype(np.float64)
    return np.stack([np.diag(row) for row in mixture.variances()]).astype(np.float64)


def log_densities(mixture: GaussianMixture, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the components' log densities at points ``(n, m)`` as ``(n, K)``, by definition."""
    columns = []
    for mean, matrix in zip(mixture.means, matrices(mixture), strict=True):
        away = points - mean
        squares = np.einsum("ni,ij,nj->n", away, np.linalg.inv(matrix), away)
        log_determinant = np.linalg.slogdet(2 * np.pi * matrix)[1]
        columns.append(-(squares + log_determinant) / 2)
    return np.stack(columns, axis=-1)


def integrated_entropy(mixture: GaussianMixture, points: int) -> float:
    """Return the entropy of one mixture of 1 or 2 dimensions as a sum over a grid."""
    deviations = np.sqrt(np.max(np.diagonal(matrices(mixture), axis1=-2, axis2=-1), axis=0))
    axes = [
        np.linspace(low, high, points)
        for low, high in zip(
            mixture.means.min(axis=0) - 9 * deviations,
            mixture.means.max(axis=0) + 9 * deviations,
            strict=True,
        )
    ]
    grid = np.stack([axis.ravel() for axis in np.meshgrid(*axes)], axis=-1)
    cell = np.prod([axis[1] - axis[0] for axis in axes])
    density = np.exp(log_densities(mixture, grid)) @ mixture.weights
    logs = np.log(np.where(density > 0, density, 1))
    return float(-(density * logs).sum() * cell)
