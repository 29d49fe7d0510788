"""Walk from each neuron to each of its synapses: slow, obvious, and independent of the library."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edgespike.nn.layers.fanout import CountedLayer


def walked_fan_out(
    layer: CountedLayer, shape: tuple[int, ...], mask: torch.Tensor
) -> NDArray[np.int64]:
    """Count the synapses that leave each input, one by one over outputs and kernel weights."""
    if isinstance(layer, nn.Linear):
        return np.array([int(mask[:, i].sum()) for i in range(shape[0])])
    leaving = np.zeros(shape, np.int64)
    (step_y, step_x), (gap_y, gap_x) = layer.stride, layer.dilation
    outputs, inputs, kernel_y, kernel_x = mask.shape
    if layer.padding == "same":  # torch puts an odd element at the end
        pad_y, pad_x = gap_y * (kernel_y - 1) // 2, gap_x * (kernel_x - 1) // 2
        last_y, last_x = shape[1] - 1 - pad_y, shape[2] - 1 - pad_x
    else:
        pad_y, pad_x = int(layer.padding[0]), int(layer.padding[1])
        last_y = shape[1] + pad_y - gap_y * (kernel_y - 1) - 1
        last_x = shape[2] + pad_x - gap_x * (kernel_x - 1) - 1
    for top in range(-pad_y, last_y + 1, step_y):
        for left in range(-pad_x, last_x + 1, step_x):
            for o, i, ky, kx in itertools.product(*map(range, mask.shape)):
                channel = o // (outputs // layer.groups) * inputs + i
                y, x = top + ky * gap_y, left + kx * gap_x
                if mask[o, i, ky, kx] and 0 <= y < shape[1] and 0 <= x < shape[2]:
                    leaving[channel, y, x] += 1
    return leaving


def walked_operations(
    net: nn.Sequential, images: torch.Tensor, masks: dict[str, torch.Tensor]
) -> NDArray[np.int64]:
    """Return the sum of the fan-outs of all neurons that fire, for each sample."""
    total = np.zeros(len(images), np.int64)
    x = images
    for name, module in net.named_children():
        if name in masks:
            assert isinstance(module, nn.Conv2d | nn.Linear)
            leaving = walked_fan_out(module, tuple(x.shape[1:]), masks[name])
            for sample in range(len(x)):
                total[sample] += leaving[x[sample].numpy() != 0].sum()
        with torch.no_grad():
            x = module(x)
    return total
