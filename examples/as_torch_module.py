"""A graph as a torch module: a data loader's batches go in, classes come out, on any target."""

from __future__ import annotations

import torch
from torch.utils.data import DataLoader, TensorDataset

from edgespike.adapters import torch_module
from edgespike.models import shipped_images, shipped_model

graph, (images, labels) = shipped_model(), shipped_images()
pixels = torch.from_numpy(images) / 255  # reals, as the net was trained with
loader = DataLoader(TensorDataset(pixels, torch.from_numpy(labels)), batch_size=64)
module = torch_module(graph)
correct = sum(int((module(x).argmax(dim=1) == y).sum()) for x, y in loader)
print(module)
print(f"{correct} of {len(images)} images are right")
