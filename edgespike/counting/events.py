"""Sums of events over samples: all that counting needs from the values of a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import Signal, Tensor
from edgespike.graph.tensor import Integers

BYTE_LIMIT = 255
"""Largest number that a byte holds."""


def sum_events(values: NDArray[Any], tensor: Tensor) -> Integers:
    """Sum each neuron's events over samples.

    A spike value of ``n`` is ``n`` events. A graded value is one event if it is not zero.

    Parameters
    ----------
    values
        Integers ``(samples, ...)``, as in a trace, in any memory order.
    tensor
        Proven range and meaning of the values, ``graph.tensors[name]``.

    Returns
    -------
    events
        int64, ``values.shape[1:]``.
    """
    if tensor.signal is Signal.GRADED:
        if len(values) == 1:
            return np.asarray(values[0] != 0, dtype=np.int64)
        return _sum_over_samples(values, 1, lambda some: (some != 0).view(np.uint8))
    if values.dtype.itemsize > 1 or tensor.bounds[1] > BYTE_LIMIT // 2:
        return np.asarray(values.sum(axis=0, dtype=np.int64))
    return _sum_over_samples(values, tensor.bounds[1], lambda some: some.view(np.uint8))


def _sum_over_samples(
    values: NDArray[Any], largest: int, as_bytes: Callable[[NDArray[Any]], NDArray[np.uint8]]
) -> Integers:
    """Sum along the first axis, in bytes while none can overflow: an eighth of the memory."""
    total = np.zeros_like(values[0], dtype=np.int64)
    at_once = BYTE_LIMIT // max(largest, 1)
    for start in range(0, len(values), at_once):
        some = as_bytes(values[start : start + at_once])
        total += np.add.reduce(some, axis=0, dtype=np.uint8)
    return total
