"""Functions that the array API standard lacks, for numpy arrays and torch tensors alike.

Every formula of this package is written once, against the subset of the array API standard that
``array-api-compat`` provides for numpy and torch. With tensors, autograd computes gradients.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_numpy_array
from numpy.typing import NDArray

AnyArray = Any
"""A numpy array or a torch tensor; the array API standard has no types yet."""

Floats = NDArray[np.float64]

BLOCK_VALUES = 2**17
"""Values of all components in one block of dimensions: 1 MiB, which fits into a cache."""


def to_double(array: AnyArray) -> AnyArray:
    """Convert to float64, in which all sums over dimensions are computed."""
    xp = array_namespace(array)
    return xp.astype(array, xp.float64, copy=False)


def constant(array: AnyArray) -> AnyArray:
    """Return the array detached from its gradients."""
    return array if is_numpy_array(array) else array.detach()


def to_numpy(array: AnyArray) -> NDArray[Any]:
    """Return the values as a numpy array, without a copy if they are in main memory."""
    return array if is_numpy_array(array) else np.asarray(constant(array).cpu())


def log_sum_exp(array: AnyArray) -> AnyArray:
    """Return ``log(sum(exp(array)))`` over the last axis; ``-inf`` if empty or all ``-inf``."""
    xp = array_namespace(array)
    if array.shape[-1] == 0:
        return xp.sum(array, axis=-1) - math.inf
    largest = constant(xp.max(array, axis=-1, keepdims=True))
    shift = xp.where(xp.isfinite(largest), largest, xp.zeros_like(largest))
    total = xp.sum(xp.exp(array - shift), axis=-1)
    # The logarithm of 0 has no gradient: where all values are -inf, a constant replaces it.
    positive = xp.where(total > 0, total, xp.ones_like(total))
    found = xp.log(positive) + shift[..., 0]
    return xp.where(total > 0, found, xp.full_like(found, -math.inf))


def safe_sqrt(array: AnyArray) -> AnyArray:
    """Return the square root of values that are not negative, with gradient 0 at 0."""
    xp = array_namespace(array)
    zero = xp.zeros_like(array)
    return xp.where(array > 0, xp.sqrt(xp.where(array > 0, array, zero + 1)), zero)


def blocks(batch: Sequence[int], components: int, dimension: int) -> Iterator[slice]:
    """Split the dimensions into blocks whose values of all components fit into the cache."""
    size = max(1, BLOCK_VALUES // max(1, math.prod(batch) * components))
    for start in range(0, dimension, size):
        yield slice(start, min(start + size, dimension))


def upper_triangle(rows: Sequence[AnyArray]) -> AnyArray:
    """Arrange values of pairs as the upper triangles of matrices.

    Parameters
    ----------
    rows
        For each component k, the values of its pairs with all later ones, ``(..., K - k - 1)``.

    Returns
    -------
    matrices
        ``(..., K, K)``; 0 on and below the diagonal.
    """
    xp = array_namespace(*rows)
    padded = []
    for k, row in enumerate(rows):
        zeros = xp.zeros((*row.shape[:-1], k + 1), dtype=row.dtype, device=device(row))
        padded.append(xp.concat([zeros, row], axis=-1))
    return xp.stack(padded, axis=-2)


def mirrored(upper: AnyArray) -> AnyArray:
    """Fill the lower triangles of matrices from their upper ones."""
    return upper + array_namespace(upper).matrix_transpose(upper)
