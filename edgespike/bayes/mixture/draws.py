"""Random points of components and from between them, and the components' densities there.

Computed by numpy in float64, in standardised dimensions
(:meth:`GaussianMixture.standardised_blocks`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

from edgespike.bayes.mixture.arrays import BLOCK_VALUES, Floats
from edgespike.bayes.mixture.gaussian import GaussianMixture, log_determinant
from edgespike.bayes.mixture.separation import whitened

COORDINATES_AT_ONCE = 2**20
"""Number of coordinates of points that are in memory at the same time: 8 MiB."""

Draw = Callable[[int, np.random.Generator], Floats]
"""Draws a number of points from one Gaussian and returns ``log(pi_j N_j)`` at each: ``(count, K)``.

The densities lack the factor ``(2 pi)^(-m/2)``.
"""


class Draws(Protocol):
    """The Gaussians of a mixture from which points can be drawn."""

    def component(self, k: int) -> Draw:
        """Return what draws from component k."""

    def middle(self, k: int, j: int) -> Draw:
        """Return what draws from the Gaussian with density proportional to ``sqrt(N_k N_j)``."""


def draws_of(mixture: GaussianMixture) -> Draws:
    """Return what draws from one mixture (not a batch) of numpy arrays."""
    return _FullDraws(mixture) if mixture.is_full else _DiagonalDraws(mixture)


class _DiagonalDraws:
    """Mixtures of diagonal or isotropic covariances, one block of dimensions at a time."""

    def __init__(self, mixture: GaussianMixture) -> None:
        self._mixture = mixture

    def component(self, k: int) -> Draw:
        return self._draw(lambda means, variances: (means[k], variances[k]))

    def middle(self, k: int, j: int) -> Draw:
        def gaussian(means: Floats, variances: Floats) -> tuple[Floats, Floats]:
            a, b = variances[k], variances[j]
            # Its precision is half the sum of both precisions.
            return (b * means[k] + a * means[j]) / (a + b), 2 * a * b / (a + b)

        return self._draw(gaussian)

    def _draw(self, gaussian: Callable[[Floats, Floats], tuple[Floats, Floats]]) -> Draw:
        def draw(count: int, rng: np.random.Generator) -> Floats:
            width = min(self._mixture.dimension, BLOCK_VALUES // self._mixture.components)
            return np.concatenate([part(size, rng) for size in _parts(count, width)])

        def part(count: int, rng: np.random.Generator) -> Floats:
            joint = np.tile(self._mixture.log_weights(), (count, 1))
            for means, variances in self._mixture.standardised_blocks():
                mean, variance = gaussian(means, variances)
                points = mean + np.sqrt(variance) * rng.standard_normal((count, len(mean)))
                joint -= np.log(variances).sum(axis=-1) / 2
                for j, (of_mean, of_variance) in enumerate(zip(means, variances, strict=True)):
                    joint[:, j] -= ((points - of_mean) ** 2) @ (0.5 / of_variance)
            return joint

        return draw


class _FullDraws:
    """Mixtures of full covariances."""

    def __init__(self, mixture: GaussianMixture) -> None:
        self._means, self._matrices = mixture.standardised()
        self._factors = np.linalg.cholesky(self._matrices)
        self._inverses = np.linalg.inv(self._factors)
        self._logs = mixture.log_weights() - log_determinant(self._factors) / 2

    def component(self, k: int) -> Draw:
        return self._draw(self._means[k], self._factors[k])

    def middle(self, k: int, j: int) -> Draw:
        difference = self._means[j] - self._means[k]
        turned, b, back = whitened(difference, self._matrices[k], self._matrices[j])
        mean = self._means[k] + back @ (turned / (1 + b))
        return self._draw(mean, back * np.sqrt(2 * b / (1 + b)))

    def _draw(self, mean: Floats, factor: Floats) -> Draw:
        def draw(count: int, rng: np.random.Generator) -> Floats:
            return np.concatenate([part(size, rng) for size in _parts(count, len(mean))])

        def part(count: int, rng: np.random.Generator) -> Floats:
            points = mean + rng.standard_normal((count, len(mean))) @ factor.T
            joint = np.tile(self._logs, (count, 1))
            for j, (of_mean, inverse) in enumerate(zip(self._means, self._inverses, strict=True)):
                joint[:, j] -= (((points - of_mean) @ inverse.T) ** 2).sum(axis=-1) / 2
            return joint

        return draw


def _parts(count: int, width: int) -> Iterator[int]:
    """Split a number of points with ``width`` coordinates into parts that fit into memory."""
    most = max(1, COORDINATES_AT_ONCE // max(1, width))
    while count > 0:
        yield min(count, most)
        count -= most
