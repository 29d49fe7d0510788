"""Which layers receive spikes, and how many of their synapses each spike reaches."""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.grad import conv2d_input

from edgespike.nn.spike import SpikeActivation

Weighted: TypeAlias = nn.Conv2d | nn.Linear


def spike_driven_layers(model: nn.Module) -> dict[str, Weighted]:
    """Give the weighted layers, by path, that come after the first spike activation of a model."""
    layers: dict[str, Weighted] = {}
    spikes_seen = False
    for name, module in model.named_modules():
        spikes_seen = spikes_seen or isinstance(module, SpikeActivation)
        if spikes_seen and isinstance(module, nn.Conv2d | nn.Linear):
            layers[name] = module
    return layers


def fan_out(layer: Weighted, input_shape: torch.Size, mask: Tensor) -> Tensor:
    """Count the synapses that leave each neuron of a layer's input, exactly.

    For a convolution it is the transposed convolution of an all-ones output with the mask: a
    neuron near a border or between strides reaches fewer synapses than one in the middle.

    Parameters
    ----------
    layer
        The layer that the neurons feed.
    input_shape
        Shape of one sample at the layer's input, without the batch.
    mask
        In the shape of the layer's weight: 1 where a synapse exists, else 0.

    Returns
    -------
    Tensor
        float64 whole numbers, ``input_shape``.
    """
    mask = mask.double()
    if isinstance(layer, nn.Linear):
        return mask.sum(dim=0).expand(input_shape)
    height, width = (_output_size(layer, input_shape, axis) for axis in (0, 1))
    ones = mask.new_ones((1, layer.out_channels, height, width))
    counts: Tensor = conv2d_input(  # type: ignore[no-untyped-call]
        (1, *input_shape), mask, ones, layer.stride, layer.padding, layer.dilation, layer.groups
    )
    # Whatever algorithm the convolution uses: these are sums of ones.
    return counts[0].round()


def _output_size(layer: nn.Conv2d, input_shape: torch.Size, axis: int) -> int:
    reach = layer.dilation[axis] * (layer.kernel_size[axis] - 1) + 1
    free = input_shape[axis + 1] + 2 * int(layer.padding[axis]) - reach
    return free // layer.stride[axis] + 1
