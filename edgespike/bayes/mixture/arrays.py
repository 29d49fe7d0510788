"""What the formulas need beyond the array API standard, for numpy arrays and torch tensors alike.

Every formula of this package is written once, against the subset of the array API standard that
``array-api-compat`` gives for numpy and torch. With tensors, gradients come from autograd.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_numpy_array
from numpy.typing import NDArray

Array = Any
"""A numpy array or a torch tensor; the array API standard has no types yet."""

BLOCK_VALUES = 2**17
"""Values of all components that one block of dimensions has: 1 MiB, small enough for a cache."""


def to_double(array: Array) -> Array:
    """Convert to float64, which all sums over dimensions are taken in."""
    xp = array_namespace(array)
    return xp.astype(array, xp.float64, copy=False)


def constant(array: Array) -> Array:
    """Return the array without its history of gradients."""
    return array if is_numpy_array(array) else array.detach()


def to_numpy(array: Array) -> NDArray[Any]:
    """Return the values as a numpy array, without a copy if they are in the main memory."""
    return array if is_numpy_array(array) else np.asarray(constant(array).cpu())


def log_sum_exp(array: Array) -> Array:
    """Return ``log(sum(exp(array)))`` over the last axis; ``-inf`` if empty or all ``-inf``."""
    xp = array_namespace(array)
    if array.shape[-1] == 0:
        return xp.sum(array, axis=-1) - math.inf
    largest = constant(xp.max(array, axis=-1, keepdims=True))
    shift = xp.where(xp.isfinite(largest), largest, xp.zeros_like(largest))
    total = xp.sum(xp.exp(array - shift), axis=-1)
    # The logarithm of 0 has no gradient: where all is -inf, nothing depends on the array.
    positive = xp.where(total > 0, total, xp.ones_like(total))
    found = xp.log(positive) + shift[..., 0]
    return xp.where(total > 0, found, xp.full_like(found, -math.inf))


def safe_sqrt(array: Array) -> Array:
    """Return the square root of values from 0 on, with gradient 0 at 0."""
    xp = array_namespace(array)
    zero = xp.zeros_like(array)
    return xp.where(array > 0, xp.sqrt(xp.where(array > 0, array, zero + 1)), zero)


def blocks(batch: Sequence[int], components: int, dimension: int) -> Iterator[slice]:
    """Split the dimensions so that a block of all components fits into the cache."""
    size = max(1, BLOCK_VALUES // max(1, math.prod(batch) * components))
    for start in range(0, dimension, size):
        yield slice(start, min(start + size, dimension))


def upper_triangle(rows: Sequence[Array]) -> Array:
    """Put values of pairs into the upper triangles of matrices.

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


def mirrored(upper: Array) -> Array:
    """Fill the lower triangles of matrices from their upper ones."""
    return upper + array_namespace(upper).matrix_transpose(upper)
