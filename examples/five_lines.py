"""The whole way in five lines, with a small net of two spiking layers trained on the spot."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from torch import nn

import edgespike
from edgespike.models import shipped_images
from edgespike.nn.layers.spike import SpikeActivation
from edgespike.nn.layers.weighted import InputScale, QuantLinear

torch.manual_seed(0)
images, labels = shipped_images()
module = nn.Sequential(
    InputScale(255),
    nn.Flatten(),
    QuantLinear(784, 64, bits=6),
    nn.BatchNorm1d(64),
    SpikeActivation(),
    QuantLinear(64, 10, bias=True),
)
optimiser = torch.optim.Adam(module.parameters(), lr=1e-2)
for _ in range(30):
    loss = nn.functional.cross_entropy(module(torch.from_numpy(images)), torch.from_numpy(labels))
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
module.eval()

with tempfile.TemporaryDirectory() as folder:
    graph = edgespike.convert(module, input_shape=(1, 28, 28))
    edgespike.export(graph, "tflite", Path(folder) / "tflite")
    classes = edgespike.run(graph, images).accumulators(graph).argmax(axis=1)
    certificate = edgespike.verify(graph, images, targets=["cpu", "tflite"])
    report = edgespike.estimate_energy(graph, images)

print(f"accuracy on the images it has seen: {(classes == labels).mean():.1%}")
print(f"cpu and tflite equal the definition, bit for bit: {certificate.equal}")
print(f"synaptic operations for {len(images)} images: {report.counts.synaptic_operations():,}")
