"""The spiking synaptic penalty (arXiv 2302.01500) and the exact count it stands for.

Both look at what enters each weighted layer that receives spikes, and weigh each event with the
number of synapses that leave it, so the penalty with power 1 is the number of synaptic operations.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from edgespike.nn.layers import QuantConv2d, QuantLinear
from edgespike.nn.spike import SpikeActivation

Cost = Literal["synaptic", "spike_count", "layer_balanced"]
Convention = Literal["every", "nonzero", "quantised"]
Weighted = nn.Conv2d | nn.Linear


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
    counts = nn.grad.conv2d_input(
        (1, *input_shape), mask, ones, layer.stride, layer.padding, layer.dilation, layer.groups
    )
    # Whatever algorithm the convolution uses: these are sums of ones.
    return counts[0].round()


def _output_size(layer: nn.Conv2d, input_shape: torch.Size, axis: int) -> int:
    reach = layer.dilation[axis] * (layer.kernel_size[axis] - 1) + 1
    free = input_shape[axis + 1] + 2 * int(layer.padding[axis]) - reach
    return free // layer.stride[axis] + 1


class SynapticPenalty:
    r"""The penalty ``(1/p) * sum_l sum_i c_{l,i} * s_{l,i} ** p``, mean over the batch.

    Hooks the model; calling the object gives the penalty of the model's latest forward pass. A
    layer that runs several times in one pass counts each time.

    Parameters
    ----------
    model
        Its layers after the first `SpikeActivation` are counted, the readout among them.
    power
        ``p``, at least 1.
    cost
        ``c``: "synaptic", the exact fan-out of each neuron; "spike_count", 1; "layer_balanced",
        one over the number of neurons of the layer's input.
    """

    def __init__(self, model: nn.Module, power: int = 1, cost: Cost = "synaptic") -> None:
        if power < 1 or cost not in get_args(Cost):
            raise ValueError(f"power is {power}, at least 1 is needed; or cost {cost!r} is unknown")
        self.power, self.cost = power, cost
        self._layers = spike_driven_layers(model)
        self._entered: list[tuple[str, Tensor]] = []
        self._costs: dict[tuple[str, torch.Size, torch.device], Tensor] = {}
        self._hooks = [model.register_forward_pre_hook(self._forget)]
        for name, layer in self._layers.items():
            self._hooks.append(layer.register_forward_pre_hook(self._recorder(name)))

    def __call__(self) -> Tensor:
        """Give the penalty of the latest forward pass, a scalar that can be differentiated."""
        total = torch.zeros(())
        for name, spikes in self._entered:
            powered = spikes if self.power == 1 else spikes**self.power
            # Summing over the batch first makes one small product of it.
            total = (powered.mean(dim=0) * self._cost(name, spikes)).sum() + total.to(spikes.device)
        self._entered.clear()
        return total / self.power

    def close(self) -> None:
        """Take the hooks off the model."""
        for hook in self._hooks:
            hook.remove()

    def __enter__(self) -> SynapticPenalty:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _forget(self, _model: nn.Module, _inputs: tuple[Tensor, ...]) -> None:
        self._entered.clear()

    def _recorder(self, name: str):  # type: ignore[no-untyped-def]
        def record(_layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            self._entered.append((name, inputs[0]))

        return record

    def _cost(self, name: str, spikes: Tensor) -> Tensor:
        shape = spikes.shape[1:]
        key = (name, shape, spikes.device)
        if key not in self._costs:
            # Outside inference mode even when called in it: a later training pass uses it too.
            with torch.inference_mode(False):
                cost = self._new_cost(self._layers[name], shape)
                # In the memory layout of the spikes, else their gradient is copied back and forth.
                self._costs[key] = torch.empty_like(spikes[0], requires_grad=False).copy_(cost)
        return self._costs[key]

    def _new_cost(self, layer: Weighted, shape: torch.Size) -> Tensor:
        if self.cost == "synaptic":
            return fan_out(layer, shape, torch.ones_like(layer.weight.detach()))
        if self.cost == "spike_count":
            return torch.ones(shape)
        return torch.full(shape, 1 / shape.numel())


def penalty_weight(strength: float, epoch: int, epochs: int) -> float:
    """Give lambda of an epoch (from 0): it rises linearly and is ``strength`` in the last one."""
    return strength * (epoch + 1) / epochs
