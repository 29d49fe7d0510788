"""Train the net of net.py on Fashion-MNIST, and save its parameters.

    python examples/clothes/train.py net.safetensors

It takes a minute on one core, and needs snntorch and the images, which are downloaded unless
Debian's package dataset-fashion-mnist is installed.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
from net import Net
from safetensors.torch import save_file
from torch import nn

from edgespike.data import fashion_mnist

EPOCHS = 5


def loaded(split: Any) -> tuple[Any, Any]:
    """Return images with pixels from 0 to 1, and their labels."""
    images, labels = fashion_mnist.load(split)
    return torch.tensor(images, dtype=torch.float32) / 255, torch.tensor(labels)


def train(net: nn.Module, images: Any, labels: Any) -> None:
    """Train a net on how often each of its last neurons spikes."""
    optimiser = torch.optim.Adam(net.parameters(), lr=2e-3, weight_decay=1e-5)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS)
    for epoch in range(EPOCHS):
        for chosen in torch.split(torch.randperm(len(images)), 128):
            loss = nn.functional.cross_entropy(net(images[chosen]).sum(0), labels[chosen])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        schedule.step()
        print(f"epoch {epoch + 1} of {EPOCHS}, loss {loss:.2f}", flush=True)


def main(path: str) -> None:
    """Train, test, and save."""
    torch.manual_seed(0)
    net = Net()
    train(net, *loaded("train"))
    images, labels = loaded("test")
    with torch.no_grad():
        right = (net(images).sum(0).argmax(1) == labels).float().mean()
    print(f"{right:.2%} of the test images")
    save_file(net.state_dict(), path)


if __name__ == "__main__":
    main(sys.argv[1])
