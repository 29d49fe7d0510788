"""What is known about the values on an edge of the graph before anything runs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

FLOAT32_LIMIT, FLOAT64_LIMIT = 2**24, 2**53
"""Integers up to these magnitudes are exact in floating point."""

ACCUMULATOR_LIMIT = FLOAT64_LIMIT
"""Largest magnitude of any value in a graph: integers up to it are exact in float64 as well."""

ELEMENT_LIMIT = 2**27
"""Most elements of one tensor of one sample; larger declared shapes are refused."""

CHANNEL_LIMIT = 2**22
"""Most channels or features of a declared shape; each has a range of its own."""

ALL_CHANNELS_LIMIT = 2**24
"""Most channels that enter and leave all nodes of a graph together.

Besides its arrays, a graph keeps their ranges in memory, and a few bytes can declare many.
"""

ARRAYS_LIMIT = 2**31
"""Most bytes that all arrays of a graph take in memory: 268 million weights.

A file stores them in far fewer bytes, and a mask in none; what it declares is compared with this
limit before any array is expanded.
"""

BEYOND = 2**60
"""Stands for this and any larger magnitude; far above the limit, and far from wrapping around."""


class Signal(Enum):
    """What a value means to its receiver."""

    __hash__ = object.__hash__  # that of Enum runs in Python

    SPIKES = "spikes"
    """Numbers of spikes; each spike is one event without a payload."""

    GRADED = "graded"
    """Events that carry a number: quantised input or one of several levels."""

    ACCUMULATOR = "accumulator"
    """A weighted sum, local to its neuron: it is not an event, and no synapse may receive it."""

    @property
    def is_event(self) -> bool:
        """Whether values of this kind travel as events to synapses."""
        return self is not Signal.ACCUMULATOR


@dataclass(frozen=True)
class Tensor:
    """Shape, proven range and meaning of one node's output, for one sample and one step.

    Parameters
    ----------
    shape
        Without sample and step axes: ``(features,)`` or ``(channels, height, width)``.
    low, high
        Proven smallest and largest value of each channel, shape ``(shape[0],)``, int64.
    signal
        What the values mean.
    """

    shape: tuple[int, ...]
    low: Integers
    high: Integers
    signal: Signal

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def bounds(self) -> tuple[int, int]:
        """Smallest and largest value over all channels."""
        return int(self.low.min()), int(self.high.max())

    def with_padding(self) -> Tensor:
        """Widen the range so that it holds the zeros of a padded border."""
        return Tensor(self.shape, np.minimum(self.low, 0), np.maximum(self.high, 0), self.signal)


def bounded(exact: Integers, estimate: NDArray[np.floating[Any]]) -> Integers:
    """Return ``exact``, or a value far beyond every limit where it does not fit into 64 bits.

    Parameters
    ----------
    exact
        The result of int64 arithmetic, which may have wrapped around.
    estimate
        The result of the same arithmetic in float64, which cannot.
    """
    beyond = (np.sign(estimate) * BEYOND).astype(np.int64)  # float64 would round exact ones
    return np.where(np.abs(estimate) >= BEYOND, beyond, exact)


def per_channel(values: NDArray[Any], ndim: int) -> NDArray[Any]:
    """Reshape an array with one entry per channel so that it broadcasts over ``ndim`` axes."""
    return values.reshape(values.shape + (1,) * (ndim - 1))
