"""A small convolutional ReLU net, trained in plain torch, as people have them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from torch import nn

from edgespike.floats.net import (
    FloatAffine,
    FloatConv2d,
    FloatDense,
    FloatInput,
    FloatNet,
    FloatNode,
    FloatOp,
    FloatPool2d,
    FloatReadout,
    FloatRelu,
    FloatReshape,
    Pooling,
    Reals,
)

CHANNELS = (16, 32, 64)
HIDDEN, CLASSES = 64, 10
BATCH, RATE = 128, 4e-3


def make_net() -> nn.Sequential:
    """Return 16c3-32c3-64c3, each with batch norm, ReLU and a pool, then 576-64-10."""
    layers: list[nn.Module] = []
    for before, after in zip((1, *CHANNELS), CHANNELS, strict=False):
        layers += [
            nn.Conv2d(before, after, 3, padding=1),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]
    flat = 9 * CHANNELS[-1]
    layers += [nn.Flatten(), nn.Linear(flat, HIDDEN), nn.BatchNorm1d(HIDDEN), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(HIDDEN, CLASSES))


def train(
    images: NDArray[np.uint8], labels: NDArray[np.int64], seed: int, epochs: int
) -> dict[str, Reals]:
    """Train the net on pixels / 255 and return its parameters."""
    torch.manual_seed(seed)
    net = make_net()
    optimiser = torch.optim.Adam(net.parameters(), RATE)
    batches = epochs * (len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, batches)
    x, y = torch.from_numpy(images), torch.from_numpy(labels)
    net.train()
    for _ in range(epochs):
        order = torch.randperm(len(x))
        for start in range(0, len(x) - BATCH + 1, BATCH):
            chosen = order[start : start + BATCH]
            loss = nn.functional.cross_entropy(net(x[chosen].float() / 255), y[chosen])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    return {
        name: value.numpy().copy()
        for name, value in net.state_dict().items()
        if "num_batches" not in name
    }


def save(path: Path, parameters: Mapping[str, Reals]) -> None:
    """Write the parameters as float32."""
    save_file({name: np.asarray(x, np.float32) for name, x in parameters.items()}, path)


def load(path: Path) -> dict[str, Reals]:
    """Read what `save` wrote."""
    return {name: value.astype(np.float64) for name, value in load_file(path).items()}


def as_float_net(parameters: Mapping[str, Reals], shape: tuple[int, ...] = (1, 28, 28)) -> FloatNet:
    """Describe the net without torch. Its input is pixels / 255."""

    def of(number: int, name: str) -> Reals:
        return np.asarray(parameters[f"{number}.{name}"], np.float64)

    def normalise(number: int) -> FloatAffine:
        scale = of(number, "weight") / np.sqrt(of(number, "running_var") + 1e-5)
        return FloatAffine(scale, of(number, "bias") - scale * of(number, "running_mean"))

    ops: list[FloatOp] = []
    for i in range(0, 4 * len(CHANNELS), 4):
        ops += [
            FloatConv2d(of(i, "weight"), of(i, "bias"), padding=(1, 1, 1, 1)),
            normalise(i + 1),
            FloatRelu(),
            FloatPool2d(Pooling.MAX, (2, 2), (2, 2)),
        ]
    i = 4 * len(CHANNELS)
    dense = of(i + 1, "weight")
    ops += [
        FloatReshape((dense.shape[1],)),
        FloatDense(dense, of(i + 1, "bias")),
        normalise(i + 2),
        FloatRelu(),
        FloatDense(of(i + 4, "weight"), of(i + 4, "bias")),
        FloatReadout(),
    ]
    names = ["input", *(str(number) for number in range(len(ops) - 1)), "readout"]
    sources = zip(names[1:], ops, names[:-1], strict=True)
    nodes = (FloatNode(name, op, (source,), name) for name, op, source in sources)
    return FloatNet((FloatNode("input", FloatInput(shape), path="input"), *nodes))
