"""snnTorch nets whose numbers are dyadic, so that graphs can equal them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import snntorch
import torch
from torch import nn

UNIT = 2.0**-4


def exact_spike(x: Any) -> Any:
    """Fire above zero, in the type of the potential: snnTorch's own always give float32."""
    return (x > 0).to(x.dtype)


def dyadic(module: Any, seed: int = 0, largest: int = 7) -> Any:
    """Give all weights of a module small multiples of `UNIT`, and make it float64."""
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, nn.Linear | nn.Conv2d):
                for values in layer.parameters():
                    drawn = rng.integers(-largest, largest + 1, values.shape) * UNIT
                    values.copy_(torch.tensor(drawn))
    return module.double()


class Dense(nn.Module):
    """The net of snnTorch's first tutorials: a loop over the steps, the same input at each."""

    def __init__(self, steps: int = 25, **neurons: Any) -> None:
        super().__init__()
        self.steps = steps
        self.fc1 = nn.Linear(16, 20)
        self.lif1 = snntorch.Leaky(beta=0.5, spike_grad=exact_spike, **neurons)
        self.fc2 = nn.Linear(20, 5)
        self.lif2 = snntorch.Leaky(beta=0.5, spike_grad=exact_spike, **neurons)

    def forward(self, x: Any) -> Any:
        mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        spikes, potentials = [], []
        for _ in range(self.steps):
            spk1, mem1 = self.lif1(self.fc1(x), mem1)
            spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
            spikes.append(spk2)
            potentials.append(mem2)
        return torch.stack(spikes, dim=0), torch.stack(potentials, dim=0)


class Recurrent(nn.Module):
    """Recurrent neurons, explicit states, an input that changes at each step."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(16, 12)
        self.lif1 = snntorch.RLeaky(
            beta=0.5, linear_features=12, spike_grad=exact_spike, reset_mechanism="zero"
        )
        self.fc2 = nn.Linear(12, 5)
        self.lif2 = snntorch.RLeaky(
            beta=1.0,
            all_to_all=False,
            V=torch.tensor([0.5, -0.5, 0, 1, -1]),
            spike_grad=exact_spike,
        )

    def forward(self, x: Any) -> Any:
        spk1, mem1 = self.lif1.reset_mem()
        spk2, mem2 = self.lif2.reset_mem()
        spikes = []
        for step in range(x.size(0)):
            spk1, mem1 = self.lif1(self.fc1(x[step]), spk1, mem1)
            spk2, mem2 = self.lif2(self.fc2(spk1), spk2, mem2)
            spikes.append(spk2)
        return torch.stack(spikes)


def convolutional(**neurons: Any) -> Any:
    """Return a Sequential that does one step."""
    common = {"beta": 0.5, "init_hidden": True, "spike_grad": exact_spike, **neurons}
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        snntorch.Leaky(**common),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 4, 2),
        snntorch.Leaky(**common),
        nn.Flatten(),
        nn.Dropout(),
        nn.Linear(16, 5),
        snntorch.Leaky(**{**common, "output": True}),
    )


def synaptic() -> Any:
    """Return a Sequential of neurons with a synaptic current."""
    common = {"init_hidden": True, "spike_grad": exact_spike}
    return nn.Sequential(
        nn.Linear(16, 12),
        snntorch.Synaptic(alpha=0.5, beta=0.5, reset_mechanism="zero", **common),
        nn.Linear(12, 5),
        snntorch.Synaptic(alpha=0.5, beta=0.5, **common),
    )


def learnable() -> Any:
    """Return a Sequential of neurons with a leak and a threshold of their own each."""
    rng = np.random.default_rng(4)

    def drawn(values: list[float], size: int) -> Any:
        return torch.tensor(rng.choice(values, size))

    return nn.Sequential(
        nn.Linear(16, 12),
        snntorch.Leaky(
            beta=drawn([0, 0.5, 1], 12),
            threshold=drawn([0.5, 0.75, 1], 12),
            learn_beta=True,
            learn_threshold=True,
            init_hidden=True,
            spike_grad=exact_spike,
        ),
        nn.Linear(12, 5),
        snntorch.Leaky(
            beta=drawn([0, 0.5], 5),
            threshold=torch.tensor(1.0),
            learn_beta=True,
            learn_threshold=True,
            reset_mechanism="none",
            init_hidden=True,
            spike_grad=exact_spike,
        ),
    )


NETS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "dense": (lambda: Dense(25), (16,)),
    "dense, zero": (lambda: Dense(25, reset_mechanism="zero"), (16,)),
    "dense, none": (lambda: Dense(25, reset_mechanism="none"), (16,)),
    "dense, reset at once": (lambda: Dense(25, reset_delay=False), (16,)),
    "convolutional": (convolutional, (1, 6, 6)),
    "convolutional, zero": (lambda: convolutional(reset_mechanism="zero"), (1, 6, 6)),
    "recurrent": (Recurrent, (16,)),
    "synaptic": (synaptic, (16,)),
    "learnable": (learnable, (16,)),
}
"""By name: what makes a net, and the shape of its input."""
