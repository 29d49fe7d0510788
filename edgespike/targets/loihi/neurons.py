"""The parameters of a population of Lava's neurons, or of edgespike's own.

Lava's stock neurons share one threshold in a population and fire strictly above it. With the sum
``s`` of a neuron's synapses, a channel that must fire at ``s + b >= theta`` gets the bias ``vth +
1 - (theta - b)`` instead, which is the same comparison. A flipped channel, which fires at
``s + b < theta``, gets negated weights: ``-s - b >= 1 - theta``.

A bias that does not fit its 13 bits is split: a multiple of :data:`CONSTANT_VALUE` comes through
a synapse from a source that sends this value at every step, the rest stays a bias. Where a bias is
part of a lasting current, the rest comes from a source that sends 1 at every step, through two
synapses: see :meth:`Neurons.always_on`.

:mod:`edgespike.targets.loihi.choosing` says which neurons compute which operation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from enum import Enum
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import Membrane, ReadoutMode, Tensor
from edgespike.graph.ops.membrane import DECAY_ONE, FRACTION_BITS
from edgespike.graph.tensor import Integers, per_channel
from edgespike.targets.loihi.limits import BIAS_HIGH, BIAS_LOW, POTENTIAL_HIGH, THRESHOLD_HIGH
from edgespike.targets.shared.thresholds import upright

CONSTANT_VALUE = 2**12
"""What the always-on source sends: with a bias of half as much either way it reaches everything."""


_UNITS_EXPONENT = 6
_UNITS = 1 << _UNITS_EXPONENT


class NeuronKind(Enum):
    """The kinds of neurons, with the names that the simulator knows."""

    LIF = "lif"
    """Lava's ``LIFReset``."""
    READOUT = "readout"
    """``LIFReset`` that never fires: its potential is read."""
    MEMBRANE = "membrane"
    TOTAL = "total"
    """A membrane that sends its potential, or the sum or largest of a sample's: a readout."""
    LEVELS = "levels"
    MAXIMUM = "maximum"


OWN_PROCESSES = frozenset(
    {NeuronKind.MEMBRANE, NeuronKind.TOTAL, NeuronKind.LEVELS, NeuronKind.MAXIMUM}
)
"""Kinds of neurons that Lava does not have, see ``simulator/lava_processes``."""

READOUTS = frozenset({NeuronKind.READOUT, NeuronKind.TOTAL})
"""Kinds of neurons that send nothing to others; their values are read."""


@dataclass(frozen=True)
class Arriving:
    """What is known before a run about the sums that arrive.

    There is one sum per neuron, or one for each element that neurons pool.

    Parameters
    ----------
    tensor
        Shape of all sums, and range of each channel's, including the biases of the layers before.
    bias
        The constant part of each sum, ``(sums,)``.
    pooled
        Whether a max pool takes the largest of the sums.
    leak
        The leaky integrator that a readout reads, see :attr:`edgespike.graph.Emits.POTENTIAL`.
    """

    tensor: Tensor
    bias: Integers
    pooled: bool = False
    leak: Membrane | None = None

    @cached_property
    def channel(self) -> NDArray[np.int64]:
        """Each sum's channel, ``(sums,)``."""
        return self.each(np.arange(self.tensor.shape[0]))

    @property
    def low(self) -> Integers:
        """Least value of each sum, ``(sums,)``."""
        return self.tensor.low[self.channel]

    @property
    def high(self) -> Integers:
        """Largest value of each sum, ``(sums,)``."""
        return self.tensor.high[self.channel]

    def each(self, values: int | Integers) -> Integers:
        """Return a membrane's parameter for each neuron, ``(sums,)``.

        It is one number, or has an entry for each channel or for each neuron.
        """
        array, shape = np.asarray(values), self.tensor.shape
        if array.ndim == 1:
            array = per_channel(array, len(shape))
        return np.broadcast_to(array, shape).ravel()


@dataclass(frozen=True)
class Dynamics:
    """What edgespike's own membranes compute, each array ``(neurons,)``.

    Parameters
    ----------
    op
        The operation; of its parameters, those below may be other numbers of the same effect.
    theta
        Thresholds, in the accumulator's unit.
    decay, current_decay
        What potentials and currents forget at each step, in 1/4096; ``None`` without currents.
    potential_bias, least
        What is added to potentials at each step, and their least value, in units of
        ``2**-op.fraction_bits``.
    answer
        Which of a sample's potentials a readout answers with; ``None`` for neurons that send
        spikes.
    """

    op: Membrane
    theta: Integers
    decay: Integers
    current_decay: Integers | None
    potential_bias: Integers
    least: Integers
    answer: ReadoutMode | None = None

    def describe(self) -> dict[str, Any]:
        """Return everything but what differs between neurons, for JSON."""
        op = self.op
        return {
            "reset": op.reset.value,
            "reset_time": op.reset_time.value,
            "comparison": op.comparison.value,
            "max_spikes": op.max_spikes,
            "saturation": min(op.saturation, POTENTIAL_HIGH),
            "fraction_bits": op.fraction_bits,
            "answer": None if self.answer is None else self.answer.value,
            **{name: int(values[0]) for name, values in self._values() if _alike(values)},
        }

    def arrays(self) -> dict[str, Integers]:
        """Return what differs between neurons, by the names that the simulator knows."""
        return {name: values for name, values in self._values() if not _alike(values)}

    def _values(self) -> Iterator[tuple[str, Integers]]:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                yield field.name, value


def _alike(values: Integers) -> bool:
    return bool((values == values[0]).all())


@dataclass(frozen=True)
class Neurons:
    """The parameters of one population, for each sum that its synapses compute.

    There is one sum per neuron; for ``maximum``, one for each element that is pooled.

    Parameters
    ----------
    kind
        Which of Lava's neurons, or of edgespike's own, :data:`OWN_PROCESSES`.
    bias
        Bias mantissa of each neuron, in units of ``2**(bias_exponent - 6)`` of the accumulator's.
    constant
        Weight of each neuron's synapse from the always-on source; 0 means no synapse.
    units
        What arrives at each neuron from the source of ones; ``None`` for nothing.
    sign
        What a neuron's weights are multiplied by, 1 or -1.
    theta
        For ``levels``, the least sums that reach each level, ``(neurons, levels)``.
    offset, unit
        For ``levels``, what neurons send if no threshold is reached, and what each one adds.
    vth, decay, current_decay
        The population's threshold, and what potentials and currents forget at each step in 1/4096,
        for stock neurons.
    bias_exponent
        Exponent of 2 that the bias mantissas share.
    memory
        Whether the potential lasts for a sample, or for one step only.
    fraction_bits
        For ``readout``, fractional bits to drop from the potential that is read.
    dynamics
        For edgespike's own membranes and readouts, ``membrane`` and ``total``, all else.
    """

    kind: NeuronKind
    bias: Integers
    constant: Integers
    sign: Integers
    units: Integers | None = None
    theta: Integers | None = None
    offset: int = 0
    unit: int = 1
    vth: int = 0
    decay: int = 0
    current_decay: int = DECAY_ONE
    bias_exponent: int = FRACTION_BITS
    memory: bool = False
    fraction_bits: int = FRACTION_BITS
    dynamics: Dynamics | None = None

    @property
    def from_sources(self) -> Integers:
        """What arrives at each neuron from the always-on sources, ``(neurons,)``."""
        return self.constant * CONSTANT_VALUE + (0 if self.units is None else self.units)

    def always_on(self) -> Iterator[tuple[int, int, Integers]]:
        """Yield synapses from always-on sources: the value sent, the exponent, all weights.

        Of the units, which stay below :data:`CONSTANT_VALUE`, one synapse has the multiple of 64.
        """
        yield CONSTANT_VALUE, 0, self.constant
        if self.units is not None:
            upper = (self.units + _UNITS // 2) // _UNITS
            yield 1, _UNITS_EXPONENT, upper
            yield 1, 0, self.units - upper * _UNITS


def memoryless(theta: Integers, flipped: NDArray[np.bool_], arriving: Arriving) -> Neurons:
    """Return stock neurons that compare this step's sum with a threshold, ``(neurons,)``."""
    sign, least = least_sums(theta[:, None], flipped, arriving)
    least = least[:, 0]
    middle = (int(least.min()) + int(least.max())) // 2
    vth = min(max(middle - 1, 0), THRESHOLD_HIGH)
    bias, constant = split(vth + 1 - least)
    return Neurons(NeuronKind.LIF, bias, constant, sign, vth=vth)


def least_sums(
    theta: Integers, flipped: NDArray[np.bool_], arriving: Arriving
) -> tuple[Integers, Integers]:
    """Return the sign of a neuron's weights, and the least sums of its synapses that reach a level.

    ``theta`` and these sums are ``(neurons, levels)``.
    """
    sign, theta, _, _ = upright(theta, flipped, arriving.low, arriving.high)
    return sign, theta - (sign * arriving.bias)[:, None]


def split(bias: Integers) -> tuple[Integers, Integers]:
    """Split biases into mantissas and weights of the always-on source."""
    fits = (bias >= BIAS_LOW) & (bias <= BIAS_HIGH)
    constant = np.where(fits, 0, (bias + CONSTANT_VALUE // 2) // CONSTANT_VALUE)
    return bias - constant * CONSTANT_VALUE, constant
