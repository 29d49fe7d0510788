"""Neurons as netx files hold them: stock neurons of one threshold, reset with each sample."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from edgespike.graph import Membrane, Readout, Threshold
from edgespike.graph.ops.membrane import DECAY_ONE, FRACTION_BITS
from edgespike.targets.loihi.choosing import beyond_stock_neurons
from edgespike.targets.loihi.neurons import Arriving, NeuronKind, Neurons


def neuron_fields(decay: int, vth: int, current_decay: int = DECAY_ONE) -> dict[str, Any]:
    """Return a neuron's data sets; ``iDecay`` is what decays in 1/4096, Lava's ``du`` plus 1."""
    return {
        "type": np.array(["CUBA"], "S10"),
        "iDecay": current_decay,
        "vDecay": decay,
        "vThMant": vth,
        "refDelay": 1,
    }


def neuron_problem(
    op: Threshold | Membrane | Readout, received: Arriving, neurons: Neurons, steps: int
) -> str:
    """Return why netx cannot hold the neurons of a node; empty if it can."""
    problem = _not_stock(op, received, neurons.kind, steps)
    if problem:
        return problem
    if neurons.current_decay < DECAY_ONE and received.bias.any():
        return (
            "has currents, and the layer before it has biases, which are part of these; netx adds "
            "biases to the potential: train the layer without biases, or run the network with "
            "run_lava.py"
        )
    if neurons.constant.any():
        return (
            "has biases or thresholds that do not fit 13 bits, which netx has for both; use "
            "smaller ones"
        )
    if neurons.bias_exponent != FRACTION_BITS:
        return (
            "has biases of its own that are no multiples of 64 (in 1/64), which netx's are; use "
            "coarser ones, or run the network with run_lava.py"
        )
    if (received.each(of_channels(neurons.bias, received.tensor.shape)) != neurons.bias).any():
        return (
            "has a bias for each neuron of a channel, netx has one for the channel; use that, or "
            "run the network with run_lava.py"
        )
    if steps > 1 and not neurons.memory:
        return (
            "forgets at each step; netx resets all neurons at once, with each sample, so use "
            "membranes in a graph of several steps"
        )
    return ""


def _not_stock(
    op: Threshold | Membrane | Readout, received: Arriving, kind: NeuronKind, steps: int
) -> str:
    """Return what stock neurons cannot do for an operation; empty if they compute it."""
    match kind:
        case NeuronKind.LIF | NeuronKind.READOUT:
            return ""
        case NeuronKind.MEMBRANE | NeuronKind.TOTAL if isinstance(op, Membrane | Readout):
            causes = "; ".join(beyond_stock_neurons(op, received, steps))
            return f"is a {op.kind} that stock neurons cannot compute: {causes}"
        case NeuronKind.LEVELS:
            return "has several levels, which stock neurons cannot send; export with --coding unary"
        case NeuronKind.MEMBRANE | NeuronKind.TOTAL | NeuronKind.MAXIMUM:
            raise TypeError(f"{kind} is not computed by {op.kind} neurons")
        case _:
            assert_never(kind)


def of_channels(values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return one value for each channel; neurons of a channel share theirs."""
    return values.reshape(shape[0], -1)[:, 0]
