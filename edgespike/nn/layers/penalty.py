"""The spiking synaptic penalty (arXiv 2302.01500).

It looks at what enters each weighted layer that receives spikes, and weighs each spike with the
number of synapses that it reaches: with power 1 it is the mean number of synaptic operations.
"""

from __future__ import annotations

from types import TracebackType
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from edgespike.nn.layers.fanout import Events, SpikeInputs, Weighted, fan_out

Cost = Literal["synaptic", "spike_count", "layer_balanced"]


class SynapticPenalty:
    r"""The penalty ``(1/p) * sum_l sum_i c_{l,i} * s_{l,i} ** p``, mean over the batch.

    Hooks the model; calling the object gives the penalty of the model's latest forward pass. A
    layer that runs several times in one pass counts each time. ``s`` is a spike, or the level of
    an activation with more states: then the penalty weighs an event by its level, and is not the
    number of synaptic operations.

    Parameters
    ----------
    model
        Its layers that run after its first activation of few levels are counted, the readout
        among them.
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
        self.power: int = power
        self.cost: Cost = cost
        self._inputs = SpikeInputs(model)
        self._costs: dict[tuple[str, Cost, torch.Size, torch.device], Tensor] = {}

    def __call__(self) -> Tensor:
        """Return the penalty of the latest forward pass, a scalar that can be differentiated.

        Raises
        ------
        UnsupportedError
            No forward pass was seen, or no layer ran after an activation of few levels in it.
        """
        power = self.power
        arrived = [
            (events, events.values if power == 1 else events.values**power)
            for events in self._inputs.latest()
        ]
        return self._weigh(arrived, self.cost) / power

    def synaptic_operations(self) -> Tensor:
        """Return the mean number of synaptic operations a sample, whatever power and cost are.

        Raises
        ------
        UnsupportedError
            As for the penalty.
        """
        arrived = [(events, events.numbers) for events in self._inputs.latest()]
        return self._weigh(arrived, "synaptic")

    def _weigh(self, arrived: list[tuple[Events, Tensor]], cost: Cost) -> Tensor:
        """Sum over layers what each has received times its costs, mean over the batch."""
        total = torch.zeros(())
        for events, values in arrived:
            costs = self._cost(events.layer, cost, events.values)
            # Summing over the batch first leaves one small product.
            part = (values.sum(dim=0) * costs).sum() / len(values)
            total = total.to(part) + part
        return total

    def close(self) -> None:
        """Take the hooks off the model."""
        self._inputs.close()

    def __enter__(self) -> SynapticPenalty:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _cost(self, name: str, cost: Cost, spikes: Tensor) -> Tensor:
        key = (name, cost, spikes.shape[1:], spikes.device)
        if key not in self._costs:
            # Outside inference mode even when called in it: a later training pass uses it too.
            with torch.inference_mode(False):
                found = _new_cost(self._inputs.layers[name], cost, spikes.shape[1:])
                # In the memory layout of the spikes, else their gradient is copied back and forth.
                self._costs[key] = torch.empty_like(spikes[0], requires_grad=False).copy_(found)
        return self._costs[key]


def _new_cost(layer: Weighted, cost: Cost, shape: torch.Size) -> Tensor:
    if cost == "synaptic":
        return fan_out(layer, shape, torch.ones_like(layer.weight.detach()))
    if cost == "spike_count":
        return torch.ones(shape)
    return torch.full(shape, 1 / shape.numel())


def penalty_weight(strength: float, epoch: int, epochs: int) -> float:
    """Return lambda of an epoch (from 0): it rises linearly and is ``strength`` in the last one."""
    return strength * (epoch + 1) / epochs
