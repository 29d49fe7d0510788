"""Neurons: the stateless threshold and the integrate-and-fire membrane."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from edgespike.graph.ops.base import Op, check_whole
from edgespike.graph.tensor import ACCUMULATOR_LIMIT, BEYOND, Integers, Signal, Tensor

FRACTION_BITS = 6
"""Fractional bits of a membrane potential; Loihi shifts its accumulators by this many."""

POTENTIAL_LIMIT = ACCUMULATOR_LIMIT >> FRACTION_BITS
"""Largest integer part of a membrane potential."""

DECAY_ONE = 4096
"""The decay that forgets everything in one step; Loihi's decays have 12 bits."""


def reachable(theta: Integers, low: Integers, high: Integers) -> Integers:
    """Clip thresholds to ``low..high + 1``.

    ``x >= theta`` is unchanged for every ``x`` in ``low..high``, and a type that holds
    ``low..high + 1`` then holds the thresholds too.
    """
    return np.clip(theta, low, high + 1)


@final
@dataclass(frozen=True, eq=False, repr=False)
class Threshold(Op):
    """A stateless activation: the level is how many of its channel's thresholds are reached.

    One threshold per channel gives single-step spikes, ``M - 1`` give the levels of a quantised
    activation, and unevenly spaced ones any monotone function.

    Parameters
    ----------
    theta
        ``(channels, levels)``, each row in ascending order. A value ``x`` reaches ``theta``
        if ``x >= theta``.
    flipped
        ``(channels,)``. A flipped channel counts the thresholds that are not reached instead,
        ``x < theta``; folding a normalisation with a negative factor gives one.
    """

    theta: Integers
    flipped: NDArray[np.bool_]

    kind: ClassVar[str] = "threshold"
    channel_fields: ClassVar[tuple[str, ...]] = ("theta", "flipped")
    emits_events: ClassVar[bool] = True
    has_neurons: ClassVar[bool] = True

    @property
    def levels(self) -> int:
        """The highest level."""
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

    def infer(self, inputs: Sequence[Tensor], steps: int) -> Tensor:
        """Return the levels that each channel's range can reach."""
        (tensor,) = inputs
        at_low = (tensor.low[:, None] >= self.theta).sum(axis=1)
        at_high = (tensor.high[:, None] >= self.theta).sum(axis=1)
        low = np.where(self.flipped, self.levels - at_high, at_low)
        high = np.where(self.flipped, self.levels - at_low, at_high)
        signal = Signal.SPIKES if self.levels == 1 else Signal.GRADED
        return Tensor(tensor.shape, low, high, signal)


class Reset(str, Enum):
    """What firing does to the membrane potential."""

    ZERO = "zero"
    SUBTRACT = "subtract"
    NONE = "none"


class ResetTime(str, Enum):
    """When a reset takes effect."""

    SAME_STEP = "same_step"
    """Right after the spike, before the potential is stored for the next step.

    snnTorch's ``Leaky`` with ``reset_mechanism="zero"`` does this: it clears the potential before
    it adds the next input.
    """

    NEXT_STEP = "next_step"
    """On the next step's potential, after its decay and integration.

    snnTorch's ``Leaky`` with its default ``reset_mechanism="subtract"`` does this, and so do its
    ``Lapicque``, ``Synaptic``, ``RLeaky``, ``RSynaptic`` and ``Alpha`` with "zero".
    """


class Comparison(str, Enum):
    """How the membrane potential is compared with the threshold."""

    GREATER = ">"
    GREATER_EQUAL = ">="


@final
@dataclass(frozen=True, eq=False, repr=False)
class Membrane(Op):
    """Integrate-and-fire neurons with leak and reset, in fixed point.

    With ``x`` the input of step ``t``, in units of ``2**-6`` (:data:`FRACTION_BITS`)::

        v = sign(v) * (abs(v) * (4096 - decay) >> 12)      towards zero
        v = v + (x << 6)
        v = v reset, if it fired at t - 1                  only with NEXT_STEP
        n = how many of theta, 2 theta, ... max_spikes theta does v exceed (or equal)
        v = v reset, if n > 0                              only with SAME_STEP

    where *reset* sets v to zero or subtracts ``n * theta << 6``. v is zero when a sample starts.

    Parameters
    ----------
    theta
        Firing threshold of each channel, ``(channels,)``, at least 1.
    decay
        What is forgotten at each step, in units of 1/4096: 0 keeps everything, 4096 nothing.
    reset, reset_time, comparison
        See :class:`Reset`, :class:`ResetTime`, :class:`Comparison`.
    max_spikes
        Most spikes that a neuron can emit in one step, at least 1.
    """

    theta: Integers
    decay: int = 0
    reset: Reset = Reset.SUBTRACT
    reset_time: ResetTime = ResetTime.SAME_STEP
    comparison: Comparison = Comparison.GREATER_EQUAL
    max_spikes: int = 1

    kind: ClassVar[str] = "membrane"
    channel_fields: ClassVar[tuple[str, ...]] = ("theta",)
    emits_events: ClassVar[bool] = True
    has_neurons: ClassVar[bool] = True
    fraction_bits: ClassVar[int] = FRACTION_BITS

    def check(self, inputs: Sequence[Tensor]) -> Iterator[str]:
        """Yield which parameters are out of range."""
        bad_theta = list(check_whole("theta", self.theta, 1))
        yield from bad_theta
        channels = inputs[0].shape[:1]
        if self.theta.shape != channels:
            yield f"theta has shape {self.theta.shape}, it must be {channels}"
        if not bad_theta and self.theta.min() < 1:
            yield f"theta goes down to {self.theta.min()}; a membrane's threshold is at least 1"
        if not 0 <= self.decay <= DECAY_ONE:
            yield f"decay is {self.decay}; it must be in 0..{DECAY_ONE}"
        if self.max_spikes < 1:
            yield f"max_spikes is {self.max_spikes}; it must be at least 1"
        elif not bad_theta and int(self.theta.max()) * self.max_spikes > POTENTIAL_LIMIT:
            yield (
                f"theta {self.theta.max()} times max_spikes {self.max_spikes} is more than "
                f"{POTENTIAL_LIMIT}, which no potential can reach; use smaller ones"
            )

    def infer(self, inputs: Sequence[Tensor], steps: int) -> Tensor:
        """Return 0 to ``max_spikes`` spikes, or fewer where no potential suffices for so many."""
        (tensor,) = inputs
        most = np.zeros_like(self.theta)
        for _, high in self._potentials(tensor, steps):
            enough = high if self.comparison is Comparison.GREATER_EQUAL else high - 1
            spikes = np.clip(enough // (self.theta << FRACTION_BITS), 0, self.max_spikes)
            most = np.maximum(most, spikes)
            if bool((most == self.max_spikes).all()):
                break
        return Tensor(tensor.shape, np.zeros_like(self.theta), most, Signal.SPIKES)

    def range_in_use(self, inputs: Sequence[Tensor], output: Tensor, steps: int) -> tuple[int, int]:
        """Bound the potentials, which are larger than the spikes."""
        least, most = self.potential_range(inputs[0], steps)
        return int(least.min()), int(most.max())

    def potential_range(self, tensor: Tensor, steps: int) -> tuple[Integers, Integers]:
        """Bound each channel's potential over all steps, in units of ``2**-FRACTION_BITS``.

        The bound holds before and after the reset. It ignores that firing lowers the potential;
        a reset subtracts at most ``max_spikes * theta`` per step.
        """
        least = most = np.zeros_like(self.theta)
        for low, high in self._potentials(tensor, steps):
            least, most = np.minimum(least, low), np.maximum(most, high)
        return least, most

    def _potentials(self, tensor: Tensor, steps: int) -> Iterator[tuple[Integers, Integers]]:
        """Bound each channel's potential step by step, until the bounds do not change any more."""
        low = high = np.zeros_like(self.theta)
        taken = self.max_spikes * self.theta << FRACTION_BITS
        for _ in range(steps):
            before = low, high
            low = decayed(low, self.decay) + (np.minimum(tensor.low, 0) << FRACTION_BITS)
            high = decayed(high, self.decay) + (np.maximum(tensor.high, 0) << FRACTION_BITS)
            if self.reset is Reset.SUBTRACT and self.reset_time is ResetTime.NEXT_STEP:
                low = low - taken
            low, high = np.maximum(low, -BEYOND), np.minimum(high, BEYOND)
            yield low, high
            if np.array_equal(before, (low, high)):
                break


def decayed(potential: Integers, decay: int) -> Integers:
    """Multiply by ``(4096 - decay) / 4096``, rounding towards zero, as Loihi does."""
    kept = DECAY_ONE - decay
    # In two parts: no product wraps around, however large the potential is.
    whole, rest = np.divmod(np.abs(potential), DECAY_ONE)
    result: Integers = np.sign(potential) * (whole * kept + rest * kept // DECAY_ONE)
    return result
