"""Membranes and leaky readouts: stock LIF where it is exact, edgespike's own process else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import Comparison, Membrane, ReadoutMode, Reset, ResetTime
from edgespike.graph.ops.membrane import DECAY_ONE, FRACTION_BITS
from edgespike.graph.tensor import Integers
from edgespike.targets.loihi.limits import POTENTIAL_HIGH, THRESHOLD_HIGH
from edgespike.targets.loihi.neurons import (
    Arriving,
    Dynamics,
    NeuronKind,
    Neurons,
    memoryless,
    split,
)
from edgespike.targets.loihi.stock import (
    beyond_stock,
    beyond_stock_readout,
    has_current,
    stock_biases,
    whole_decays,
)


def membrane(op: Membrane, arriving: Arriving, steps: int) -> Neurons:
    """Choose the neurons for a membrane that sends spikes."""
    if is_memoryless(op, arriving, steps):
        return memoryless(_least_that_fire(op, arriving), _upright(arriving), arriving)
    if not beyond_stock(op, arriving, steps):
        strict = op.comparison is Comparison.GREATER
        vth = int(op.theta.flat[0]) - (not strict)
        return _stock(NeuronKind.LIF, op, arriving, vth)
    return _own(NeuronKind.MEMBRANE, op, arriving)


def leaky_readout(op: Membrane, mode: ReadoutMode, arriving: Arriving, steps: int) -> Neurons:
    """Choose the neurons for a readout of potentials."""
    if not beyond_stock_readout(op, mode, arriving, steps):
        return _stock(NeuronKind.READOUT, op, arriving, THRESHOLD_HIGH)
    return _own(NeuronKind.TOTAL, op, arriving, mode)


def largest_of_sums(arriving: Arriving) -> Neurons:
    """Return neurons that keep the largest sum of a sample: membranes that forget all else."""
    ones = np.ones(arriving.tensor.shape[:1], np.int64)
    forgets = Membrane(ones, DECAY_ONE, Reset.NONE, fraction_bits=0)
    return _own(NeuronKind.TOTAL, forgets, arriving, ReadoutMode.MAX)


def is_memoryless(op: Membrane, arriving: Arriving, steps: int) -> bool:
    """Whether no step depends on the steps before it, and there is one spike at most.

    What saturates is then enough for a spike, but for a current that a bias is added to.
    """
    one = op.decay_one
    forgets = not op.keeps and (op.decay_syn is None or bool(np.min(op.decay_syn) == one))
    forgets &= op.reset_time is ResetTime.SAME_STEP
    alone = steps == 1 or forgets
    return op.max_spikes == 1 and alone and not op.current_saturates(arriving.tensor, steps)


def _least_that_fire(op: Membrane, arriving: Arriving) -> Integers:
    """Return the least sums, ``(neurons,)``, with which a potential that starts at 0 fires."""
    enough = (arriving.each(op.theta) << op.fraction_bits) + (op.comparison is Comparison.GREATER)
    least: Integers = -((arriving.each(op.bias) - enough) >> op.fraction_bits)
    return least


def _upright(arriving: Arriving) -> NDArray[np.bool_]:
    return np.zeros(arriving.tensor.size, bool)


def _stock(kind: NeuronKind, op: Membrane, arriving: Arriving, vth: int) -> Neurons:
    """Return stock neurons; nothing is beyond them, see :mod:`edgespike.targets.loihi.stock`."""
    found = stock_biases(op, arriving)
    if found is None:
        raise ValueError("no bias mantissas of stock neurons give these biases")
    current = int(whole_decays(op, op.decay_syn).flat[0]) if has_current(op) else DECAY_ONE
    return Neurons(
        kind,
        found.mantissas,
        found.constant,
        np.ones_like(found.mantissas),
        units=found.units,
        vth=vth,
        decay=int(whole_decays(op, op.decay).flat[0]),
        current_decay=current,
        bias_exponent=found.exponent,
        memory=True,
        fraction_bits=0 if kind is NeuronKind.READOUT else FRACTION_BITS,
    )


def _own(
    kind: NeuronKind, op: Membrane, arriving: Arriving, mode: ReadoutMode | None = None
) -> Neurons:
    bias, constant = split(arriving.bias)
    current = None if op.decay_syn is None else arriving.each(whole_decays(op, op.decay_syn))
    dynamics = Dynamics(
        op=op,
        theta=arriving.each(op.theta),
        decay=arriving.each(whole_decays(op, op.decay)),
        current_decay=current,
        potential_bias=arriving.each(op.bias),
        least=np.maximum(arriving.each(op.least), -POTENTIAL_HIGH),
        answer=mode,
    )
    return Neurons(kind, bias, constant, np.ones_like(bias), memory=True, dynamics=dynamics)
