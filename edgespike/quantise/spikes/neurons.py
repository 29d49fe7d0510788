"""Membranes in whole numbers of neurons in real numbers, exact or in a given format."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edgespike.floats.net import FloatNeurons, Reals
from edgespike.graph import Emits, Membrane, Reset, ResetTime, Tensor
from edgespike.graph.ops.membrane import (
    DECAY_BITS,
    FRACTION_BITS,
    SATURATION,
)
from edgespike.graph.tensor import ACCUMULATOR_LIMIT, Integers
from edgespike.quantise.spikes.units import gain_along

MOST_SATURATION = 2**47 - 1
"""Largest saturation of rounded neurons; far from where a few sums would wrap around."""

FINE_FRACTION_BITS = 20
"""Most fraction bits of neurons that only the cpu target takes anyway."""


@dataclass(frozen=True)
class Format:
    """The precision of rounded neurons.

    Parameters
    ----------
    fraction_bits, decay_bits, saturation
        As in :class:`Membrane`.
    """

    fraction_bits: int = FRACTION_BITS
    decay_bits: int = DECAY_BITS
    saturation: int = SATURATION


@dataclass(frozen=True, eq=False)
class Potentials:
    """Neurons in whole numbers.

    Parameters
    ----------
    op
        The neurons.
    most
        Proven largest magnitude of a potential or current of each channel, in
        ``2**-fraction_bits``; or what its spikes need, if that is more.
    scale
        Real value of one unit of a potential, one axis: of each channel or of each neuron.
    """

    op: Membrane
    most: Integers
    scale: Reals


def rounded_neurons(
    op: FloatNeurons, unit: Reals, tensor: Tensor, steps: int, form: Format
) -> Potentials:
    """Return a membrane whose parameters are rounded to the nearest whole ones.

    Parameters
    ----------
    unit
        Real value of one unit of the input of each channel.
    tensor
        Shape and range of the input.
    form
        Its precision. A potential may be beyond its saturation, see `Potentials.most`.
    """
    own = gain_along(op) * unit.reshape(-1, *(1,) * (op.threshold.ndim - 1))

    def scaled(values: Reals | None, bits: int) -> Reals | None:
        if values is None:
            return None
        ndim = max(values.ndim, own.ndim)
        each = values.reshape(values.shape + (1,) * (ndim - values.ndim))
        step = own.reshape(own.shape + (1,) * (ndim - own.ndim))
        return np.asarray(np.rint(each / step * 2.0**bits), np.float64)

    one = 1 << form.decay_bits
    reachable = (form.saturation - 1) >> form.fraction_bits
    raised = 1 + (op.reset_time is ResetTime.SAME_STEP_RAISED)
    if op.emits_potential and op.reset is Reset.NONE:
        theta = np.ones_like(op.threshold)
    else:
        theta = np.clip(np.asarray(scaled(op.threshold, 0)), 1, reachable // raised)
    bias, floor = scaled(op.bias, form.fraction_bits), scaled(op.floor, form.fraction_bits)
    membrane = make_membrane(
        op,
        form,
        theta=theta.astype(np.int64),
        decay=np.rint((1 - op.beta) * one).astype(np.int64),
        decay_syn=None if op.alpha is None else np.rint((1 - op.alpha) * one).astype(np.int64),
        bias=None if bias is None else np.clip(bias, -form.saturation, form.saturation),
        floor=None if floor is None else np.clip(floor, -form.saturation, 0),
    )
    membrane = with_spikes(membrane, op.max_spikes, tensor, steps)
    most = proven(membrane, tensor, steps)
    channels = np.broadcast_to(own, op.threshold.shape)
    return Potentials(membrane, most, (channels / 2.0**form.fraction_bits).reshape(-1))


def make_membrane(
    op: FloatNeurons,
    form: Format,
    theta: Integers,
    decay: Integers,
    decay_syn: Integers | None,
    bias: Reals | None,
    floor: Reals | None,
) -> Membrane:
    """Return a membrane that emits one spike at most, with these whole parameters."""
    return Membrane(
        theta,
        _uniform(decay),
        op.reset,
        op.reset_time,
        op.comparison,
        1,
        form.saturation,
        decay_syn=None if decay_syn is None else _uniform(decay_syn),
        bias=0 if bias is None else _uniform(bias.astype(np.int64)),
        floor=None if floor is None else _uniform(floor.astype(np.int64)),
        fraction_bits=form.fraction_bits,
        decay_bits=form.decay_bits,
        emits=Emits.POTENTIAL if op.emits_potential else Emits.SPIKES,
    )


def _uniform(values: Integers) -> int | Integers:
    """Return the one value of all neurons, or an array of one axis where channels suffice."""
    first = int(values.flat[0])
    if bool((values == first).all()):
        return first
    return values.reshape(-1) if values.size == len(values) else values


def with_spikes(op: Membrane, most: int, tensor: Tensor, steps: int) -> Membrane:
    """Return neurons with no more than ``most`` spikes a step, and no more than they can reach."""
    if most == 1:
        return op
    free = replace(op, max_spikes=most, saturation=ACCUMULATOR_LIMIT)
    reached = free.infer([tensor], steps).bounds[1] if op.emits_events else most
    return replace(op, max_spikes=max(1, reached))


def proven(op: Membrane, tensor: Tensor, steps: int) -> Integers:
    """Bound the magnitude of each channel's potentials, currents and biases.

    It is also at least what the thresholds of all spikes of a step need.
    """
    free = replace(op, saturation=ACCUMULATOR_LIMIT)
    channels = tensor.shape[0]
    found = list(free.potential_range(tensor, steps))
    if op.decay_syn is not None:
        found += free.current_range(tensor, steps)
    spikes = op.max_spikes + (op.reset_time is ResetTime.SAME_STEP_RAISED)
    theta = np.full(channels, op.theta.max()) if op.max_spikes > 1 else op.theta
    found.append((theta * spikes << op.fraction_bits) + 1)
    found += [np.asarray(each) for each in (op.bias, op.floor) if each is not None]
    ends = [_largest(np.abs(each), channels) for each in found]
    return np.asarray(np.maximum.reduce(ends), np.int64)


def _largest(values: Integers, channels: int) -> Integers:
    """Return the largest value of each channel."""
    if values.ndim == 0:
        return np.full(channels, values)
    return np.asarray(values.reshape(channels, -1).max(axis=1), np.int64)
