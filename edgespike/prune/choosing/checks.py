"""Checks of the arguments of the functions in this package."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgespike.errors import InputError


def checked_covariance(covariance: ArrayLike, name: str = "covariance") -> NDArray[np.float64]:
    """Return a covariance, or another symmetric matrix, as float64 (units, units).

    Raises
    ------
    InputError
        It is empty, not square or not symmetric, or holds NaN or infinity.
    """
    matrix = np.asarray(covariance, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise InputError(
            f"the {name} has shape {matrix.shape}; expected (units, units), at least 1 unit"
        )
    if not np.isfinite(matrix).all():
        raise InputError(f"the {name} holds NaN or infinity; compute it from finite values")
    if not np.allclose(matrix, matrix.T, rtol=1e-6, atol=1e-9 * np.abs(matrix).max()):
        raise InputError(f"the {name} is not symmetric, as a mean of products h h' is")
    return matrix


def checked_keep(keep: int, units: int, what: str = "the layer") -> int:
    """Return the number of units to keep.

    Raises
    ------
    InputError
        It is not a whole number from 1 to ``units``.
    """
    if isinstance(keep, bool) or not isinstance(keep, (int, np.integer)) or not 1 <= keep <= units:
        raise InputError(f"keep is {keep!r}; {what} has {units} units, so it must be 1 to {units}")
    return int(keep)


def checked_units(units: ArrayLike, size: int) -> NDArray[np.int64]:
    """Return the indices of kept units as int64.

    Raises
    ------
    InputError
        There are none, one is outside ``0..size-1``, or one occurs twice.
    """
    indices = np.asarray(units)
    if indices.ndim != 1 or not indices.size or indices.dtype.kind not in "iu":
        raise InputError(
            f"units has shape {indices.shape} and type {indices.dtype}; expected whole numbers "
            "in one dimension, at least 1"
        )
    if indices.min() < 0 or indices.max() >= size or len(np.unique(indices)) < len(indices):
        raise InputError(f"units is {indices.tolist()}; expected distinct indices of 0..{size - 1}")
    return indices.astype(np.int64)


def checked_positive(value: float, name: str) -> float:
    """Return a number after checking that it is positive and finite.

    Raises
    ------
    InputError
        It is not.
    """
    if not 0 < value < np.inf:
        raise InputError(f"{name} is {value!r}; it must be positive and finite")
    return float(value)
