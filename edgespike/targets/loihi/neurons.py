"""Which of Lava's neurons compute a node, and with which parameters.

Lava's stock neurons share one threshold in a population and fire strictly above it. With the sum
``s`` of a neuron's synapses, a channel that must fire at ``s + b >= theta`` gets the bias ``vth +
1 - (theta - b)`` instead, which is the same comparison. A flipped channel, which fires at
``s + b < theta``, gets negated weights: ``-s - b >= 1 - theta``.

No stock neuron compares its sum with several thresholds or takes the largest of its inputs.
edgespike has a memoryless process for each, which sends graded spikes.

A bias that does not fit its 13 bits is split: a multiple of :data:`CONSTANT_VALUE` comes through
a synapse from a source that sends this value at every step, the rest stays a bias.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from edgespike.graph import (
    Comparison,
    MaxPool2d,
    Membrane,
    Readout,
    ReadoutMode,
    Reset,
    ResetTime,
    Signal,
    Tensor,
    Threshold,
)
from edgespike.graph.ops.membrane import DECAY_ONE
from edgespike.graph.tensor import Integers
from edgespike.targets.loihi.limits import (
    BIAS_HIGH,
    BIAS_LOW,
    DECAY_HIGH,
    POTENTIAL_HIGH,
    THRESHOLD_HIGH,
)
from edgespike.targets.loihi.rules import Neuronal
from edgespike.targets.shared.thresholds import upright

CONSTANT_VALUE = 2**12
"""What the always-on source sends: with a bias of half as much either way it reaches everything."""


class NeuronKind(Enum):
    """The kinds of neurons, with the names that the simulator knows."""

    LIF = "lif"
    """Lava's ``LIFReset``."""
    READOUT = "readout"
    """``LIFReset`` that never fires: its potential is read."""
    MEMBRANE = "membrane"
    LEVELS = "levels"
    MAXIMUM = "maximum"


OWN_PROCESSES = frozenset({NeuronKind.MEMBRANE, NeuronKind.LEVELS, NeuronKind.MAXIMUM})
"""Kinds of neurons that Lava does not have, see ``simulator/lava_processes``."""


@dataclass(frozen=True)
class Arriving:
    """What is known before a run about the sums that arrive, all ``(sums,)``.

    There is one sum per neuron, or one for each element that neurons pool.

    Parameters
    ----------
    channel
        Each sum's channel.
    low, high
        Range of the sum, including the biases of the layers before it.
    bias
        The constant part of the sum.
    pooled
        Whether a max pool takes the largest of the sums.
    """

    channel: NDArray[np.int64]
    low: Integers
    high: Integers
    bias: Integers
    pooled: bool = False


@dataclass(frozen=True)
class Neurons:
    """The parameters of one population, for each sum that its synapses compute.

    There is one sum per neuron; for ``maximum``, one for each element that is pooled.

    Parameters
    ----------
    kind
        Which of Lava's neurons, or of edgespike's own, :data:`OWN_PROCESSES`.
    bias
        Bias mantissa of each neuron, in the accumulator's unit.
    constant
        Weight of each neuron's synapse from the always-on source; 0 means no synapse.
    sign
        What a neuron's weights are multiplied by, 1 or -1.
    theta
        For a membrane, each neuron's threshold, ``(neurons,)``; for ``levels``, the least sums that
        reach each level, ``(neurons, levels)``.
    vth, decay
        The population's threshold and decay.
    memory
        Whether the potential lasts for a sample, or for one step only.
    """

    kind: NeuronKind
    bias: Integers
    constant: Integers
    sign: Integers
    theta: Integers | None = None
    vth: int = 0
    decay: int = 0
    memory: bool = False


def neurons_of(op: Neuronal, arriving: Arriving, steps: int) -> Neurons:
    """Choose the neurons for an operation in samples of ``steps`` steps."""
    match op:
        case Threshold():
            return _threshold(op, arriving)
        case Membrane():
            return _membrane(op, arriving, steps)
        case MaxPool2d():
            return _max_pool(arriving)
        case Readout():
            return _readout(op, arriving)
        case _:
            assert_never(op)


def _threshold(op: Threshold, arriving: Arriving) -> Neurons:
    theta, flipped = op.theta[arriving.channel], op.flipped[arriving.channel]
    if op.levels == 1:
        return _memoryless(theta[:, 0], flipped, arriving)
    sign, least = _least(theta, flipped, arriving)
    nothing = np.zeros_like(arriving.bias)
    return Neurons(NeuronKind.LEVELS, nothing, nothing, sign, theta=least)


def _membrane(op: Membrane, arriving: Arriving, steps: int) -> Neurons:
    strict = op.comparison is Comparison.GREATER
    theta = op.theta[arriving.channel]
    if is_memoryless(op, steps):
        return _memoryless(theta + strict, np.zeros(theta.shape, bool), arriving)
    bias, constant = _split(arriving.bias)
    ones = np.ones_like(bias)
    if not beyond_stock(op, arriving, steps):
        vth = int(theta[0]) - (not strict)
        return Neurons(NeuronKind.LIF, bias, constant, ones, vth=vth, decay=op.decay, memory=True)
    return Neurons(
        NeuronKind.MEMBRANE, bias, constant, ones, theta=theta, decay=op.decay, memory=True
    )


def _max_pool(arriving: Arriving) -> Neurons:
    nothing, ones = np.zeros_like(arriving.bias), np.ones_like(arriving.bias)
    if arriving.pooled:
        return Neurons(NeuronKind.MAXIMUM, nothing, nothing, ones)
    return _memoryless(ones, nothing.astype(bool), arriving)


def _readout(op: Readout, arriving: Arriving) -> Neurons:
    bias, constant = _split(arriving.bias)
    sums = op.mode is ReadoutMode.SUM
    return Neurons(
        NeuronKind.READOUT, bias, constant, np.ones_like(bias), vth=THRESHOLD_HIGH, memory=sums
    )


def is_memoryless(op: Membrane, steps: int) -> bool:
    """Whether no step depends on the steps before it, and there is one spike at most."""
    forgets = op.decay == DECAY_ONE and op.reset_time is ResetTime.SAME_STEP
    return op.max_spikes == 1 and (steps == 1 or forgets)


def beyond_stock(op: Membrane, arriving: Arriving, steps: int) -> list[str]:
    """Return what Lava's LIF cannot do of a membrane that keeps its potential, each with a way out.

    A LIF fires strictly above one threshold. Without decay all potentials are multiples of 64, and
    ``>=`` is the same as ``>`` with a threshold lower by 1; but not where they saturate.
    """
    found = []
    if op.reset is not Reset.ZERO:
        found.append(
            f"its reset is {op.reset.value!r}, stock neurons reset to zero: train it with that"
        )
    elif op.reset_time is not ResetTime.SAME_STEP:
        found.append(
            f"its reset comes at the {op.reset_time.value!r}, that of stock neurons with the "
            "spike: train it with that"
        )
    if op.max_spikes > 1:
        found.append(
            f"it sends up to {op.max_spikes} spikes in a step, stock neurons send 1: train it "
            "with max_spikes=1"
        )
    if op.decay > DECAY_HIGH:
        found.append(f"its decay is {op.decay}, the limit of stock neurons is {DECAY_HIGH}")
    if op.comparison is not Comparison.GREATER and op.decay != 0:
        found.append(
            f"it decays and fires at {op.comparison.value!r} its threshold, stock neurons fire "
            f"above it: train it with {Comparison.GREATER.value!r}, or without decay"
        )
    if (op.theta != op.theta[0]).any():
        found.append(
            f"its thresholds are {op.theta.min()}..{op.theta.max()}, stock neurons of a layer "
            "share one: scale the weights of each channel so that they are equal"
        )
    if _saturates_unlike_stock(op, arriving, steps):
        found.append(
            f"its potential can saturate at +-{op.saturation} (in 1/64), that of stock neurons at "
            f"+-{POTENTIAL_HIGH} and only where they fire above the threshold: use smaller "
            "weights, more decay or fewer steps"
        )
    return found


def _saturates_unlike_stock(op: Membrane, arriving: Arriving, steps: int) -> bool:
    """Return whether a potential may saturate where a stock neuron would behave differently."""
    if op.saturation == POTENTIAL_HIGH and op.comparison is Comparison.GREATER:
        return False
    _, first = np.unique(arriving.channel, return_index=True)
    low, high = arriving.low[first], arriving.high[first]
    tensor = Tensor(op.theta.shape, low, high, Signal.ACCUMULATOR)
    return op.saturates(*op.potential_range(tensor, steps), steps)


def _memoryless(theta: Integers, flipped: NDArray[np.bool_], arriving: Arriving) -> Neurons:
    """Return neurons that compare this step's sum with a threshold."""
    sign, least = _least(theta[:, None], flipped, arriving)
    least = least[:, 0]
    middle = (int(least.min()) + int(least.max())) // 2
    vth = min(max(middle - 1, 0), THRESHOLD_HIGH)
    bias, constant = _split(vth + 1 - least)
    return Neurons(NeuronKind.LIF, bias, constant, sign, vth=vth)


def _least(
    theta: Integers, flipped: NDArray[np.bool_], arriving: Arriving
) -> tuple[Integers, Integers]:
    """Return the sign of a neuron's weights, and the least sums of its synapses that reach a level.

    ``theta`` and these sums are ``(neurons, levels)``.
    """
    sign, theta, _, _ = upright(theta, flipped, arriving.low, arriving.high)
    return sign, theta - (sign * arriving.bias)[:, None]


def _split(bias: Integers) -> tuple[Integers, Integers]:
    """Split biases into mantissas and weights of the always-on source."""
    fits = (bias >= BIAS_LOW) & (bias <= BIAS_HIGH)
    constant = np.where(fits, 0, (bias + CONSTANT_VALUE // 2) // CONSTANT_VALUE)
    return bias - constant * CONSTANT_VALUE, constant
