"""The spiking synaptic penalty (arXiv 2302.01500).

It looks at what enters each weighted layer that receives spikes, and weights each spike by the
number of synapses that it reaches: with power 1 it is the mean number of synaptic operations.
"""

from __future__ import annotations

from types import TracebackType
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from edgespike.nn.layers.fanout import CountedPart, every_synapse, layer_fan_out
from edgespike.nn.layers.spike_inputs import ArrivingEvents, SpikeInputs

Cost = Literal["synaptic", "spike_count", "layer_balanced"]


class SynapticPenalty:
    r"""The penalty ``(1/p) * sum_l sum_i c_{l,i} * s_{l,i} ** p``, mean over the batch.

    It hooks the model; calling the object returns the penalty of the model's latest forward pass.
    A layer that runs several times in one pass counts each time. ``s`` is a spike, or the level of
    an activation with more states: then the penalty weights an event by its level, or where levels
    have signs by its magnitude, and is not the number of synaptic operations.

    Parameters
    ----------
    model
        The layers that run after its first activation of few levels are counted, including the
        readout.
    power
        ``p``, at least 1.
    cost
        ``c``: "synaptic", the exact fan-out of each neuron; "spike_count", 1; "layer_balanced",
        one over the number of elements of the layer's input, including those that a
        `torch.nn.ZeroPad2d` adds.
    """

    def __init__(self, model: nn.Module, power: int = 1, cost: Cost = "synaptic") -> None:
        if power < 1:
            raise ValueError(f"power is {power}; it must be at least 1")
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
            There was no forward pass, or no layer ran after an activation of few levels in it.
        """
        power = self.power
        arrived = [
            (events, events.values if power == 1 else events.values**power)
            for events in self._inputs.latest()
        ]
        return self._weigh(arrived, self.cost) / power

    def synaptic_operations(self) -> Tensor:
        """Return the mean number of synaptic operations a sample, for any power and cost.

        Raises
        ------
        UnsupportedError
            As for the penalty.
        """
        arrived = [(events, events.numbers) for events in self._inputs.latest()]
        return self._weigh(arrived, "synaptic")

    def _weigh(self, arrived: list[tuple[ArrivingEvents, Tensor]], cost: Cost) -> Tensor:
        """Return the sum over layers of what each received times its cost, mean over the batch."""
        total = torch.zeros(())
        for events, values in arrived:
            costs = self._cost(events.layer, cost, events.values)
            # Summing over the batch first leaves one small product.
            part = (values.sum(dim=0) * costs).sum() / len(values)
            total = total.to(part) + part
        return total

    def close(self) -> None:
        """Remove the hooks from the model."""
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
            # Not an inference tensor even when called in inference mode: training uses it later.
            with torch.inference_mode(False):
                found = _new_cost(self._inputs.layers[name], cost, spikes.shape[1:])
                # In the memory layout of the spikes; otherwise their gradient is copied twice.
                self._costs[key] = torch.empty_like(spikes[0], requires_grad=False).copy_(found)
        return self._costs[key]


def _new_cost(layer: CountedPart, cost: Cost, shape: torch.Size) -> Tensor:
    if cost == "synaptic":
        return layer_fan_out(layer, shape, every_synapse(layer).detach())
    if cost == "spike_count":
        return torch.ones(shape)
    return torch.full(shape, 1 / shape.numel())


def penalty_weight(strength: float, epoch: int, epochs: int) -> float:
    """Return lambda of an epoch (from 0): it rises linearly to ``strength`` in the last epoch."""
    return strength * (epoch + 1) / epochs
