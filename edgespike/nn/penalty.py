"""The spiking synaptic penalty (arXiv 2302.01500).

It looks at what enters each weighted layer that receives spikes, and weighs each spike with the
number of synapses that it reaches: with power 1 it is the mean number of synaptic operations.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from edgespike.nn.fanout import Weighted, fan_out, spike_driven_layers

Cost = Literal["synaptic", "spike_count", "layer_balanced"]


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
        if power < 1:
            raise ValueError(f"power is {power}; it is at least 1")
        if cost not in get_args(Cost):
            raise ValueError(f"cost is {cost!r}; known are {', '.join(get_args(Cost))}")
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
            # Summing over the batch first leaves one small product.
            part = (powered.sum(dim=0) * self._cost(name, spikes)).sum() / len(spikes)
            total = total.to(part) + part
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

    def _recorder(self, name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
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
