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
"""Fractional bits of a membrane potential unless a membrane says otherwise; Loihi shifts its
accumulators by this many."""

DECAY_BITS = 12
"""Bits of a decay unless a membrane says otherwise; Loihi's decays have 12."""

SATURATION = 2**23 - 1
"""Where potentials saturate unless a membrane says otherwise: at 24 bits, as on Loihi."""

DECAY_ONE = 1 << DECAY_BITS
"""The decay of :data:`DECAY_BITS` bits that forgets everything in one step."""

MOST_FRACTION_BITS, MOST_DECAY_BITS = 40, 24
"""Most fractional bits of a potential, and most bits of a decay."""

LARGEST_INPUT = 2**59
"""Largest magnitude of an input in the unit of potentials; sums of a few still fit into 64 bits."""

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

    SAME_STEP_RAISED = "same_step_raised"
    """In the same step, and with a raised threshold while the potential stays above it.

    A neuron whose potential is still above theta after its last reset fires only above 2 theta.
    snnTorch's neurons with ``reset_mechanism="subtract"`` and ``reset_delay=False`` do this
    (snntorch 1.0.0: they take the threshold away before they compare, and give it back after).
    """


class Emits(str, Enum):
    """What a membrane gives to the nodes after it."""

    SPIKES = "spikes"

    POTENTIAL = "potential"
    """The potential that is compared with the threshold, before a reset in the same step."""


class Comparison(str, Enum):
    """How the membrane potential is compared with the threshold."""

    GREATER = ">"
    GREATER_EQUAL = ">="


@final
@dataclass(frozen=True, eq=False, repr=False)
class Membrane(Op):
    """Integrate-and-fire neurons with leak, synaptic current and reset, in fixed point.

    With ``x`` the input of step ``t``, ``F = fraction_bits`` and ``B = decay_bits``, in units of
    ``2**-F``::

        D(s, d) = sign(s) * (abs(s) * (2**B - d) >> B)     towards zero

        i = x << F                                         without decay_syn
        i = D(i, decay_syn) + (x << F)                     with decay_syn, then clipped to
                                                           -saturation..saturation
        v = D(v, decay) + i + bias
        v = v reset, if it fired at t - 1                  only with NEXT_STEP
        v = min(max(v, floor), saturation)
        n = how many of theta, 2 theta, ... max_spikes theta does v exceed (or equal)
        v = v reset, if n > 0                              only with SAME_STEP, SAME_STEP_RAISED

    where *reset* sets v to zero or subtracts ``n * theta << F``. i and v are zero when a sample
    starts.

    A parameter that is one integer or an array is the same for all neurons, or has one entry for
    each channel, ``(channels,)``, or for each neuron, in the input's shape.

    Parameters
    ----------
    theta
        Firing threshold of each channel or neuron, an array, at least 1.
    decay
        What a potential forgets at each step, in units of ``2**-decay_bits``: 0 keeps everything,
        ``2**decay_bits`` nothing. One integer or an array.
    reset, reset_time, comparison
        See :class:`Reset`, :class:`ResetTime`, :class:`Comparison`.
    max_spikes
        Most spikes that a neuron can emit in one step, at least 1.
    saturation
        Largest magnitude of a potential and of a synaptic current, in units of ``2**-F``, 1 to
        :data:`edgespike.graph.tensor.ACCUMULATOR_LIMIT`; by default that of Loihi. It must be large
        enough for ``max_spikes`` spikes: saturation never changes what a neuron emits at the step
        at which it saturates.
    decay_syn
        What the synaptic current forgets at each step, in units of ``2**-decay_bits``; ``None``
        if the input is the current. One integer or an array.
    bias
        Added at each step, in units of ``2**-F``. One integer or an array.
    floor
        Least potential, in units of ``2**-F``, ``-saturation`` to 0; ``None`` for ``-saturation``.
        One integer or an array.
    fraction_bits
        Fractional bits of potentials and currents, 0 to :data:`MOST_FRACTION_BITS`.
    decay_bits
        Bits of decays, 1 to :data:`MOST_DECAY_BITS`.
    emits
        See :class:`Emits`. With ``Reset.NONE``, a membrane that emits its potential is a leaky
        integrator; give it ones as theta, which change nothing.
    """

    theta: Integers
    decay: int | Integers = 0
    reset: Reset = Reset.SUBTRACT
    reset_time: ResetTime = ResetTime.SAME_STEP
    comparison: Comparison = Comparison.GREATER_EQUAL
    max_spikes: int = 1
    saturation: int = field(default=SATURATION, metadata=added_in(4, before=ACCUMULATOR_LIMIT))
    decay_syn: int | Integers | None = field(default=None, metadata=added_in(5, before=None))
    bias: int | Integers = field(default=0, metadata=added_in(5, before=0))
    floor: int | Integers | None = field(default=None, metadata=added_in(5, before=None))
    fraction_bits: int = field(default=FRACTION_BITS, metadata=added_in(5, before=FRACTION_BITS))
    decay_bits: int = field(default=DECAY_BITS, metadata=added_in(5, before=DECAY_BITS))
    emits: Emits = field(default=Emits.SPIKES, metadata=added_in(5, before=Emits.SPIKES))

    kind: ClassVar[str] = "membrane"
    channel_fields: ClassVar[tuple[str, ...]] = ("theta", "decay", "decay_syn", "bias", "floor")
    has_neurons: ClassVar[bool] = True

    @property
    def emits_events(self) -> bool:
        """Return whether it emits spikes."""
        return self.emits is Emits.SPIKES

    @property
    def range_fraction_bits(self) -> int:
        """Return the fractional bits of potentials."""
        return self.fraction_bits

    @property
    def file_version(self) -> int:
        """Return the first version that has its reset time and its arrays."""
        newer = self.reset_time is ResetTime.SAME_STEP_RAISED
        return 5 if newer or self.theta.ndim > 1 or isinstance(self.decay, np.ndarray) else 1

    @property
    def decay_one(self) -> int:
        """The decay that forgets everything in one step."""
        return 1 << self.decay_bits

    @property
    def least(self) -> int | Integers:
        """The least potential, in units of ``2**-fraction_bits``: the floor, if it has one."""
        return -self.saturation if self.floor is None else self.floor

    @property
    def keeps(self) -> bool:
        """Whether a potential of any neuron outlasts a step."""
        return bool(np.min(self.decay) < self.decay_one)

    def check(self, inputs: Sequence[Tensor]) -> Iterator[str]:
        """Yield which parameters are out of range."""
        shape = inputs[0].shape
        bad_theta = list(_check_theta(self.theta, shape))
        yield from bad_theta
        bad_format = list(self._check_format())
        yield from bad_format
        if bad_format:
            return
        one = self.decay_one
        yield from _check_parameter("decay", self.decay, shape, 0, one)
        yield from _check_parameter("bias", self.bias, shape, -self.saturation, self.saturation)
        if self.decay_syn is not None:
            yield from _check_parameter("decay_syn", self.decay_syn, shape, 0, one)
        if self.floor is not None:
            yield from _check_parameter("floor", self.floor, shape, -self.saturation, 0)
        if not bad_theta:
            yield from self._check_reachable()
        low, high = inputs[0].bounds
        if max(-low, high) << self.fraction_bits > LARGEST_INPUT:
            yield (
                f"its input reaches {low}..{high}; with fraction_bits {self.fraction_bits} the "
                f"limit is +-{LARGEST_INPUT >> self.fraction_bits}, use fewer fraction bits"
            )

    def _check_format(self) -> Iterator[str]:
        if self.max_spikes < 1:
            yield f"max_spikes is {self.max_spikes}; it must be at least 1"
        raised = self.reset_time is ResetTime.SAME_STEP_RAISED
        if raised and (self.reset is not Reset.SUBTRACT or self.max_spikes > 1):
            yield (
                f"reset_time {self.reset_time.value} with reset {self.reset.value} and max_spikes "
                f"{self.max_spikes}; it needs reset {Reset.SUBTRACT.value} and max_spikes 1"
            )
        if not 0 <= self.fraction_bits <= MOST_FRACTION_BITS:
            yield f"fraction_bits is {self.fraction_bits}; it must be in 0..{MOST_FRACTION_BITS}"
        elif not 1 << self.fraction_bits <= self.saturation <= ACCUMULATOR_LIMIT:
            yield (
                f"saturation is {self.saturation}; it must be in "
                f"{1 << self.fraction_bits}..{ACCUMULATOR_LIMIT}"
            )
        if not 1 <= self.decay_bits <= MOST_DECAY_BITS:
            yield f"decay_bits is {self.decay_bits}; it must be in 1..{MOST_DECAY_BITS}"

    def _check_reachable(self) -> Iterator[str]:
        reachable = (self.saturation - self._strict) >> self.fraction_bits
        raised = self.reset_time is ResetTime.SAME_STEP_RAISED
        if int(self.theta.max()) * (2 if raised else self.max_spikes) > reachable:
            times = "2, to which it is raised," if raised else f"max_spikes {self.max_spikes}"
            yield (
                f"theta {self.theta.max()} times {times} is more than "
                f"{reachable}, which no potential exceeds since it saturates at "
                f"{self.saturation}/{1 << self.fraction_bits}; use smaller ones, or a saturation "
                f"of up to {ACCUMULATOR_LIMIT}"
            )

    def infer(self, inputs: Sequence[Tensor], steps: int) -> Tensor:
        """Return what it emits.

        These are 0 to ``max_spikes`` spikes, or fewer where no potential suffices for so many; or
        the range of potentials.
        """
        (tensor,) = inputs
        zeros = np.zeros(tensor.shape[0], np.int64)
        if self.emits is Emits.POTENTIAL:
            least, most = self.potential_range(tensor, steps)
            least = np.maximum(least, _extreme(np.minimum, self.least, tensor.shape[0]))
            return Tensor(
                tensor.shape, least, np.minimum(most, self.saturation), Signal.ACCUMULATOR
            )
        most = np.zeros((), np.int64)
        for potentials in self._potentials(tensor, steps):
            most = np.maximum(most, self._spikes(potentials.compared))
            if bool((most == self.max_spikes).all()):
                break
        most = _extreme(np.maximum, most, tensor.shape[0])
        return Tensor(tensor.shape, zeros, most, Signal.SPIKES)

    def range_in_use(self, inputs: Sequence[Tensor], output: Tensor, steps: int) -> tuple[int, int]:
        """Return where the potentials that it keeps saturate."""
        return -self.saturation, self.saturation

    def potential_range(self, tensor: Tensor, steps: int) -> tuple[Integers, Integers]:
        """Bound each channel's potential over all steps, in units of ``2**-fraction_bits``.

        The bound holds for every value that a step computes, before saturation and before and
        after the reset, for all inputs in the range of ``tensor``.
        """
        least = most = np.zeros((), np.int64)
        for potentials in self._potentials(tensor, steps):
            least, most = np.minimum(least, potentials.low), np.maximum(most, potentials.high)
        channels = tensor.shape[0]
        return _extreme(np.minimum, least, channels), _extreme(np.maximum, most, channels)

    def current_range(self, tensor: Tensor, steps: int) -> tuple[Integers, Integers]:
        """Bound each channel's current ``i`` over all steps, in units of ``2**-fraction_bits``.

        The bound holds before saturation, for all inputs in the range of ``tensor``.
        """
        channels = tensor.shape[0]
        low, high = self._currents(tensor, steps)
        return _extreme(np.minimum, low, channels), _extreme(np.maximum, high, channels)

    def saturates(self, least: Integers, most: Integers, steps: int) -> bool:
        """Return whether clipping may change a potential that is kept or emitted.

        ``least`` and ``most`` are what :meth:`potential_range` returns for ``steps``.
        """
        used = (steps > 1 and self.keeps) or self.emits is Emits.POTENTIAL
        floor = _extreme(np.maximum, self.least, np.size(least))
        return used and bool((least < floor).any() or most.max() > self.saturation)

    def current_saturates(self, tensor: Tensor, steps: int) -> bool:
        """Return whether a synaptic current may saturate."""
        if self.decay_syn is None:
            return False
        low, high = self.current_range(tensor, steps)
        return max(-int(low.min()), int(high.max())) > self.saturation

    def _currents(self, tensor: Tensor, steps: int) -> tuple[Integers, Integers]:
        """Bound the current over all steps, in the shape of :meth:`_each`."""
        below = self._each(tensor.low) << self.fraction_bits
        above = self._each(tensor.high) << self.fraction_bits
        if self.decay_syn is None:
            return below, above
        decay = self._each(self.decay_syn)
        low = high = np.zeros_like(below + decay)
        least, most = below, above
        done = 0
        while done < steps:
            ahead = max(1, min(done // EXACT_STEPS, steps - done - 1))
            before = low, high
            least = np.minimum(least, decayed(low, decay, self.decay_bits) + below)
            most = np.maximum(most, decayed(high, decay, self.decay_bits) + above)
            # Growth never speeds up: decay takes more from larger magnitudes.
            low = -_grown(-low, -least, ahead, np.full_like(low, self.saturation))
            high = _grown(high, most, ahead, np.full_like(high, self.saturation))
            done += ahead
            if np.array_equal(before, (low, high)):
                break
        return least, most

    def _each(self, parameter: int | Integers) -> Integers:
        """Return a parameter or bound of each channel in a shape that fits those of each neuron."""
        values = np.asarray(parameter)
        parameters = (self.theta, self.decay, self.decay_syn, self.bias, self.floor)
        if values.ndim == 1 and any(np.ndim(each) == 3 for each in parameters if each is not None):
            return values[:, None, None]
        return values

    def _potentials(self, tensor: Tensor, steps: int) -> Iterator[_Potentials]:
        """Bound each potential step by step, until the bounds no longer change.

        ``low`` and ``high`` bound what is kept after any step so far; 0 lies between them.
        Their growth never speeds up, since resets, decay and saturation take more from larger
        magnitudes, and a current is bounded over all steps. So ``ahead`` times the growth of one
        step bounds that of ``ahead`` steps.
        """
        below, above = (end + self._each(self.bias) for end in self._currents(tensor, steps))
        theta = self._each(self.theta)
        shape = np.broadcast_shapes(
            theta.shape, below.shape, self._each(self.decay).shape, self._each(self.least).shape
        )
        low = high = np.zeros(shape, np.int64)
        ends = self._step(low - self.saturation, high + self.saturation, below, above)
        lowest = np.clip(-ends.low, 0, -self._each(self.least))
        highest = np.clip(ends.kept, 0, self.saturation)
        done = 0
        while done < steps:
            ahead = max(1, min(done // EXACT_STEPS, steps - done - 1))
            before, potentials = (low, high), self._step(low, high, below, above)
            yield potentials
            high = _grown(high, potentials.kept, ahead, highest)
            if ahead > 1:  # the spikes of all steps until then may lower the potential
                potentials = self._step(low, high, below, above)
            low = -_grown(-low, -potentials.low, ahead, lowest)
            done += ahead
            if np.array_equal(before, (low, high)):
                break

    def _step(self, low: Integers, high: Integers, below: Integers, above: Integers) -> _Potentials:
        """Bound one step that begins in ``low..high`` and adds ``below..above``."""
        lowest = self._decayed(low)
        integrated = self._decayed(high) + above
        if self.reset_time is not ResetTime.NEXT_STEP:
            compared = np.minimum(integrated, self.saturation)
            kept = self._left(compared, decay=False)
            return _Potentials(lowest + below, integrated, compared, kept)
        if self.reset is Reset.SUBTRACT:
            # Lowest: a potential that was just enough for its spikes, and has decayed since.
            taken = self._spikes(high) * self._each(self.theta) << self.fraction_bits
            lowest = np.minimum(lowest, self._decayed(taken) - taken)
        kept = np.minimum(self._left(high, decay=True) + above, self.saturation)
        return _Potentials(lowest + below, integrated, kept, kept)

    def _left(self, high: Integers, *, decay: bool) -> Integers:
        """Bound what decay, if it comes first, and then a reset leave of potentials to ``high``."""
        left = self._decayed(high) if decay else high
        if self.reset is Reset.NONE:
            return left
        theta = self._each(self.theta) << self.fraction_bits
        # After fewer than max_spikes spikes less than theta is left, after max_spikes any rest.
        # Where the threshold may be raised, less than twice theta does not fire.
        silent = theta * (2 if self.reset_time is ResetTime.SAME_STEP_RAISED else 1)
        silent = np.minimum(high, silent - 1 + self._strict)
        silent = self._decayed(silent) if decay else silent
        if self.reset is Reset.ZERO:
            return silent
        return np.maximum(silent, left - self.max_spikes * theta)

    def _decayed(self, potential: Integers) -> Integers:
        return decayed(potential, self._each(self.decay), self.decay_bits)

    def _spikes(self, potential: Integers) -> Integers:
        """Return how many spikes potentials emit."""
        enough = potential - self._strict
        theta = self._each(self.theta) << self.fraction_bits
        return np.clip(enough // theta, 0, self.max_spikes)

    @property
    def _strict(self) -> int:
        """How far above a threshold a potential must be."""
        return int(self.comparison is Comparison.GREATER)


def _check_theta(theta: Integers, shape: tuple[int, ...]) -> Iterator[str]:
    bad = list(check_whole("theta", theta, len(shape) if theta.ndim > 1 else 1))
    yield from bad
    if theta.shape not in (shape[:1], shape):
        ways = " or ".join(map(str, dict.fromkeys((shape[:1], shape))))
        yield f"theta has shape {theta.shape}, it must be {ways}"
    if not bad and theta.min() < 1:
        yield f"theta goes down to {theta.min()}; a membrane's threshold is at least 1"


def _check_parameter(
    name: str, value: int | Integers, shape: tuple[int, ...], low: int, high: int
) -> Iterator[str]:
    """Yield why a parameter has another shape than channels or neurons, or is out of range."""
    if isinstance(value, np.ndarray):
        bad = list(check_whole(name, value, len(shape) if value.ndim > 1 else 1))
        yield from bad
        if value.shape not in (shape[:1], shape):
            ways = " or ".join(map(str, dict.fromkeys((shape[:1], shape))))
            yield f"{name} has shape {value.shape}, it must be one integer, or {ways}"
        if bad:
            return
    found = int(np.min(value)), int(np.max(value))
    if found[0] < low or found[1] > high:
        text = str(value) if isinstance(value, int) else f"{found[0]}..{found[1]}"
        yield f"{name} is {text}; it must be in {low}..{high}"


def _extreme(extreme: np.ufunc, values: int | Integers, channels: int) -> Integers:
    """Return the extreme of each channel's neurons."""
    array = np.asarray(values, np.int64)
    while array.ndim > 1:
        array = extreme.reduce(array, axis=-1)
    return np.broadcast_to(array, (channels,)).copy()


@dataclass(frozen=True)
class _Potentials:
    """Bounds on a step's potentials, of each channel or neuron, in units of ``2**-fraction_bits``.

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


def decayed(potential: Integers, decay: int | Integers, bits: int = DECAY_BITS) -> Integers:
    """Multiply by ``(2**bits - decay) / 2**bits``, rounding towards zero, as Loihi does.

    ``decay`` is one integer or broadcasts against ``potential``.
    """
    if isinstance(decay, int) and decay == 0:
        return potential
    kept: Integers = np.asarray((1 << bits) - decay, np.int64)
    # In two parts: no product wraps around, however large the potential is.
    whole, rest = np.divmod(np.abs(potential), 1 << bits)
    result: Integers = np.sign(potential) * (whole * kept + (rest * kept >> bits))
    return result
