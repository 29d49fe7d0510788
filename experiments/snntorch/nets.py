"""Five snnTorch nets for 8x8 images, and how they are trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import snntorch
import torch
from torch import nn

STEPS = 25
CLASSES = 10


class Dense(nn.Module):
    """Two layers of Leaky, reset by subtraction, in a loop of their own; reads out spikes."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(64, 64), nn.Linear(64, CLASSES)
        self.lif1, self.lif2 = snntorch.Leaky(beta=0.9), snntorch.Leaky(beta=0.9)

    def forward(self, x: Any) -> Any:
        """Return spikes and potentials of the last layer, ``(steps, samples, classes)``."""
        x = x.flatten(1)
        mem1, mem2 = self.lif1.reset_mem(), self.lif2.reset_mem()
        spikes, potentials = [], []
        for _ in range(STEPS):
            spk1, mem1 = self.lif1(self.fc1(x), mem1)
            spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
            spikes.append(spk2)
            potentials.append(mem2)
        return torch.stack(spikes), torch.stack(potentials)


class Recurrent(nn.Module):
    """RLeaky, reset to zero, in a loop of its own; reads out spikes."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(64, 48), nn.Linear(48, CLASSES)
        self.lif1 = snntorch.RLeaky(beta=0.8, linear_features=48, reset_mechanism="zero")
        self.lif2 = snntorch.Leaky(beta=0.9)

    def forward(self, x: Any) -> Any:
        """Return spikes and potentials of the last layer, ``(steps, samples, classes)``."""
        x = x.flatten(1)
        (spk1, mem1), mem2 = self.lif1.reset_mem(), self.lif2.reset_mem()
        spikes, potentials = [], []
        for _ in range(STEPS):
            spk1, mem1 = self.lif1(self.fc1(x), spk1, mem1)
            spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
            spikes.append(spk2)
            potentials.append(mem2)
        return torch.stack(spikes), torch.stack(potentials)


def convolutional() -> nn.Module:
    """Return a Sequential that does one step; the first neurons are reset to zero."""
    return nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1),
        snntorch.Leaky(beta=0.8, init_hidden=True, reset_mechanism="zero"),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(192, CLASSES),
        snntorch.Leaky(beta=0.9, init_hidden=True, output=True),
    )


def synaptic() -> nn.Module:
    """Return a Sequential of Synaptic that does one step, reset by subtraction."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, 48),
        snntorch.Synaptic(alpha=0.6, beta=0.8, init_hidden=True),
        nn.Linear(48, CLASSES),
        snntorch.Synaptic(alpha=0.6, beta=0.8, init_hidden=True, output=True),
    )


def learnable() -> nn.Module:
    """Return a Sequential of Leaky with a leak and a threshold of their own each.

    The last layer is not reset, and its potential is the answer.
    """
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, 48),
        snntorch.Leaky(
            beta=torch.full((48,), 0.9),
            threshold=torch.ones(48),
            learn_beta=True,
            learn_threshold=True,
            init_hidden=True,
        ),
        nn.Linear(48, CLASSES),
        snntorch.Leaky(
            beta=torch.full((CLASSES,), 0.9),
            learn_beta=True,
            reset_mechanism="none",
            init_hidden=True,
            output=True,
        ),
    )


NETS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "dense, subtract": (Dense, "count"),
    "conv, zero": (convolutional, "count"),
    "recurrent, zero": (Recurrent, "count"),
    "synaptic, subtract": (synaptic, "count"),
    "learnable, none last": (learnable, "potential"),
}
"""By name: what makes a net, and its readout."""


def record(net: nn.Module, x: Any) -> Any:
    """Return spikes and potentials of the last layer, ``(steps, samples, classes)``."""
    if not isinstance(net, nn.Sequential):
        return net(x)
    for part in net:
        if isinstance(part, snntorch.SpikingNeuron):
            part.reset_mem()
    steps = [net(x) for _ in range(STEPS)]
    return torch.stack([each[0] for each in steps]), torch.stack([each[-1] for each in steps])


def scores(net: nn.Module, x: Any, readout: str) -> Any:
    """Return what a net answers, ``(samples, classes)``."""
    spikes, potentials = record(net, x)
    return spikes.sum(0) if readout == "count" else potentials[-1]


def train(net: nn.Module, x: Any, labels: Any, readout: str, epochs: int) -> None:
    """Train a net on what it answers."""
    optimiser = torch.optim.Adam(net.parameters(), lr=5e-3)
    generator = torch.Generator().manual_seed(0)
    net.train()
    for _ in range(epochs):
        for chosen in torch.split(torch.randperm(len(x), generator=generator), 128):
            spikes, potentials = record(net, x[chosen])
            answer = potentials[-1] if readout == "potential" else spikes.sum(0) / 4
            loss = nn.functional.cross_entropy(answer, labels[chosen])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    net.eval()
