"""From plain torch code to a graph: train, convert with calibration, verify, count.

The net is made of torch's own layers and knows nothing of edgespike. It learns the shipped images.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name
from torch import Tensor, nn

import edgespike
from edgespike.converters import conversion
from edgespike.converters.base import ConvertOptions
from edgespike.models import shipped_images
from edgespike.quantise.inputs import as_integers


class Net(nn.Module):
    """A residual block between two convolutions, as people write it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.block = nn.Conv2d(8, 8, 3, padding=1)
        self.fc = nn.Linear(8 * 7 * 7, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logarithms of the classes' probabilities."""
        x = F.relu(self.norm(self.conv(x)))
        x = F.max_pool2d(F.relu(x + self.block(x)), 2)
        return F.log_softmax(self.fc(torch.flatten(x, 1)), dim=1)


torch.manual_seed(0)
integers, labels = shipped_images()
images = torch.from_numpy(integers).float() / 255
net = Net()
optimiser = torch.optim.Adam(net.parameters(), lr=1e-2)
for _ in range(20):
    loss = F.nll_loss(net(images), torch.from_numpy(labels))
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()

options = ConvertOptions(input_shape=(1, 28, 28), calibrate=images.numpy(), labels=labels)
found = conversion(net, options)
for sentence in found.assumed:
    print(sentence)
assert found.quantised is not None
for layer in found.quantised.layers:
    share = layer.different / layer.values
    print(f"{layer.path}: {share:.1%} of the levels differ from the float net's")
print(f"{found.quantised.flipped} of {found.quantised.samples} answers differ")

samples = as_integers(images.numpy(), found.graph)
certificate = edgespike.verify(found.graph, samples[:50], targets=["cpu"])
report = edgespike.estimate_energy(found.graph, samples[:50])
print(f"the cpu target equals the definition, bit for bit: {certificate.equal}")
print(f"multiplications for 50 images: {report.counts.multiply_accumulates():,}")
