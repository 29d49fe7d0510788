"""Nets of snnTorch with the layers of a recipe's net: trained, or made of its float ReLU net."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import snntorch
import torch
from snntorch import surrogate
from torch import Tensor, nn

from edgespike.nn import ConvSpec, DenseSpec, NetSpec
from edgespike.nn.nets.spec import LayerSpec

LARGEST_PIXEL = 255
BETA = 0.5
"""Share of its potential that a leaky neuron keeps in a step."""

SLOPE = 4.0
"""Of the surrogate derivative, snnTorch's arctangent; its height at the threshold is half of it."""

PERCENTILE = 99
"""Of a ReLU layer's values on the calibration images: what a spike in every step stands for.

Of 99 and 99.9, the better one on the first 1,000 test images: figures of rates are optimistic.
"""


class SteppedNet(nn.Module):
    """The layers of a net's description, run several steps with the same image at each.

    Each layer is weights and batch normalisation, then spiking neurons, then the layer's max pool,
    by which one spike of a window passes. The answer is the mean of the readout over the steps.

    Parameters
    ----------
    spec
        Convolutions and dense layers; its activation is not used.
    neurons
        Of snnTorch, for each layer of the description.
    steps
        Number of steps, at least 1.
    """

    def __init__(
        self, spec: NetSpec, neurons: Sequence[snntorch.SpikingNeuron], steps: int
    ) -> None:
        super().__init__()
        self.steps = steps
        self.neurons = nn.ModuleList(neurons)
        self.weighted, self.pools = nn.ModuleList(), nn.ModuleList()
        channels, height, width = spec.input_shape
        for layer in spec.layers:
            if not _fits(layer):
                raise ValueError(
                    f"a layer is {layer}; dense layers fit, and convolutions without stride, "
                    "dilation and groups, with max pools"
                )
            if isinstance(layer, DenseSpec):
                part = _dense(channels * height * width, layer.features)
                channels, height, width = layer.features, 1, 1
                self.pools.append(nn.Identity())
            else:
                assert isinstance(layer, ConvSpec)
                part = _convolution(channels, layer.channels, layer.kernel, layer.padding)
                channels = layer.channels
                height, width = layer.output_size(height), layer.output_size(width)
                self.pools.append(nn.MaxPool2d(layer.pool) if layer.pool > 1 else nn.Identity())
            self.weighted.append(part)
        self.readout = nn.Linear(channels * height * width, spec.classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, (samples, classes), of images (samples, channels, height, width)."""
        image = self.weighted[0](x / LARGEST_PIXEL)  # the same current at every step
        states = [neuron.reset_mem() for neuron in self.neurons]  # type: ignore[operator]
        total = torch.zeros(())
        for _ in range(self.steps):
            current = image
            for place, (neuron, pool) in enumerate(zip(self.neurons, self.pools, strict=True)):
                spikes, states[place] = neuron(current, states[place])
                events = pool(spikes)
                if place + 1 < len(self.neurons):
                    current = self.weighted[place + 1](events)
            total = total + self.readout(events.flatten(1))
        for neuron in self.neurons:
            # snnTorch keeps potentials in buffers, whose shapes moving averages of a net compare.
            neuron.mem = torch.zeros(0)
        return total / self.steps


def _fits(layer: LayerSpec) -> bool:
    if isinstance(layer, ConvSpec):
        return layer == replace(layer, stride=1, dilation=1, groups=1, pooling="max")
    return isinstance(layer, DenseSpec)


def _convolution(inputs: int, outputs: int, kernel: int, padding: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=padding, bias=False), nn.BatchNorm2d(outputs)
    )


def _dense(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs)
    )


def leaky_net(spec: NetSpec, steps: int) -> SteppedNet:
    """Return a net of leaky neurons, reset by subtraction, with random weights."""
    gradient = surrogate.atan(alpha=SLOPE)
    neurons = [snntorch.Leaky(beta=BETA, spike_grad=gradient) for _ in spec.layers]
    return SteppedNet(spec, neurons, steps)


@torch.no_grad()
def rate_coded(relu: nn.Sequential, spec: NetSpec, images: Tensor, steps: int) -> SteppedNet:
    """Return the net of integrate-and-fire neurons that a float ReLU net becomes without training.

    A layer's threshold is a high percentile of its values on some images, and a spike stands for
    that value, so that its rate is the value of the ReLU, cut there (Rueckauer et al., Frontiers in
    Neuroscience 11:682, 2017). Half a threshold is added over the steps, since a rate is otherwise
    rounded down (Deng and Gu, arXiv 2103.00476). The max pool follows the neurons, so its rate is
    above the largest one of a window whose spikes come at different steps.

    Parameters
    ----------
    relu
        What `edgespike.nn.build` made of a description, in evaluation mode.
    spec
        That description.
    images
        Some training images, (samples, *input_shape), for the percentiles.
    steps
        Number of steps.
    """
    parts = [part for part in relu if isinstance(part, nn.Conv2d | nn.Linear | nn.ReLU)]
    norms = [part for part in relu if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d)]
    tops = _percentiles(relu, images)
    neurons = [snntorch.Leaky(beta=1.0, threshold=top, graded_spikes_factor=top) for top in tops]
    net = SteppedNet(spec, neurons, steps)
    layers = [part for part in parts if not isinstance(part, nn.ReLU)]
    for block, layer, norm, top in zip(net.weighted, layers[:-1], norms, tops, strict=True):
        assert isinstance(block, nn.Sequential)
        *_, weighted, normalised = block
        weighted.load_state_dict(layer.state_dict())
        normalised.load_state_dict(norm.state_dict())
        normalised.get_parameter("bias").add_(top / (2 * steps))
    net.readout.load_state_dict(layers[-1].state_dict())
    return net.eval()


def _percentiles(relu: nn.Sequential, images: Tensor) -> list[float]:
    """Return the percentile of the values of each ReLU, in order."""
    found: list[float] = []
    value: Tensor = images
    for part in relu:
        value = part(value)
        if isinstance(part, nn.ReLU):
            found.append(float(torch.quantile(value.flatten()[: 2**24], PERCENTILE / 100)))
    return found
