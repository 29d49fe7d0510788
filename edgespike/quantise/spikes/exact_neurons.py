"""Membranes that compute exactly what neurons of dyadic numbers do, for all inputs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edgespike.floats.net import FloatNeurons, Reals
from edgespike.graph import Comparison, Membrane, Reset, Tensor
from edgespike.graph.ops.membrane import (
    DECAY_BITS,
    FRACTION_BITS,
    MOST_DECAY_BITS,
    MOST_FRACTION_BITS,
    SATURATION,
)
from edgespike.graph.tensor import ACCUMULATOR_LIMIT, Integers
from edgespike.quantise.dyadic import exact_product, fraction_bits, odd_part, shifted
from edgespike.quantise.spikes.neurons import (
    Format,
    Potentials,
    make_membrane,
    proven,
    with_spikes,
)
from edgespike.quantise.spikes.units import gain_along, needs_whole_theta


def exact_neurons(
    op: FloatNeurons, bits: Integers, odd: Integers, tensor: Tensor, steps: int
) -> Potentials | None:
    """Return a membrane that computes the same for all inputs, or ``None`` if none surely does.

    Proof: with ``m`` fraction bits in the kept factors, a step's decay needs ``m`` more bits to be
    exact, and nothing else adds any. So ``m * (steps - 1)`` bits behind those of bias and floor
    suffice: no shift loses a bit. The saturation is beyond the proven range.

    Parameters
    ----------
    bits, odd
        A unit of the input of each channel is ``2**-bits / odd``.
    tensor
        Shape and range of the input.
    """
    inner = _exact_format(op, bits, odd, steps)
    if inner is None:
        return None
    scaled, fraction, decay_bits = inner
    theta, comparison = _exact_theta(op, scaled)
    one = 1 << decay_bits
    top = ACCUMULATOR_LIMIT >> fraction
    if float(theta.max()) > top:
        return None
    membrane = make_membrane(
        op,
        Format(fraction, decay_bits, ACCUMULATOR_LIMIT),
        theta=theta.astype(np.int64),
        decay=(one - shifted(op.beta, decay_bits)).astype(np.int64),
        decay_syn=None
        if op.alpha is None
        else (one - shifted(op.alpha, decay_bits)).astype(np.int64),
        bias=None if op.bias is None else scaled.of(op.bias) * 2.0**fraction,
        floor=None if op.floor is None else scaled.of(op.floor) * 2.0**fraction,
    )
    membrane = replace(membrane, comparison=comparison)
    membrane = with_spikes(membrane, op.max_spikes, tensor, steps)
    limit = ACCUMULATOR_LIMIT // steps if op.emits_potential else ACCUMULATOR_LIMIT
    return _saturated(membrane, tensor, steps, limit, scaled.unit(op, fraction))


@dataclass(frozen=True, eq=False)
class _Scaled:
    """Real numbers in whole units of a neuron's input, gain included: ``x * 2**shift * factor``."""

    shift: Integers
    factor: Integers

    def of(self, values: Reals) -> Reals:
        ndim = max(values.ndim, self.shift.ndim)
        each = values.reshape(values.shape + (1,) * (ndim - values.ndim))
        own = (x.reshape(x.shape + (1,) * (ndim - x.ndim)) for x in (self.shift, self.factor))
        shift, factor = own
        return shifted(each, shift) * factor

    def bits(self, values: Reals | None) -> int:
        """Return the fraction bits of values in these units, at least 0."""
        if values is None:
            return 0
        return max(0, int(fraction_bits(self.of(values)).max()))

    def unit(self, op: FloatNeurons, fraction: int) -> Reals:
        return (1 / self.of(np.ones_like(op.threshold)) / 2.0**fraction).reshape(-1)


def _exact_format(
    op: FloatNeurons, bits: Integers, odd: Integers, steps: int
) -> tuple[_Scaled, int, int] | None:
    """Return the scale, fraction bits and decay bits that are enough; ``None`` if none are."""
    gain = gain_along(op)
    ndim = op.threshold.ndim
    own_bits, own_odd = (x.reshape(-1, *(1,) * (ndim - 1)) for x in (bits, odd))
    scaled = _Scaled(own_bits + fraction_bits(gain), own_odd // odd_part(gain))
    if bool((own_odd % odd_part(gain)).any()):
        return None
    parameters, factor = (op.threshold, op.bias, op.floor), scaled.factor.astype(np.float64)
    if any(x is not None and not exact_product(x, factor) for x in parameters):
        return None
    factors = [op.beta] if op.alpha is None else [op.beta, op.alpha]
    each = max(0, *(int(fraction_bits(factor).max()) for factor in factors))
    needed = max(scaled.bits(op.bias), scaled.bits(op.floor)) + each * (steps - 1)
    decay_bits, fraction = max(DECAY_BITS, each), max(FRACTION_BITS, needed)
    if decay_bits > MOST_DECAY_BITS or fraction > MOST_FRACTION_BITS:
        return None
    if needs_whole_theta(op) and scaled.bits(op.threshold):
        return None
    return scaled, fraction, decay_bits


def _exact_theta(op: FloatNeurons, scaled: _Scaled) -> tuple[Reals, Comparison]:
    """Return whole thresholds between which potentials, which are whole, never lie."""
    if op.emits_potential and op.reset is Reset.NONE:
        return np.ones_like(op.threshold), op.comparison
    theta = scaled.of(op.threshold)
    if needs_whole_theta(op):
        return theta, op.comparison
    if op.comparison is Comparison.GREATER:
        return np.floor(theta) + 1, Comparison.GREATER_EQUAL
    return np.ceil(theta), op.comparison


def _saturated(
    op: Membrane, tensor: Tensor, steps: int, limit: int, scale: Reals
) -> Potentials | None:
    """Return neurons that never saturate; ``None`` if their potentials may exceed ``limit``."""
    most = proven(op, tensor, steps)
    needed = int(most.max())
    if needed > limit:
        return None
    enough = SATURATION if needed <= SATURATION else min((1 << needed.bit_length()) - 1, limit)
    return Potentials(replace(op, saturation=enough), most, scale)
