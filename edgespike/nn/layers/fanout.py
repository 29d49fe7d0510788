"""How many synapses of a torch layer each event that arrives reaches."""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.grad import conv2d_input

from edgespike.graph.ops.windows import (
    Sides,
    padded_size,
    same_sides,
    sides_that_keep_size,
    window_counts,
)
from edgespike.nn.layers.product import EventProduct

CountedLayer: TypeAlias = nn.Conv2d | nn.Linear
"""A layer whose synapses can be counted."""

CountedPart: TypeAlias = CountedLayer | EventProduct
"""Where operations are counted: each event that a product emits is one."""


def every_synapse(layer: CountedPart) -> Tensor:
    """Return a mask of all synapses, in the shape of the layer's weight; 1 for a product."""
    return torch.ones(()) if isinstance(layer, EventProduct) else torch.ones_like(layer.weight)


def layer_fan_out(
    layer: CountedPart, input_shape: torch.Size, mask: Tensor | None = None
) -> Tensor:
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
        In the shape of the layer's weight: 1 where a synapse exists, else 0. For a product, 1. With
        None every synapse exists, which is found far faster.

    Returns
    -------
    Tensor
        Whole numbers as float64, in the shape ``input_shape``.
    """
    if mask is None:
        return _every_fan_out(layer, input_shape)
    mask = mask.double()
    if isinstance(layer, EventProduct):
        return mask.expand(input_shape)
    if isinstance(layer, nn.Linear):
        return mask.sum(dim=0).expand(input_shape)
    return _transposed(layer, input_shape, mask, layer.groups)


def _every_fan_out(layer: CountedPart, input_shape: torch.Size) -> Tensor:
    """Count all synapses: those of one channel, times the channels that each channel reaches."""
    if isinstance(layer, EventProduct):
        return torch.ones(input_shape, dtype=torch.float64)
    if isinstance(layer, nn.Linear):
        return torch.full(input_shape, layer.out_features, dtype=torch.float64)
    one = torch.ones((1, 1, *layer.kernel_size), dtype=torch.float64)
    reached = _transposed(layer, torch.Size((1, *input_shape[1:])), one, 1)
    return (reached * (layer.out_channels // layer.groups)).expand(input_shape)


def _transposed(layer: nn.Conv2d, input_shape: torch.Size, mask: Tensor, groups: int) -> Tensor:
    """Return the transposed convolution of an all-ones output with a mask."""
    sides = padding_sides(layer)
    channels, height, width = input_shape
    sizes = window_counts(input_shape, layer.kernel_size, layer.stride, sides, layer.dilation)
    ones = mask.new_ones((1, len(mask), *sizes))
    padded = (1, channels, *padded_size(input_shape, sides))
    counts: Tensor = conv2d_input(  # type: ignore[no-untyped-call]
        padded, mask, ones, layer.stride, 0, layer.dilation, groups
    )
    (top, _), (left, _) = sides
    inside = counts[0, :, top : top + height, left : left + width]
    # Some convolution algorithms leave rounding errors, but these are sums of ones.
    return inside.round()


def padding_sides(layer: nn.Conv2d) -> Sides:
    """Return a convolution's padding; "same" puts the larger part of an odd number at the end."""
    if layer.padding == "valid":
        return same_sides(0, 0)
    if layer.padding == "same":
        down, across = sides_that_keep_size(layer.kernel_size, layer.dilation)
        return down, across
    vertical, horizontal = map(int, layer.padding)
    return same_sides(vertical, horizontal)
