"""Reconstruct hidden units as linear combinations of the kept ones, and measure the loss."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgespike.errors import InputError
from edgespike.prune.choosing.checks import checked_covariance, checked_units


def reconstruct(
    covariance: ArrayLike, units: ArrayLike, penalties: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Return the ``A`` that estimates all units from the kept ones, ``h ~ A h[J]``.

    Without penalties it is the least-squares estimate: the kept units are reproduced exactly, and
    the others are ``S[:, J] pinv(S[J, J]) h[J]``. The pseudo-inverse makes kept units harmless that
    are dead or linear combinations of other kept ones. With penalties ``tau`` it is
    ``S[:, J] (S[J, J] + diag(tau))^-1``, the minimum of
    ``E |h - A h[J]|^2 + Tr A diag(tau) A'`` (arXiv 2105.10832).

    Parameters
    ----------
    covariance
        Float64, (units, units).
    units
        ``J``: distinct indices of kept units, in their order in the pruned layer.
    penalties
        ``tau``, one for each kept unit, at least 0.

    Returns
    -------
    NDArray[np.float64]
        (units, kept units).

    Raises
    ------
    InputError
        An argument does not fit.
    """
    matrix = checked_covariance(covariance)
    kept = checked_units(units, len(matrix))
    inner = matrix[np.ix_(kept, kept)]
    floor = len(matrix) * np.finfo(np.float64).eps
    tau = None if penalties is None else _checked_penalties(penalties, len(kept))
    if tau is not None and tau.any():
        return matrix[:, kept] @ np.linalg.pinv(inner + np.diag(tau), rcond=floor, hermitian=True)
    result = embedding(len(matrix), kept)
    others = np.setdiff1d(np.arange(len(matrix)), kept)
    inverse = np.linalg.pinv(inner, rcond=floor, hermitian=True)
    result[others] = matrix[np.ix_(others, kept)] @ inverse
    return result


def embedding(size: int, units: ArrayLike) -> NDArray[np.float64]:
    """Return the ``A`` without reconstruction: kept units are reproduced, the others are 0.

    Parameters
    ----------
    size
        Number of units before pruning.
    units
        ``J``: distinct indices of kept units.

    Returns
    -------
    NDArray[np.float64]
        (size, kept units).
    """
    kept = checked_units(units, size)
    result = np.zeros((size, len(kept)))
    result[kept, np.arange(len(kept))] = 1
    return result


def loss(
    covariance: ArrayLike, units: ArrayLike, estimate: ArrayLike, rows: ArrayLike | None = None
) -> float:
    """Return the mean of ``|Z (h - A h[J])|^2``.

    The input loss is that of ``Z = I``, the output loss that of ``Z = W_o``. It is
    ``Tr Z R Z'`` with the residual ``R = (I - A P) S (I - A P)'`` for any ``A``, where ``P``
    selects the kept units; for least squares ``R = S - A S[J, :]``.

    Parameters
    ----------
    covariance
        ``S``: float64, (units, units).
    units
        ``J``: distinct indices of kept units.
    estimate
        ``A``: (units, kept units).
    rows
        ``Z``: (any number, units); the identity if None.

    Raises
    ------
    InputError
        An argument does not fit.
    """
    matrix = checked_covariance(covariance)
    kept = checked_units(units, len(matrix))
    missing = np.eye(len(matrix))
    missing[:, kept] -= np.asarray(estimate, dtype=np.float64)
    weighted = missing if rows is None else np.asarray(rows, dtype=np.float64) @ missing
    return max(0.0, float(np.sum((weighted @ matrix) * weighted)))


def _checked_penalties(penalties: ArrayLike, kept: int) -> NDArray[np.float64]:
    tau = np.asarray(penalties, dtype=np.float64)
    if tau.shape != (kept,) or not (np.isfinite(tau).all() and (tau >= 0).all()):
        raise InputError(
            f"penalties has shape {tau.shape}; expected {kept} finite numbers of at least 0, one "
            "for each kept unit"
        )
    return tau
