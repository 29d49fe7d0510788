"""Gaussian mixtures whose covariances are full, diagonal or isotropic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from array_api_compat import array_namespace

from edgespike.bayes.mixture.arrays import AnyArray, blocks, constant, to_double, to_numpy
from edgespike.bayes.mixture.checks import check_shapes, check_values


class Covariance(str, Enum):
    """The form of the covariances."""

    FULL = "full"
    DIAGONAL = "diagonal"
    ISOTROPIC = "isotropic"


@dataclass(frozen=True, eq=False)
class GaussianMixture:
    """A mixture of K Gaussians in m dimensions, or a batch of such mixtures.

    Parameters
    ----------
    weights
        ``(..., K)``, positive; they must sum to 1 within :data:`.checks.WEIGHT_TOLERANCE`, and are
        divided by their sum wherever they are used.
    means
        ``(..., K, m)``.
    covariances
        ``(..., K, m, m)`` for full matrices, ``(..., K, m)`` for variances of the dimensions, or
        ``(..., K)`` for one variance in all directions. A component axis of length 1 stands for a
        covariance that all components share.
    validate
        Whether the values are checked. Disable it only in a training loop whose parameters cannot
        become invalid: results of invalid values are undefined.

    Raises
    ------
    MixtureError
        Shapes do not fit, values are not finite, weights are not positive or do not sum to 1,
        covariances are not symmetric or are singular, or scales are too far apart for double
        precision. All violations are listed.

    Notes
    -----
    All arrays are numpy arrays, or all are torch tensors, of float32 or float64. Sums over
    dimensions are computed in float64, and results are float64 in either case. Components may
    coincide; one component (K = 1) is a Gaussian.
    """

    weights: AnyArray
    means: AnyArray
    covariances: AnyArray
    validate: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        check_shapes(self.weights, self.means, self.covariances)
        if self.validate:
            check_values(self.weights, self.means, self.covariances)

    @property
    def components(self) -> int:
        """The number K of components."""
        return int(self.means.shape[-2])

    @property
    def dimension(self) -> int:
        """The number m of dimensions."""
        return int(self.means.shape[-1])

    @property
    def batch(self) -> tuple[int, ...]:
        """The shape of the batch (the leading axes); ``()`` for one mixture."""
        return tuple(self.means.shape[:-2])

    @property
    def kind(self) -> Covariance:
        """The form of the covariances."""
        extra = self.covariances.ndim - self.means.ndim
        return {1: Covariance.FULL, 0: Covariance.DIAGONAL, -1: Covariance.ISOTROPIC}[extra]

    @property
    def is_full(self) -> bool:
        """Whether the covariances are matrices."""
        return self.kind is Covariance.FULL

    def as_numpy(self) -> GaussianMixture:
        """Return the same mixture as numpy arrays, without gradients and without checks."""
        return GaussianMixture(
            to_numpy(self.weights),
            to_numpy(self.means),
            to_numpy(self.covariances),
            validate=False,
        )

    def log_weights(self) -> AnyArray:
        """Return the logarithms of the weights over their sum, float64 ``(..., K)``."""
        xp = array_namespace(self.weights)
        weights = to_double(self.weights)
        return xp.log(weights) - xp.log(xp.sum(weights, axis=-1, keepdims=True))

    def variances(self) -> AnyArray:
        """Return the variances ``(..., K, m)`` of diagonal and isotropic covariances, as a view."""
        xp = array_namespace(self.means)
        values = self.covariances
        if self.kind is Covariance.ISOTROPIC:
            values = values[..., None]
        return xp.broadcast_to(values, self.means.shape)

    def log_determinants(self) -> AnyArray:
        """Return the logarithms of the covariances' determinants, float64 ``(..., K)``."""
        xp = array_namespace(self.means)
        if self.is_full:
            found = log_determinant(xp.linalg.cholesky(to_double(self.covariances)))
            return xp.broadcast_to(found, self.means.shape[:-1])
        variances = self.variances()
        total = 0
        for block in blocks(self.batch, self.components, self.dimension):
            total = total + xp.sum(xp.log(to_double(variances[..., block])), axis=-1)
        return total

    def standardised_blocks(self) -> Iterator[tuple[AnyArray, AnyArray]]:
        """Iterate over blocks of dimensions of a diagonal or isotropic mixture.

        Each dimension is shifted and scaled so that the first component is standard normal there.
        Comparisons between components are unaffected, and lose no digits where the dimensions
        have different scales or are far from 0.

        Yields
        ------
        means, variances
            Float64, both ``(..., K, dimensions of the block)``.
        """
        xp = array_namespace(self.means)
        variances = self.variances()
        for block in blocks(self.batch, self.components, self.dimension):
            means, values = to_double(self.means[..., block]), to_double(variances[..., block])
            scale = constant(values[..., :1, :])
            yield (means - constant(means[..., :1, :])) / xp.sqrt(scale), values / scale

    def standardised(self) -> tuple[AnyArray, AnyArray]:
        """Return means and matrices of a full mixture, shifted and scaled like the blocks.

        Returns
        -------
        means, matrices
            Float64, ``(..., K, m)`` and ``(..., K, m, m)``.
        """
        xp = array_namespace(self.means)
        means, matrices = to_double(self.means), to_double(self.covariances)
        scale = xp.sqrt(constant(xp.linalg.diagonal(matrices)))[..., :1, :]
        matrices = matrices / (scale[..., :, None] * scale[..., None, :])
        means = (means - constant(means[..., :1, :])) / scale
        return means, xp.broadcast_to(matrices, (*means.shape, self.dimension))


def log_determinant(cholesky: AnyArray) -> AnyArray:
    """Return the logarithms of the determinants of matrices with these Cholesky factors."""
    xp = array_namespace(cholesky)
    return 2 * xp.sum(xp.log(xp.linalg.diagonal(cholesky)), axis=-1)
