"""Count the synaptic operations of a trained module exactly, sample by sample."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from edgespike.counting import Convention
from edgespike.errors import UnsupportedError
from edgespike.nn.fanout import SpikeInputs, Weighted, fan_out
from edgespike.nn.layers import QuantConv2d, QuantLinear


@torch.inference_mode()
def count_synaptic_operations(
    model: nn.Module, images: Tensor, convention: Convention = Convention.QUANTISED
) -> dict[str, Tensor]:
    """Run a module in evaluation mode and count its synaptic operations.

    A synaptic operation is one spike that arrives at one existing synapse. Give the module and the
    images in double precision to have the spikes of the integer graph: in single precision a
    membrane potential may be rounded across its threshold.

    Parameters
    ----------
    model
        Its layers that run after its first `SpikeActivation` are counted, the readout among them.
    images
        (samples, channels, height, width).
    convention
        Which synapses exist.

    Returns
    -------
    dict
        For each layer, by path, the operations of each sample: int64, (samples,). They are in the
        order in which they run.

    Raises
    ------
    UnsupportedError
        The convention is "quantised" and layers have float weights (all of them are named), a
        layer receives fractions of spikes, or no
        layer runs after a `SpikeActivation`.
    """
    inputs = SpikeInputs(model)
    try:
        with _evaluating(model):
            model(images)
        entered = inputs.latest()
    finally:
        inputs.close()
    layers = {name: inputs.layers[name] for name, _ in entered}
    masks = _existing_synapses(layers, convention)
    counts: dict[str, Tensor] = {}
    for name, spikes in entered:
        reached = fan_out(layers[name], spikes.shape[1:], masks[name]).long()
        if bool((spikes != spikes.floor()).any()):
            raise UnsupportedError(
                "spikes cannot be counted",
                [f"layer {name} receives fractions; pool spikes with SumPool2d, not with a mean"],
            )
        # A pool that sums has let several spikes meet: each is an operation of its own.
        found = (spikes.long() * reached).flatten(1).sum(dim=1)
        counts[name] = counts[name] + found if name in counts else found
    return counts


def _existing_synapses(layers: dict[str, Weighted], convention: Convention) -> dict[str, Tensor]:
    if convention is Convention.EVERY:
        return {name: torch.ones_like(layer.weight) for name, layer in layers.items()}
    if convention is Convention.NONZERO:
        return {name: layer.weight != 0 for name, layer in layers.items()}
    masks = {
        name: layer.integer_weight() != 0
        for name, layer in layers.items()
        if isinstance(layer, QuantConv2d | QuantLinear)
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


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
