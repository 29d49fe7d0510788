"""How many synapses of a torch layer each event that arrives reaches."""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.grad import conv2d_input

from edgespike.graph.ops.weighted import window_counts

CountedLayer: TypeAlias = nn.Conv2d | nn.Linear
"""A layer whose synapses can be counted."""


def layer_fan_out(layer: CountedLayer, input_shape: torch.Size, mask: Tensor) -> Tensor:
    """Count the synapses that leave each neuron of a layer's input, exactly.

    For a convolution this is the transposed convolution of an all-ones output with the mask: a
    neuron near a border or between strides reaches fewer synapses than one in the middle.

    Parameters
    ----------
    layer
        The layer that the neurons feed.
    input_shape
        Shape of one sample at the layer's input, without the batch axis.
    mask
        In the shape of the layer's weight: 1 where a synapse exists, else 0.

    Returns
    -------
    Tensor
        Whole numbers as float64, in the shape ``input_shape``.
    """
    mask = mask.double()
    if isinstance(layer, nn.Linear):
        return mask.sum(dim=0).expand(input_shape)
    padding = [int(size) for size in layer.padding]
    sizes = window_counts(input_shape, layer.kernel_size, layer.stride, padding, layer.dilation)
    ones = mask.new_ones((1, layer.out_channels, *sizes))
    counts: Tensor = conv2d_input(  # type: ignore[no-untyped-call]
        (1, *input_shape), mask, ones, layer.stride, layer.padding, layer.dilation, layer.groups
    )
    # Some convolution algorithms leave rounding errors, but these are sums of ones.
    return counts[0].round()
