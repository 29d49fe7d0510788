"""Where Lava's stock LIF is exact for membranes and leaky readouts, and what it cannot do.

A step of Lava's LIF in fixed point (lava-nc 0.10.0, ``lava/proc/lif/models.py``) is::

    u = D(u, du + 1) + (a << 6)                    wraps around at 24 bits
    v = D(v, dv) + u + (bias_mant << bias_exp)     saturates at +-(2**23 - 1)
    fires if v > vth << 6, which sets v to 0

``D(s, d)`` is ``sign(s) * (abs(s) * (4096 - d) >> 12)``. So a membrane's current is ``u`` with
``du = decay_syn - 1`` where it is proven not to wrap, and its potential is ``v``. The biases of the
layers before a membrane are part of its current, but Lava adds a bias to ``v``: that is the same
where the current lasts for one step only. Else they come through synapses from always-on sources.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from edgespike.graph import Comparison, Membrane, ReadoutMode, Reset, ResetTime
from edgespike.graph.ops.membrane import DECAY_BITS, DECAY_ONE, FRACTION_BITS
from edgespike.graph.tensor import Integers
from edgespike.targets.loihi.limits import (
    BIAS_EXPONENT_HIGH,
    BIAS_HIGH,
    BIAS_LOW,
    DECAY_HIGH,
    POTENTIAL_HIGH,
    THRESHOLD_HIGH,
)
from edgespike.targets.loihi.neurons import CONSTANT_VALUE, Arriving, split


def has_current(op: Membrane) -> bool:
    """Whether any synaptic current lasts for more than a step."""
    return op.decay_syn is not None and bool(np.min(op.decay_syn) < op.decay_one)


def finer_than_loihi(op: Membrane, decay: int | Integers | None) -> bool:
    """Whether decays are no multiples of 1/4096, which is exact for all others."""
    finer = max(op.decay_bits - DECAY_BITS, 0)
    return decay is not None and bool(np.any(np.asarray(decay) & ((1 << finer) - 1)))


def whole_decays(op: Membrane, decay: int | Integers | None) -> Integers:
    """Return decays in 1/4096; ``abs(s) * (2**B - d) >> B`` stays the same."""
    decays: Integers = np.asarray(DECAY_ONE if decay is None else decay)
    more = op.decay_bits - DECAY_BITS
    return decays >> more if more > 0 else decays << -more


class StockBiases(NamedTuple):
    """Biases as stock neurons have them, each array ``(neurons,)``.

    Parameters
    ----------
    mantissas, exponent
        Added to the potential, the mantissas times 2 to the exponent, in 1/64.
    constant, units
        Part of the current, from the source of :data:`CONSTANT_VALUE` and from that of ones.
    """

    mantissas: Integers
    exponent: int
    constant: Integers
    units: Integers | None


def stock_biases(op: Membrane, arriving: Arriving) -> StockBiases | None:
    """Split a membrane's biases; ``None`` where stock neurons cannot have them."""
    own = arriving.each(op.bias)
    fraction = 1 << FRACTION_BITS
    if not has_current(op):
        if not (own % fraction).any():
            mantissas, constant = split(arriving.bias + own // fraction)
            return StockBiases(mantissas, FRACTION_BITS, constant, None)
        nothing = np.zeros_like(own)
        return _with_exponent((arriving.bias << FRACTION_BITS) + own, nothing, None)
    constant = (arriving.bias + CONSTANT_VALUE // 2) // CONSTANT_VALUE
    units = arriving.bias - constant * CONSTANT_VALUE
    return _with_exponent(own, constant, units if units.any() else None)


def _with_exponent(
    bias: Integers, constant: Integers, units: Integers | None
) -> StockBiases | None:
    """Return the mantissas of a potential's biases and an exponent that they share."""
    for exponent in (FRACTION_BITS, *range(BIAS_EXPONENT_HIGH, -1, -1)):
        mantissas = bias >> exponent
        whole = not (bias & ((1 << exponent) - 1)).any()
        if whole and mantissas.min() >= BIAS_LOW and mantissas.max() <= BIAS_HIGH:
            return StockBiases(mantissas, exponent, constant, units)
    return None


def beyond_stock(op: Membrane, arriving: Arriving, steps: int) -> list[str]:
    """Return what Lava's LIF cannot do of a membrane that keeps its potential, each with a way out.

    A LIF fires strictly above one threshold. Without decay, current and finer biases all potentials
    are multiples of 64, and ``>=`` is the same as ``>`` with a threshold lower by 1; but not where
    they saturate.
    """
    return [*_beyond_stock_firing(op), *_beyond_stock_dynamics(op, arriving, steps)]


def _beyond_stock_firing(op: Membrane) -> Iterator[str]:
    if op.reset is not Reset.ZERO:
        yield f"its reset is {op.reset.value!r}, stock neurons reset to zero: train it with that"
    elif op.reset_time is not ResetTime.SAME_STEP:
        yield (
            f"its reset comes at the {op.reset_time.value!r}, that of stock neurons with the "
            "spike: train it with that"
        )
    if op.max_spikes > 1:
        yield (
            f"it sends up to {op.max_spikes} spikes in a step, stock neurons send 1: train it "
            "with max_spikes=1"
        )
    fractional = has_current(op) or bool(np.any(np.asarray(op.bias) % (1 << FRACTION_BITS)))
    if op.comparison is not Comparison.GREATER and (np.any(op.decay) or fractional):
        what = "has fractional currents or biases" if not np.any(op.decay) else "decays"
        yield (
            f"it {what} and fires at {op.comparison.value!r} its threshold, stock neurons fire "
            f"above it: train it with {Comparison.GREATER.value!r}, or without decay"
        )
    if (op.theta != op.theta.flat[0]).any():
        yield (
            f"its thresholds are {op.theta.min()}..{op.theta.max()}, stock neurons of a layer "
            "share one: scale the weights of each channel so that they are equal"
        )


def beyond_stock_readout(
    op: Membrane, mode: ReadoutMode, arriving: Arriving, steps: int
) -> list[str]:
    """Return what Lava's LIF cannot do of a readout of potentials, each with a way out."""
    found = []
    if mode is not ReadoutMode.LAST:
        found.append(
            f"the {mode.value} of its potentials is read, stock neurons keep the last one: read "
            "that"
        )
    if op.reset is not Reset.NONE:
        found.append(f"its reset is {op.reset.value!r}: read a leaky integrator, without reset")
    _, high = op.potential_range(arriving.tensor, steps)
    if high.max() > THRESHOLD_HIGH << FRACTION_BITS:
        found.append(
            f"its potential can reach {high.max()} (in 1/64), stock neurons fire above "
            f"{THRESHOLD_HIGH << FRACTION_BITS}: use smaller weights, more decay or fewer steps"
        )
    return [*found, *_beyond_stock_dynamics(op, arriving, steps)]


def _beyond_stock_dynamics(op: Membrane, arriving: Arriving, steps: int) -> Iterator[str]:
    """Yield what Lava's LIF cannot do of a membrane, whatever it sends."""
    if op.fraction_bits != FRACTION_BITS:
        yield (
            f"its potentials have {op.fraction_bits} fraction bits, those of stock neurons "
            f"{FRACTION_BITS}: give it fraction_bits={FRACTION_BITS}"
        )
    yield from _beyond_stock_decays(op)
    if stock_biases(op, arriving) is None:
        yield (
            f"its biases (in 1/64) are no multiples of one power of 2 up to {2**BIAS_EXPONENT_HIGH}"
            f" by {BIAS_LOW}..{BIAS_HIGH}, which stock neurons have: use coarser or smaller ones"
        )
    yield from _beyond_stock_saturation(op, arriving, steps)


def _beyond_stock_decays(op: Membrane) -> Iterator[str]:
    decays = whole_decays(op, op.decay)
    if decays.min() != decays.max():
        yield (
            f"its decays are {decays.min()}..{decays.max()}, stock neurons of a layer share one: "
            "make a layer of each decay and concatenate them"
        )
    elif decays.max() > DECAY_HIGH:
        yield f"its decay is {decays.max()}, the limit of stock neurons is {DECAY_HIGH}"
    if not has_current(op):
        return
    decays = whole_decays(op, op.decay_syn)
    if decays.min() != decays.max():
        yield (
            f"its currents' decays are {decays.min()}..{decays.max()}, stock neurons of a layer "
            "share one: make a layer of each decay and concatenate them"
        )
    elif decays.min() < 1:
        yield "its current does not decay, that of stock neurons by 1 in 4096 or more: let it"


def _beyond_stock_saturation(op: Membrane, arriving: Arriving, steps: int) -> Iterator[str]:
    """Yield where currents or potentials may saturate, and a stock neuron behaves differently."""
    if op.decay_syn is not None:
        low, high = op.current_range(arriving.tensor, steps)
        limit = min(op.saturation, POTENTIAL_HIGH)
        if max(-int(low.min()), int(high.max())) > limit:
            yield (
                f"its current can reach {low.min()}..{high.max()} (in 1/64) and saturates at "
                f"+-{op.saturation}, that of stock neurons wraps around at +-{POTENTIAL_HIGH}: "
                "use smaller weights, more decay or fewer steps"
            )
    alike = op.saturation == POTENTIAL_HIGH and _fires_above(op)
    if alike and op.floor is None:
        return
    low, high = op.potential_range(arriving.tensor, steps)
    saturates = op.saturates(low, high, steps)
    if op.floor is not None and saturates and (low < np.max(op.least)).any():
        yield (
            f"its potential has a floor of {np.max(op.floor)} (in 1/64) and can reach {low.min()}, "
            "stock neurons have no floor: train it without"
        )
    elif saturates and not alike:
        yield (
            f"its potential can saturate at +-{op.saturation} (in 1/64), that of stock neurons at "
            f"+-{POTENTIAL_HIGH} and only where they fire above the threshold: use smaller "
            "weights, more decay or fewer steps"
        )


def _fires_above(op: Membrane) -> bool:
    """Whether its potentials saturate as those of a stock neuron of the same limit do."""
    return not op.emits_events or op.comparison is Comparison.GREATER
