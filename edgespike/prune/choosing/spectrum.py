"""The eigenvalues of the covariance, which say before pruning how many units a layer needs."""

from __future__ import annotations

from numbers import Real

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgespike.errors import InputError
from edgespike.prune.choosing.checks import checked_covariance, checked_positive


class Spectrum:
    """The eigenvalues of a layer's covariance, and quantities derived from them (arXiv 2105.10832).

    Parameters
    ----------
    covariance
        Float64, (units, units), as `Covariance.matrix` returns it.

    Attributes
    ----------
    eigenvalues
        (units,), descending. Rounding errors of an eigenvalue of 0 are set to 0 exactly. Each unit
        that is dead, or a linear combination of others, adds one such eigenvalue.
    """

    def __init__(self, covariance: ArrayLike) -> None:
        values, vectors = np.linalg.eigh(checked_covariance(covariance))
        values, vectors = values[::-1], vectors[:, ::-1]
        floor = len(values) * np.finfo(np.float64).eps * max(values[0], 0)
        self.eigenvalues: NDArray[np.float64] = np.where(values > floor, values, 0)
        self._squares: NDArray[np.float64] = vectors**2

    @property
    def units(self) -> int:
        """The number of units."""
        return len(self.eigenvalues)

    @property
    def energy(self) -> float:
        """The mean squared norm of a state, ``Tr S``."""
        return float(self.eigenvalues.sum())

    def degrees_of_freedom(self, lam: float) -> float:
        """Return ``N(lam) = Tr S (S + lam I)^-1``, the number of directions that exceed ``lam``.

        Parameters
        ----------
        lam
            In the units of an eigenvalue; positive.

        Raises
        ------
        InputError
            ``lam`` is not positive and finite.
        """
        return float(self._shares(lam).sum())

    def leverage(self, lam: float) -> NDArray[np.float64]:
        """Return the leverage scores ``q_j = [S (S + lam I)^-1]_jj / N(lam)``, (units,).

        They sum to 1, and are 0 for dead units; if all units are dead, all scores are 0.

        Raises
        ------
        InputError
            ``lam`` is not positive and finite.
        """
        shares = self._shares(lam)
        total = shares.sum()
        if not total:
            return np.zeros(self.units)
        scores: NDArray[np.float64] = self._squares @ shares / total
        # Eigenvectors of other eigenvalues reach a dead unit only by rounding.
        return np.where(scores > np.finfo(np.float64).eps ** 2, scores, 0)

    def units_needed(self, tolerance: float = 0.01) -> int:
        """Return the smallest number of units that can leave at most a share of the energy.

        No choice of fewer units leaves so little for any reconstruction: the residual of any ``k``
        units is at least the sum of all but the ``k`` largest eigenvalues. A good choice needs only
        a few more. The result is 0 if all units are dead.

        Parameters
        ----------
        tolerance
            Share of the mean square that may be left, from 0 to below 1.

        Raises
        ------
        InputError
            ``tolerance`` is out of range.
        """
        check_tolerance(tolerance)
        # left[k]: sum of all but the k largest, added up from the smallest.
        left = np.append(np.cumsum(self.eigenvalues[::-1])[::-1], 0)
        return int(np.argmax(left <= tolerance * self.energy))

    def summary(self, tolerance: float = 0.01) -> str:
        """Return a sentence on how many units the layer needs."""
        needed = self.units_needed(tolerance)
        return (
            f"this layer needs about {needed} of its {self.units} units: {needed} directions hold "
            f"{1 - tolerance:.4g} of its energy"
        )

    def _shares(self, lam: float) -> NDArray[np.float64]:
        return self.eigenvalues / (self.eigenvalues + checked_positive(lam, "lam"))


def check_tolerance(tolerance: float) -> None:
    """Raise InputError unless ``tolerance`` is a number from 0 to below 1."""
    if not isinstance(tolerance, Real) or not 0 <= tolerance < 1:
        raise InputError(
            f"tolerance is {tolerance!r}; it must be a share of the mean square, from 0 to below 1"
        )
