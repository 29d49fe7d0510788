"""Which of Lava's neurons compute a node, and with which parameters.

No stock neuron compares its sum with several thresholds or takes the largest of its inputs.
edgespike has a memoryless process for each, which sends graded spikes. Membranes and leaky
readouts are in :mod:`edgespike.targets.loihi.membranes`.
"""

from __future__ import annotations

import numpy as np
from typing_extensions import assert_never

from edgespike.graph import MaxPool2d, Membrane, Readout, ReadoutMode, Threshold
from edgespike.targets.loihi.limits import THRESHOLD_HIGH
from edgespike.targets.loihi.membranes import largest_of_sums, leaky_readout, membrane
from edgespike.targets.loihi.neurons import (
    Arriving,
    NeuronKind,
    Neurons,
    least_sums,
    memoryless,
    split,
)
from edgespike.targets.loihi.rules import Neuronal
from edgespike.targets.loihi.stock import beyond_stock, beyond_stock_readout


def neurons_of(op: Neuronal, arriving: Arriving, steps: int) -> Neurons:
    """Choose the neurons for an operation in samples of ``steps`` steps."""
    match op:
        case Threshold():
            return _threshold(op, arriving)
        case Membrane():
            return membrane(op, arriving, steps)
        case MaxPool2d():
            return _max_pool(arriving)
        case Readout():
            return _readout(op, arriving, steps)
        case _:
            assert_never(op)


def beyond_stock_neurons(op: Membrane | Readout, arriving: Arriving, steps: int) -> list[str]:
    """Return what stock neurons cannot do of a membrane or readout, each with a way out."""
    if isinstance(op, Membrane):
        return beyond_stock(op, arriving, steps)
    if arriving.leak is not None:
        return beyond_stock_readout(arriving.leak, _mode(op, steps), arriving, steps)
    if _mode(op, steps) is ReadoutMode.MAX:
        return ["it keeps the largest accumulators, stock neurons their sum: read that"]
    return []


def _threshold(op: Threshold, arriving: Arriving) -> Neurons:
    theta, flipped = op.theta[arriving.channel], op.flipped[arriving.channel]
    if (op.levels, op.offset, op.unit) == (1, 0, 1):
        return memoryless(theta[:, 0], flipped, arriving)
    sign, least = least_sums(theta, flipped, arriving)
    nothing = np.zeros_like(arriving.bias)
    return Neurons(
        NeuronKind.LEVELS, nothing, nothing, sign, theta=least, offset=op.offset, unit=op.unit
    )


def _max_pool(arriving: Arriving) -> Neurons:
    nothing, ones = np.zeros_like(arriving.bias), np.ones_like(arriving.bias)
    if arriving.pooled:
        return Neurons(NeuronKind.MAXIMUM, nothing, nothing, ones)
    return memoryless(ones, nothing.astype(bool), arriving)


def _mode(op: Readout, steps: int) -> ReadoutMode:
    return ReadoutMode.LAST if steps == 1 else op.mode


def _readout(op: Readout, arriving: Arriving, steps: int) -> Neurons:
    mode = _mode(op, steps)
    if arriving.leak is not None:
        return leaky_readout(arriving.leak, mode, arriving, steps)
    if mode is ReadoutMode.MAX:
        return largest_of_sums(arriving)
    bias, constant = split(arriving.bias)
    # Of one step, the sum is the last: either way neurons start at 0.
    memory = op.mode is ReadoutMode.SUM
    return Neurons(
        NeuronKind.READOUT, bias, constant, np.ones_like(bias), vth=THRESHOLD_HIGH, memory=memory
    )
