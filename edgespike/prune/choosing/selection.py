"""Select the units to keep: greedily, by leverage scores, or at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgespike.errors import InputError
from edgespike.prune.choosing.checks import checked_covariance, checked_keep
from edgespike.prune.choosing.spectrum import Spectrum

_BLOCK_VALUES = 2**16
"""Number of values updated at a time: half a MiB, which stays in the cache."""

_DROP_EVERY = 64
"""Number of steps after which the rows of chosen units are dropped."""

_ROUNDING = 1e-12
"""Gains that differ by less, relative to the largest, are equal.

How sums are rounded depends on the processor.
"""


@dataclass(frozen=True)
class Objective:
    """The weights of the three losses by which units are chosen (arXiv 2105.10832).

    The loss is ``Tr M R`` with ``M = th1 I + th2 W_o'W_o + th3 W_h'W_h``. Its terms are the errors
    of all units, of what the readout or next layer takes from them, and of what they themselves
    take.

    Attributes
    ----------
    states
        ``th1``, at least 0.
    output
        ``th2``, at least 0.
    recurrent
        ``th3``, at least 0; it has no effect in layers without recurrence.
    """

    states: float = 1.0
    output: float = 1.0
    recurrent: float = 1.0

    def __post_init__(self) -> None:
        weights = (self.states, self.output, self.recurrent)
        if not all(0 <= weight < np.inf for weight in weights) or not any(weights):
            raise InputError(
                f"the objective's weights are {weights}; they must be finite and at least 0, one "
                "of them positive"
            )

    def matrix(
        self, units: int, output: ArrayLike | None = None, recurrent: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Return ``M``, float64 (units, units).

        Parameters
        ----------
        units
            Number of units.
        output, recurrent
            ``W_o`` and ``W_h``: (any number, units), or None for a layer without them.
        """
        result = self.states * np.eye(units)
        for weight, rows in ((self.output, output), (self.recurrent, recurrent)):
            if weight and rows is not None:
                matrix = np.asarray(rows, dtype=np.float64)
                result += weight * matrix.T @ matrix
        return result


@dataclass(frozen=True)
class Greedy:
    """Units in the order in which greedy selection took them.

    Attributes
    ----------
    units
        Indices of the units.
    losses
        The objective after each of them, at least 0.
    initial
        The objective without any units, ``Tr M S``.
    """

    units: NDArray[np.int64]
    losses: NDArray[np.float64]
    initial: float

    def units_needed(self, tolerance: float) -> int:
        """Return the number of units that leave at most a share ``tolerance`` of the objective.

        It is at least 1, and all units if fewer do not suffice.
        """
        within = np.flatnonzero(self.losses <= tolerance * self.initial)
        return int(within[0]) + 1 if within.size else len(self.units)


def greedy(
    covariance: ArrayLike,
    keep: int,
    objective: ArrayLike | None = None,
    penalties: ArrayLike | None = None,
) -> Greedy:
    """Choose units one by one, each the one that lowers the objective ``Tr M R`` most.

    The choice is exact: starting from ``R = S``, take the ``j`` with the largest
    ``R_:j' M R_:j / (R_jj + tau_j)``, then ``R -= R_:j R_:j' / (R_jj + tau_j)``. Of equal units the
    one with the lower index is taken. A unit that is a linear combination of chosen ones does not
    lower the objective; such units are taken last, in descending order of energy, dead units at the
    very end. A step costs ``units ** 2`` operations.

    Parameters
    ----------
    covariance
        ``S``: float64, (units, units).
    keep
        Number of units, from 1 to all.
    objective
        ``M``: (units, units), symmetric and positive semidefinite; the identity if None.
    penalties
        ``tau``, (units,), at least 0; zeros if None.

    Raises
    ------
    InputError
        An argument does not fit.
    """
    matrix = checked_covariance(covariance)
    size = len(matrix)
    keep = checked_keep(keep, size)
    weights = np.eye(size) if objective is None else checked_covariance(objective, "objective")
    tau = np.zeros(size) if penalties is None else np.asarray(penalties, dtype=np.float64)
    if weights.shape != matrix.shape or tau.shape != (size,) or not (tau >= 0).all():
        raise InputError(
            f"the objective has shape {weights.shape} and penalties {tau.shape}; expected "
            f"({size}, {size}) and {size} numbers of at least 0 for {size} units"
        )
    residual = _Residual(matrix, weights, tau)
    units: list[int] = []
    gains: list[float] = []
    while len(units) < keep:
        unit, gain = residual.best()
        if gain <= 0:
            break
        units.append(unit)
        gains.append(gain)
        residual.take(unit)
    rest = np.setdiff1d(np.arange(size), units)
    rest = rest[np.argsort(-np.diag(matrix)[rest], kind="stable")][: keep - len(units)]
    initial = float(np.sum(weights * matrix))
    losses = initial - np.cumsum([*gains, *[0.0] * len(rest)])
    order = np.array([*units, *rest], dtype=np.int64)
    return Greedy(order, np.maximum(losses, 0), initial)


class _Residual:
    """The rows of ``R`` and ``R M`` of the units that can still be chosen."""

    def __init__(
        self,
        matrix: NDArray[np.float64],
        objective: NDArray[np.float64],
        penalties: NDArray[np.float64],
    ) -> None:
        self._candidates = np.arange(len(matrix))
        self._rows = matrix.copy()
        self._weighted = matrix @ objective
        self._penalties = penalties
        # Rounding leaves up to this much of a residual that is 0.
        self._floor = len(matrix) * np.finfo(np.float64).eps * np.diag(matrix)
        self._taken = np.zeros(len(matrix), dtype=np.bool_)
        self._square = np.einsum("ij,ij->i", self._rows, self._weighted)

    def best(self) -> tuple[int, float]:
        """Return the unit that lowers the objective most, and by how much; 0 if none does."""
        ids = self._candidates
        own = self._rows[np.arange(len(ids)), ids]
        possible = (own > self._floor[ids]) & ~self._taken[ids]
        if not possible.any():
            return -1, 0.0
        gains = np.where(
            possible, self._square / np.where(possible, own + self._penalties[ids], 1), 0
        )
        place = int(np.argmax(gains >= gains.max() * (1 - _ROUNDING)))
        return int(ids[place]), float(gains[place])

    def take(self, unit: int) -> None:
        """Choose a unit: subtract what it explains."""
        place = int(np.searchsorted(self._candidates, unit))
        row, weighted = self._rows[place].copy(), self._weighted[place].copy()
        factors = (row[self._candidates] / (row[unit] + self._penalties[unit]))[:, None]
        step = max(1, _BLOCK_VALUES // len(row))
        for start in range(0, len(factors), step):
            block = slice(start, start + step)
            self._rows[block] -= factors[block] * row
            self._weighted[block] -= factors[block] * weighted
            self._square[block] = np.einsum("ij,ij->i", self._rows[block], self._weighted[block])
        self._taken[unit] = True
        if self._taken.sum() % _DROP_EVERY == 0:
            self._drop_taken()

    def _drop_taken(self) -> None:
        left = ~self._taken[self._candidates]
        self._candidates = self._candidates[left]
        self._rows, self._weighted = self._rows[left], self._weighted[left]
        self._square = self._square[left]


def by_leverage(covariance: ArrayLike, keep: int, lam: float, seed: int = 0) -> NDArray[np.int64]:
    """Draw units without replacement, with probabilities proportional to their leverage scores.

    Dead units are drawn only when no others are left.

    Parameters
    ----------
    covariance
        Float64, (units, units).
    keep
        Number of units, from 1 to all.
    lam
        ``lambda`` of the leverage scores; see `Spectrum.leverage`.
    seed
        The same seed draws the same units.

    Raises
    ------
    InputError
        An argument does not fit.
    """
    scores = Spectrum(covariance).leverage(lam)
    keep = checked_keep(keep, len(scores))
    # The first to ring of clocks with these rates (Efraimidis and Spirakis 2006).
    waits = np.full(len(scores), np.inf)
    waits[scores > 0] = np.random.default_rng(seed).exponential(1 / scores[scores > 0])
    return np.argsort(waits, kind="stable")[:keep].astype(np.int64)


def at_random(size: int, keep: int, seed: int = 0) -> NDArray[np.int64]:
    """Draw units uniformly without replacement, including dead ones.

    Raises
    ------
    InputError
        ``keep`` is not from 1 to ``size``.
    """
    keep = checked_keep(keep, size)
    return np.random.default_rng(seed).permutation(size)[:keep].astype(np.int64)
