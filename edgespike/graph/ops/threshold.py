"""The stateless threshold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from edgespike.graph.ops.base import Op, added_in, check_whole
from edgespike.graph.tensor import ACCUMULATOR_LIMIT, Integers, Signal, Tensor, bounded


def reachable(theta: Integers, low: Integers, high: Integers) -> Integers:
    """Clip thresholds to ``low..high + 1``.

    ``x >= theta`` is unchanged for every ``x`` in ``low..high``, and a type that holds
    ``low..high + 1`` then holds the thresholds too.
    """
    return np.clip(theta, low, high + 1)


@final
@dataclass(frozen=True, eq=False, repr=False)
class Threshold(Op):
    """A stateless activation, ``offset + unit * n``; ``n`` of its channel's thresholds are reached.

    One threshold per channel gives single-step spikes, ``M - 1`` give the levels of a quantised
    activation, and unevenly spaced ones any monotone function. With an offset below zero, levels
    are signed; an offset of -1 and a unit of 2 give -1 and 1.

    Parameters
    ----------
    theta
        ``(channels, levels)``, each row in ascending order. A value ``x`` reaches ``theta``
        if ``x >= theta``.
    flipped
        ``(channels,)``. A flipped channel counts the thresholds that are not reached instead,
        ``x < theta``; folding a normalisation with a negative factor gives one.
    offset, unit
        Value of no threshold reached, and what each one adds, a unit of at least 1.
    """

    theta: Integers
    flipped: NDArray[np.bool_]
    offset: int = field(default=0, metadata=added_in(5, before=0))
    unit: int = field(default=1, metadata=added_in(5, before=1))

    kind: ClassVar[str] = "threshold"
    channel_fields: ClassVar[tuple[str, ...]] = ("theta", "flipped")
    has_neurons: ClassVar[bool] = True

    @property
    def emits_events(self) -> bool:
        """Return true."""
        return True

    @property
    def levels(self) -> int:
        """Number of thresholds of a channel, one less than its levels."""
        return int(self.theta.shape[1])

    def check(self, inputs: Sequence[Tensor]) -> Iterator[str]:
        """Yield why the thresholds do not fit the channels or are not in order."""
        yield from check_whole("theta", self.theta, 2)
        if self.flipped.dtype != np.bool_:
            yield f"flipped has dtype {self.flipped.dtype}; give booleans"
        channels = inputs[0].shape[:1]
        if self.theta.shape[:1] != channels:
            yield (
                f"theta has shape {self.theta.shape}, its input has {channels[0]} channels; "
                "give one row per channel"
            )
        elif self.theta.ndim == 2 and bool((self.theta[:, 1:] < self.theta[:, :-1]).any()):
            yield "theta must ascend along each channel's levels; sort it"
        if self.flipped.shape != channels:
            yield f"flipped has shape {self.flipped.shape}, it must be {channels}"
        if self.unit < 1:
            yield f"unit is {self.unit}; it must be at least 1"
        if max(abs(self.offset), self.unit) > ACCUMULATOR_LIMIT:
            yield (
                f"offset {self.offset} and unit {self.unit} must be within +-{ACCUMULATOR_LIMIT}"
            )

    def infer(self, inputs: Sequence[Tensor], steps: int) -> Tensor:
        """Return the values that each channel's range can reach."""
        (tensor,) = inputs
        at_low = (tensor.low[:, None] >= self.theta).sum(axis=1)
        at_high = (tensor.high[:, None] >= self.theta).sum(axis=1)
        low = np.where(self.flipped, self.levels - at_high, at_low)
        high = np.where(self.flipped, self.levels - at_low, at_high)
        low, high = (
            bounded(self.offset + self.unit * end, self.offset + float(self.unit) * end)
            for end in (low, high)
        )
        spikes = (self.levels, self.offset, self.unit) == (1, 0, 1)
        return Tensor(tensor.shape, low, high, Signal.SPIKES if spikes else Signal.GRADED)
