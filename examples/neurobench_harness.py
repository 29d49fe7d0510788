"""A graph in NeuroBench's harness: its metrics, beside what edgespike counts.

Needs neurobench.
"""

from __future__ import annotations

import torch
from neurobench.benchmarks import Benchmark
from neurobench.metrics.static import ConnectionSparsity, Footprint
from neurobench.metrics.workload import (
    ActivationSparsity,
    ClassificationAccuracy,
    SynapticOperations,
)
from torch.utils.data import DataLoader, TensorDataset

import edgespike
from edgespike.adapters import neurobench_model
from edgespike.models import shipped_images, shipped_model

graph, (images, labels) = shipped_model(), shipped_images()
data = TensorDataset(torch.from_numpy(images), torch.from_numpy(labels))
benchmark = Benchmark(
    neurobench_model(graph),
    DataLoader(data, batch_size=50),
    [],
    [lambda answers: answers.argmax(dim=1)],
    [
        [Footprint, ConnectionSparsity],
        [ClassificationAccuracy, ActivationSparsity, SynapticOperations],
    ],
)
for name, value in benchmark.run(quiet=True).items():
    print(f"{name}: {value}")
counts = edgespike.count(graph, images)
print(f"edgespike counts {counts.multiply_accumulates() / len(images)} multiply-accumulates")
print(f"and {counts.synaptic_operations() / len(images)} synaptic operations an image")
