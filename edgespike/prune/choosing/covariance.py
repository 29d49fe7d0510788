"""The time-mean, uncentred covariance of hidden states, gathered in one pass."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgespike.errors import InputError

_CHUNK_VALUES = 2**17
"""Number of values converted to float64 at a time: 1 MiB, which stays in the cache."""


class Covariance:
    """The mean of ``h h'`` over all states ``h`` seen: ``S`` of spectral pruning, uncentred.

    Sums are kept in float64 for any type of states. Adding two covariances gives that of all their
    states, so parts of a data set can be gathered separately.

    Parameters
    ----------
    units
        Size of a state, at least 1.

    Attributes
    ----------
    units
        Size of a state.
    count
        Number of states seen; each step of each sample counts as one.
    """

    def __init__(self, units: int) -> None:
        if units < 1:
            raise InputError(f"units is {units}; a covariance needs at least 1 unit")
        self.units = units
        self.count = 0
        self._total = np.zeros((units, units))

    def add(self, states: ArrayLike, mask: ArrayLike | None = None) -> None:
        """Add states.

        Parameters
        ----------
        states
            Real numbers, (..., units): samples and steps in any arrangement.
        mask
            bool, (...), if not every state counts: those at False are padding and may have any
            value.

        Raises
        ------
        InputError
            The shape does not fit, or a state that counts holds NaN or infinity. Then none of
            ``states`` is added.
        """
        rows = self._rows(states, mask)
        if not rows.size:
            return
        step = max(1, _CHUNK_VALUES // self.units)
        total = np.zeros_like(self._total)
        for start in range(0, len(rows), step):
            chunk = rows[start : start + step].astype(np.float64)
            total += chunk.T @ chunk
        self.add_total(total, len(rows))

    def add_total(self, total: NDArray[np.float64], count: int) -> None:
        """Add the sum of ``h h'`` over ``count`` states that was computed elsewhere.

        Parameters
        ----------
        total
            float64, (units, units).
        count
            Number of states in it.

        Raises
        ------
        InputError
            The shape does not fit, or the sum is not finite.
        """
        if total.shape != self._total.shape:
            raise InputError(
                f"the sum has shape {total.shape}; the covariance of {self.units} units needs "
                f"{self._total.shape}"
            )
        # The diagonal sums squares, so it is finite only if all states are.
        bad = np.flatnonzero(~np.isfinite(np.diag(total)))
        if bad.size:
            raise InputError(
                f"the states of {bad.size} of {self.units} units hold NaN or infinity (first: "
                f"unit {bad[0]}); check the model's weights and its input"
            )
        self._total += total
        self.count += count

    def __add__(self, other: Covariance) -> Covariance:
        if not isinstance(other, Covariance):
            return NotImplemented
        merged = Covariance(self.units)
        for part in (self, other):
            merged.add_total(part._total, part.count)
        return merged

    def matrix(self) -> NDArray[np.float64]:
        """Return the covariance, float64 (units, units), symmetric and positive semidefinite.

        One state is enough. A dead unit, which was 0 in every state, has a row and a column of
        zeros.

        Raises
        ------
        InputError
            No states were seen.
        """
        if not self.count:
            raise InputError("no states were seen; the data set needs at least 1 sample and 1 step")
        return self._total / self.count

    def _rows(self, states: ArrayLike, mask: ArrayLike | None) -> NDArray[np.generic]:
        array = np.asarray(states)
        if array.ndim < 1 or array.shape[-1] != self.units or array.dtype.kind not in "fiub":
            raise InputError(
                f"states have shape {array.shape} and type {array.dtype}; expected real numbers, "
                f"(..., {self.units})"
            )
        if mask is not None:
            chosen = np.asarray(mask)
            if chosen.shape != array.shape[:-1] or chosen.dtype != np.bool_:
                raise InputError(
                    f"mask has shape {chosen.shape} and type {chosen.dtype}; expected bool, "
                    f"{array.shape[:-1]}"
                )
            array = array[chosen]
        rows: NDArray[np.generic] = array.reshape(-1, self.units)
        return rows
