"""Small nets and tasks that several tests use."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from edgespike.nn import ConvSpec, DenseSpec, NetSpec, Recipe, Task, build

NET = NetSpec(
    input_shape=(1, 8, 8),
    classes=3,
    layers=(
        ConvSpec(4, pool=2, bits=6),
        ConvSpec(6, kernel=2, stride=2, groups=2, padding=1),
        DenseSpec(8),
    ),
)
RECIPE = Recipe(
    NET,
    epochs=3,
    batch_size=16,
    learning_rate=1e-2,
    flip=True,
    shift=1,
    lambda_=1e-5,
    label_smoothing=0.1,
)


def striped_task(samples: int = 96) -> Task:
    """A task: tell horizontal stripes from vertical ones and from noise."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, samples)
    stripes = np.tile(np.array([[0], [200]]), (4, 8))
    pictures = np.stack([stripes, stripes.T, np.full((8, 8), 100)])
    noisy = pictures[labels] + rng.integers(0, 56, (samples, 8, 8))
    images = noisy.astype(np.uint8)[:, None]
    return Task(images, labels, images, labels)


def random_net(seed: int = 0) -> nn.Sequential:
    """Return `NET` with normalisation statistics as after training, in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = build(NET)
    for module in net:
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            for values in (module.weight, module.bias, module.running_mean):
                assert values is not None
                values.data.normal_(0.5, 1.0, generator=generator)
    return net.eval()


def random_images(samples: int, seed: int = 0) -> torch.Tensor:
    """Draw 8-bit images for `NET`."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (samples, 1, 8, 8), generator=generator, dtype=torch.uint8)
