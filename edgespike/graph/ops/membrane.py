"""The integrate-and-fire membrane, and the proof of how far its potential can go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar, final

import numpy as np

from edgespike.graph.ops.base import Op, added_in, check_whole
from edgespike.graph.tensor import ACCUMULATOR_LIMIT, Integers, Signal, Tensor

FRACTION_BITS = 6
"""Fractional bits of a membrane potential; Loihi shifts its accumulators by this many."""

SATURATION = 2**23 - 1
"""Where potentials saturate unless a membrane says otherwise: at 24 bits, as on Loihi."""

DECAY_ONE = 4096
"""The decay that forgets everything in one step; Loihi's decays have 12 bits."""

EXACT_STEPS = 512
"""The first ``2 * EXACT_STEPS`` steps are bounded one by one; later ones share bounds, which saves
time."""


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
        v = min(max(v, -saturation), saturation)
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
    saturation
        Largest magnitude of a potential, in units of ``2**-6``, 64 to
        :data:`edgespike.graph.tensor.ACCUMULATOR_LIMIT`; by default that of Loihi. It must be large
        enough for ``max_spikes`` spikes: saturation never changes what a neuron emits at the step
        at which it saturates.
    """

    theta: Integers
    decay: int = 0
    reset: Reset = Reset.SUBTRACT
    reset_time: ResetTime = ResetTime.SAME_STEP
    comparison: Comparison = Comparison.GREATER_EQUAL
    max_spikes: int = 1
    saturation: int = field(default=SATURATION, metadata=added_in(4, before=ACCUMULATOR_LIMIT))

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
        if not 1 << FRACTION_BITS <= self.saturation <= ACCUMULATOR_LIMIT:
            yield (
                f"saturation is {self.saturation}; it must be in "
                f"{1 << FRACTION_BITS}..{ACCUMULATOR_LIMIT}"
            )
        elif not bad_theta:
            yield from self._check_reachable()

    def _check_reachable(self) -> Iterator[str]:
        reachable = (self.saturation - self._strict) >> FRACTION_BITS
        if int(self.theta.max()) * self.max_spikes > reachable:
            yield (
                f"theta {self.theta.max()} times max_spikes {self.max_spikes} is more than "
                f"{reachable}, which no potential exceeds since it saturates at "
                f"{self.saturation}/{1 << FRACTION_BITS}; use smaller ones, or a saturation of up "
                f"to {ACCUMULATOR_LIMIT}"
            )

    def infer(self, inputs: Sequence[Tensor], steps: int) -> Tensor:
        """Return 0 to ``max_spikes`` spikes, or fewer where no potential suffices for so many."""
        (tensor,) = inputs
        most = np.zeros_like(self.theta)
        for potentials in self._potentials(tensor, steps):
            most = np.maximum(most, self._spikes(potentials.compared))
            if bool((most == self.max_spikes).all()):
                break
        return Tensor(tensor.shape, np.zeros_like(self.theta), most, Signal.SPIKES)

    def range_in_use(self, inputs: Sequence[Tensor], output: Tensor, steps: int) -> tuple[int, int]:
        """Return where the potentials that it keeps saturate."""
        return -self.saturation, self.saturation

    def potential_range(self, tensor: Tensor, steps: int) -> tuple[Integers, Integers]:
        """Bound each channel's potential over all steps, in units of ``2**-FRACTION_BITS``.

        The bound holds for every value that a step computes, before saturation and before and
        after the reset, for all inputs in the range of ``tensor``.
        """
        least = most = np.zeros_like(self.theta)
        for potentials in self._potentials(tensor, steps):
            least, most = np.minimum(least, potentials.low), np.maximum(most, potentials.high)
        return least, most

    def saturates(self, least: Integers, most: Integers, steps: int) -> bool:
        """Return whether a potential that is kept for the next step may saturate.

        ``least`` and ``most`` are what :meth:`potential_range` returns for ``steps``.
        """
        lasts = steps > 1 and self.decay < DECAY_ONE
        return lasts and max(-int(least.min()), int(most.max())) > self.saturation

    def _potentials(self, tensor: Tensor, steps: int) -> Iterator[_Potentials]:
        """Bound each channel's potential step by step, until the bounds no longer change.

        ``low`` and ``high`` bound what is kept after any step so far; 0 lies between them.
        Their growth never speeds up, since resets, decay and saturation take more from larger
        magnitudes. So ``ahead`` times the growth of one step bounds that of ``ahead`` steps.
        """
        low = high = np.zeros_like(self.theta)
        ends = self._step(low - self.saturation, high + self.saturation, tensor)
        lowest, highest = (np.clip(end, 0, self.saturation) for end in (-ends.low, ends.kept))
        done = 0
        while done < steps:
            ahead = max(1, min(done // EXACT_STEPS, steps - done - 1))
            before, potentials = (low, high), self._step(low, high, tensor)
            yield potentials
            high = _grown(high, potentials.kept, ahead, highest)
            if ahead > 1:  # the spikes of all steps until then may lower the potential
                potentials = self._step(low, high, tensor)
            low = -_grown(-low, -potentials.low, ahead, lowest)
            done += ahead
            if np.array_equal(before, (low, high)):
                break

    def _step(self, low: Integers, high: Integers, tensor: Tensor) -> _Potentials:
        """Bound one step that begins with a potential in ``low..high``."""
        below, above = tensor.low << FRACTION_BITS, tensor.high << FRACTION_BITS
        lowest = decayed(low, self.decay)
        integrated = decayed(high, self.decay) + above
        if self.reset_time is ResetTime.SAME_STEP:
            compared = np.minimum(integrated, self.saturation)
            return _Potentials(lowest + below, integrated, compared, self._left(compared, 0))
        if self.reset is Reset.SUBTRACT:
            # Lowest: a potential that was just enough for its spikes, and has decayed since.
            taken = self._spikes(high) * self.theta << FRACTION_BITS
            lowest = np.minimum(lowest, decayed(taken, self.decay) - taken)
        kept = np.minimum(self._left(high, self.decay) + above, self.saturation)
        return _Potentials(lowest + below, integrated, kept, kept)

    def _left(self, high: Integers, decay: int) -> Integers:
        """Bound what decay and then a reset leave of potentials up to ``high``."""
        left = decayed(high, decay)
        if self.reset is Reset.NONE:
            return left
        theta = self.theta << FRACTION_BITS
        # After fewer than max_spikes spikes less than theta is left, after max_spikes any rest.
        silent = decayed(np.minimum(high, theta - 1 + self._strict), decay)
        if self.reset is Reset.ZERO:
            return silent
        return np.maximum(silent, left - self.max_spikes * theta)

    def _spikes(self, potential: Integers) -> Integers:
        """Return how many spikes potentials emit."""
        enough = potential - self._strict
        return np.clip(enough // (self.theta << FRACTION_BITS), 0, self.max_spikes)

    @property
    def _strict(self) -> int:
        """How far above a threshold a potential must be."""
        return int(self.comparison is Comparison.GREATER)


@dataclass(frozen=True)
class _Potentials:
    """Bounds on a step's potentials, one for each channel, in units of ``2**-FRACTION_BITS``.

    Parameters
    ----------
    low, high
        Bounds on everything that is computed before saturation.
    compared
        Upper bound on what is compared with the thresholds.
    kept
        Upper bound on what is kept for the next step.
    """

    low: Integers
    high: Integers
    compared: Integers
    kept: Integers


def _grown(before: Integers, after: Integers, steps: int, most: Integers) -> Integers:
    """Bound a magnitude after several steps; the first changes it from ``before`` to ``after``.

    ``most`` is a bound for any number of steps.
    """
    growth = np.clip(after - before, 0, most // steps + 1)  # more could wrap around
    grown: Integers = np.minimum(before + steps * growth, most)
    return grown


def decayed(potential: Integers, decay: int) -> Integers:
    """Multiply by ``(4096 - decay) / 4096``, rounding towards zero, as Loihi does."""
    if decay == 0:
        return potential
    kept = DECAY_ONE - decay
    # In two parts: no product wraps around, however large the potential is.
    whole, rest = np.divmod(np.abs(potential), DECAY_ONE)
    result: Integers = np.sign(potential) * (whole * kept + rest * kept // DECAY_ONE)
    return result
