"""Events times synapses or windows, in the fastest numbers in which every sum is exact."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.counting.exact import Whole, add, narrowed, times
from edgespike.counting.fanout import Convention
from edgespike.graph import Signal
from edgespike.graph.tensor import FLOAT32_LIMIT, Integers

CONVENTIONS = tuple(Convention)
"""Iterating over an enumeration itself takes longer than a short product."""


def exact_numbers(most: int) -> np.dtype[Any]:
    """Return the fastest type in which sums of at most ``most``, up to 2**53, are exact."""
    return np.dtype(np.float32 if most <= FLOAT32_LIMIT else np.float64)


class EventRows:
    """Events in a row for each step, channels last, with their sum over elements.

    Parameters
    ----------
    events
        ``(steps, features)`` or ``(steps, channels, height, width)``, in any integer type or
        Python's integers, in any memory order. Not copied if channels are last in memory.
    most
        Bound of each of them, if one is known.
    """

    def __init__(self, events: NDArray[Any], most: int | None = None) -> None:
        rows = events.transpose(0, 2, 3, 1) if events.ndim == 4 else events
        self.events = rows.reshape(len(events), -1)
        self._zeros_and_ones = most == 1 and events.dtype.itemsize == 1

    @cached_property
    def total(self) -> Whole:
        """Sum over elements, ``(steps,)``."""
        if self._zeros_and_ones and len(self.events) == 1:  # in bytes, several times faster
            return np.array([np.count_nonzero(self.events)], np.int64)
        dtype = np.object_ if self.events.dtype == np.object_ else np.int64
        return narrowed(np.add.reduce(self.events, axis=1, dtype=dtype))


def channels_last(fan_out: Integers) -> Integers:
    """Order the elements of ``(channels, ...)`` as :class:`EventRows` does."""
    return np.asarray(EventRows(fan_out[None]).events[0])


def synapses_reached(
    entering: EventRows, synapses: NDArray[Any], numbers: np.dtype[Any]
) -> Mapping[Convention, Whole]:
    """Count the synapses that events reach, by convention, with products of these numbers."""
    if numbers == np.object_:
        synapses = synapses.astype(np.int64)
    reached = entering.events.astype(numbers, copy=False) @ synapses.astype(numbers, copy=False)
    if numbers == np.object_:
        return {kind: narrowed(reached[:, place]) for place, kind in enumerate(CONVENTIONS)}
    return dict(zip(CONVENTIONS, reached.astype(np.int64).T, strict=True))


def arrivals(entering: Mapping[Signal, EventRows]) -> Whole:
    """Sum events of every kind over elements, ``(steps,)``."""
    return reduce(add, [kind.total for kind in entering.values()])


def windows_entered(entering: Mapping[Signal, EventRows], windows: Integers | int) -> Whole:
    """Count the windows that events enter."""
    if isinstance(windows, int):
        return times(arrivals(entering), windows)
    return reduce(add, [narrowed(kind.events @ windows) for kind in entering.values()])
