"""A small snnTorch net, trained on the spot: its graph, its check, and its energy.

Needs snntorch: pip install snntorch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import snntorch
import torch
from torch import nn

import edgespike
from edgespike.models import shipped_images

STEPS = 10


class Net(nn.Module):
    """Two layers of leaky neurons, in a loop over the steps, as snnTorch's tutorials write it."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(784, 40)
        self.lif1 = snntorch.Leaky(beta=0.9)
        self.fc2 = nn.Linear(40, 10)
        self.lif2 = snntorch.Leaky(beta=0.9)

    def forward(self, x: Any) -> Any:
        """Return the spikes of the last layer, ``(steps, samples, 10)``."""
        mem1, mem2 = self.lif1.reset_mem(), self.lif2.reset_mem()
        spikes = []
        for _ in range(STEPS):
            spk1, mem1 = self.lif1(self.fc1(x.flatten(1)), mem1)
            spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
            spikes.append(spk2)
        return torch.stack(spikes)


torch.manual_seed(0)
images, labels = shipped_images()
pixels = (images / 16).astype(np.int64)  # 16 levels: 0 to 15
net = Net()
optimiser = torch.optim.Adam(net.parameters(), lr=5e-3)
for _ in range(40):
    counts = net(torch.tensor(pixels / 15, dtype=torch.float32)).sum(0)
    loss = nn.functional.cross_entropy(counts, torch.from_numpy(labels))
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()

graph = edgespike.convert(
    net, input_shape=images.shape[1:], input_range=(0, 15), input_scale=1 / 15, bits=6
)
with torch.no_grad():
    before = net(torch.tensor(pixels / 15, dtype=torch.float32)).sum(0).argmax(1).numpy()
after = edgespike.run(graph, pixels).accumulators(graph).argmax(axis=1)
certificate = edgespike.verify(graph, pixels[:20], targets=["cpu", "tflite"])
report = edgespike.estimate_energy(graph, pixels)

print(f"accuracy on the images it has seen: {(before == labels).mean():.1%} in snnTorch")
print(f"and {(after == labels).mean():.1%} as a graph of 6-bit weights; {graph.steps} steps")
print(f"cpu and tflite equal the definition, bit for bit: {certificate.equal}")
print(f"synaptic operations for {len(images)} images: {report.counts.synaptic_operations():,}")
for row in report.estimates:
    print(f"energy an image, {row.model.name}: {row.energy.typical / len(images):.2g} J")
