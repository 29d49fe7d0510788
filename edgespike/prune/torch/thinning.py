"""The covariance of a layer's states, from all of them or from a random part."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgespike.errors import InputError
from edgespike.prune.choosing.covariance import Covariance

_WHOLE_STATES = 4096
"""Number of states of a layer that are used before any are left out."""

_WAITING_STATES = 1024
"""Number of drawn states multiplied at a time: for few, writing the product dominates."""


class ThinnedCovariance:
    """Draws states and sums up their products.

    On a CPU the first states are all used, and one in ``thin`` of those that follow. These are
    drawn at random from the states added in one call, and weighted to represent all of them. On
    other devices all states are used.

    Parameters
    ----------
    name
        Name of the layer, for messages.
    units
        Size of a state.
    thin
        At least 1; with 1 all states are used.
    """

    def __init__(self, name: str, units: int, thin: int) -> None:
        self._name = name
        self._units = units
        self._thin = thin
        self._covariance = Covariance(units)
        # Seeded, so that the same data draw the same states.
        self._generator = np.random.default_rng(0)
        self._waiting: list[NDArray[np.float64]] = []
        self._uncounted = 0

    def add(self, states: Tensor) -> None:
        """Add states, (..., units).

        Raises
        ------
        InputError
            States hold NaN or infinity; this may be raised only by `result`.
        """
        count = states.numel() // self._units
        if states.device.type != "cpu":
            # Multiplied on its own device, so only the sum is transferred.
            rows = states.reshape(-1, self._units).double()
            self._add_total((rows.T @ rows).cpu().numpy(), count)
            return
        part = self._drawn(states, count)
        factor = np.sqrt(count / max(len(part), 1))
        self._uncounted += count
        for start in range(0, len(part), _WAITING_STATES):
            some = part[start : start + _WAITING_STATES]
            # The dtype is explicit because numpy 1 would keep single precision.
            self._waiting.append(np.multiply(some, factor, dtype=np.float64))
            if sum(map(len, self._waiting)) >= _WAITING_STATES:
                self._multiply()

    def result(self) -> Covariance:
        """Return the covariance of all states.

        Raises
        ------
        InputError
            States hold NaN or infinity.
        """
        self._multiply()
        return self._covariance

    def _drawn(self, states: Tensor, count: int) -> NDArray[np.generic]:
        # numpy multiplies a matrix by its own transpose in half the time of torch.
        half = states.dtype in (torch.bfloat16, torch.float16)
        values: NDArray[np.generic] = (states.float() if half else states).numpy()
        seen = self._covariance.count + self._uncounted
        taken = max(-(-count // self._thin), min(count, _WHOLE_STATES - seen))
        if taken == count:
            return values.reshape(-1, self._units)
        drawn = self._generator.choice(count, taken, replace=False, shuffle=False)
        return values[np.unravel_index(drawn, values.shape[:-1])]

    def _multiply(self) -> None:
        if self._waiting:
            rows = np.concatenate(self._waiting)
            self._add_total(rows.T @ rows, self._uncounted)
            self._waiting, self._uncounted = [], 0

    def _add_total(self, total: NDArray[np.float64], count: int) -> None:
        try:
            self._covariance.add_total(total, count)
        except InputError as error:
            raise InputError(f"layer {self._name!r}: {error}") from error
