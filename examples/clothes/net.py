"""A spiking net for images of clothes, as snnTorch's tutorials write one."""

from __future__ import annotations

from typing import Any

import snntorch as snn
import torch
from torch import nn

STEPS = 10


class Net(nn.Module):
    """Two layers of leaky neurons; the image is shown at each of 10 steps."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(784, 56)
        self.lif1 = snn.Leaky(beta=0.9)
        self.fc2 = nn.Linear(56, 10)
        self.lif2 = snn.Leaky(beta=0.9)

    def forward(self, x: Any) -> Any:
        """Return the spikes of the last layer, ``(steps, samples, 10)``."""
        x = x.flatten(1)
        mem1 = self.lif1.init_leaky()
        mem2 = self.lif2.init_leaky()
        spikes = []
        for _ in range(STEPS):
            spk1, mem1 = self.lif1(self.fc1(x), mem1)
            spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
            spikes.append(spk2)
        return torch.stack(spikes)
