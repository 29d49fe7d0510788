"""Count the synaptic operations of a trained module exactly, for each sample."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgespike.counting import Convention
from edgespike.errors import UnsupportedError
from edgespike.evaluation_mode import evaluating
from edgespike.nn.layers.fanout import CountedPart, every_synapse, layer_fan_out
from edgespike.nn.layers.product import EventProduct
from edgespike.nn.layers.quant_rnn import SharedUnitLinear
from edgespike.nn.layers.spike_inputs import WHOLE, SpikeInputs
from edgespike.nn.layers.weighted import QuantConv2d, QuantLinear


@torch.inference_mode()
def count_synaptic_operations(
    model: nn.Module, images: Tensor, convention: Convention = Convention.QUANTISED
) -> dict[str, Tensor]:
    """Run a module in evaluation mode and count its synaptic operations.

    A synaptic operation is one spike that arrives at one existing synapse; for activations of more
    than two states it is one non-zero level, which costs a multiply-accumulate. So does a product
    that is not zero, under the path of its `EventProduct`. Pass the module and the images in double
    precision to get exactly the spikes of the integer graph: in single precision a membrane
    potential may be rounded across its threshold.

    Parameters
    ----------
    model
        The layers that run after its first activation of few levels are counted, including the
        readout.
    images
        (samples, channels, height, width); for recurrent nets (samples, steps, features).
    convention
        Which synapses exist.

    Returns
    -------
    dict
        For each layer, by path and in the order in which the layers run, the operations of each
        sample: int64, (samples,).

    Raises
    ------
    UnsupportedError
        The convention is "quantised" and some layers have float weights (all are named), a layer
        receives fractions of spikes, or no layer runs after an activation of few levels.
    """
    inputs = SpikeInputs(model, images[:1])
    try:
        with evaluating(model):
            model(images)
        entered = inputs.latest()
    finally:
        inputs.close()
    layers = {events.layer: inputs.layers[events.layer] for events in entered}
    masks = _existing_synapses(layers, convention)
    counts: dict[str, Tensor] = {}
    for events in entered:
        name, values = events.layer, events.values
        reached = layer_fan_out(layers[name], values.shape[1:], masks[name]).long()
        # Dividing by the scale restores a level with an error far below this.
        if bool(((values - values.round()).abs() > WHOLE).any()):
            raise UnsupportedError(
                "spikes cannot be counted",
                [f"layer {name} receives fractions; let only pools and sums change spikes"],
            )
        # Where a pool or a residual block adds events, each of them is an operation of its own.
        found = (events.numbers.round().long() * reached).flatten(1).sum(dim=1)
        counts[name] = counts[name] + found if name in counts else found
    return counts


def _existing_synapses(layers: dict[str, CountedPart], convention: Convention) -> dict[str, Tensor]:
    if convention is Convention.EVERY:
        return {name: every_synapse(layer) for name, layer in layers.items()}
    if convention is Convention.NONZERO:
        return {name: _float_nonzero(layer) for name, layer in layers.items()}
    masks = {
        name: every_synapse(layer)
        if isinstance(layer, EventProduct)
        else layer.integer_weight() != 0
        for name, layer in layers.items()
        if isinstance(layer, QuantConv2d | QuantLinear | SharedUnitLinear | EventProduct)
    }
    if layers.keys() - masks.keys():
        raise UnsupportedError(
            "synapses cannot be counted by their integer weights",
            [
                f"layer {name} is a {type(layers[name]).__name__} with float weights; count by "
                "'every' or 'nonzero'"
                for name in layers
                if name not in masks
            ],
        )
    return masks


def _float_nonzero(layer: CountedPart) -> Tensor:
    if isinstance(layer, QuantConv2d | QuantLinear | SharedUnitLinear):
        return layer.float_nonzero()
    return every_synapse(layer) if isinstance(layer, EventProduct) else layer.weight != 0
