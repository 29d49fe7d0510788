"""Nets of random parts, as modules and as functions, are read as what they compute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402, N812 - torch's own name
from torch import Tensor, nn  # noqa: E402

from edgespike.converters.torch.floats.reading import read_module  # noqa: E402
from edgespike.floats.fold import folded  # noqa: E402
from edgespike.floats.net import FloatAffine  # noqa: E402
from edgespike.floats.run import answers  # noqa: E402
from tests.converters.torch_floats.nets import scrambled  # noqa: E402

Step = Callable[[Tensor], Any]
Choice = Any  # numpy's generator


class RandomNet(nn.Module):
    """Steps over an image, then a dense layer."""

    def __init__(self, choice: Choice, steps: int) -> None:
        super().__init__()
        self.parts = nn.ModuleList()
        self.choice, self.steps = choice, []
        channels, size = 2, 9
        for _ in range(steps):
            made = KINDS[choice.integers(len(KINDS))](self, channels)
            self.steps.append(made)
            with torch.no_grad():
                probe = made(torch.zeros(2, channels, size, size))
            channels, size = probe.shape[1], probe.shape[2]
        self.head = nn.Linear(channels * size * size, 3)
        del self.choice

    def part(self, module: nn.Module) -> nn.Module:
        """Register a part that a step calls."""
        self.parts.append(module.eval())
        return module

    def forward(self, x: Tensor) -> Any:
        for step in self.steps:
            x = step(x)
        return self.head(x.flatten(1))


def conv(net: RandomNet, channels: int) -> Step:
    groups = int(net.choice.choice([1, channels]))
    outputs = groups * int(net.choice.integers(1, 3 if groups > 1 else 5))
    kernel = int(net.choice.integers(1, 4))
    padding = str(net.choice.choice(["same", "valid"])) if kernel % 2 else kernel // 2
    bias = bool(net.choice.integers(2))
    return net.part(nn.Conv2d(channels, outputs, kernel, padding=padding, groups=groups, bias=bias))


def norm(net: RandomNet, channels: int) -> Step:
    return net.part(nn.BatchNorm2d(channels, affine=bool(net.choice.integers(2))))


def activation(net: RandomNet, channels: int) -> Step:
    kinds: tuple[Step, ...] = (
        F.relu,
        torch.relu,
        lambda x: x.clamp(min=0),
        lambda x: F.hardtanh(x, 0.0, 1.5),
        lambda x: F.relu6(x + 0),
        nn.ReLU(inplace=True),
    )
    return kinds[int(net.choice.integers(len(kinds)))]


def affine(net: RandomNet, channels: int) -> Step:
    offset = torch.from_numpy(net.choice.normal(size=(channels, 1, 1)).astype(np.float32))
    scale = float(net.choice.normal())
    kinds: tuple[Step, ...] = (
        lambda x: x * scale + offset.to(x),
        lambda x: (x - offset.to(x)) / 0.7,
        lambda x: 1 - x,
        lambda x: -x,
        lambda x: torch.add(x, offset.to(x), alpha=2),
    )
    return kinds[int(net.choice.integers(len(kinds)))]


def residual(net: RandomNet, channels: int) -> Step:
    body = net.part(nn.Conv2d(channels, channels, 3, padding=1))
    if net.choice.integers(2):
        return lambda x: F.relu(body(x)) + x
    return lambda x: torch.sub(x, body(x), alpha=0.5)


def side_by_side(net: RandomNet, channels: int) -> Step:
    first, second = (net.part(nn.Conv2d(channels, n, 1)) for n in (1, 2))
    return lambda x: torch.cat([first(x).relu(), second(x), x], dim=1)


def pool(net: RandomNet, channels: int) -> Step:
    kinds: tuple[Step, ...] = (
        lambda x: F.max_pool2d(x, 2, 1, 1),
        lambda x: F.max_pool2d(x, min(3, x.shape[-1]), 2, ceil_mode=True),
        lambda x: F.avg_pool2d(x, min(2, x.shape[-1]), 1),
        lambda x: F.avg_pool2d(x, 3, 1, 1),
        lambda x: F.adaptive_avg_pool2d(x, (x.shape[2], x.shape[3])),
        lambda x: F.avg_pool2d(F.pad(x, (1, 1, 1, 1)), 2, 2),
    )
    return kinds[int(net.choice.integers(len(kinds)))]


def nothing(net: RandomNet, channels: int) -> Step:
    kinds: tuple[Step, ...] = (
        nn.Dropout2d().eval(),
        nn.Identity(),
        lambda x: x.unsqueeze(1).squeeze(1).contiguous(),
        lambda x: x.reshape(x.shape[0], -1).view(x.shape),
    )
    return kinds[int(net.choice.integers(len(kinds)))]


KINDS = (conv, conv, norm, activation, activation, affine, residual, side_by_side, pool, nothing)


@pytest.mark.parametrize("seed", range(24))
def test_a_random_net_is_read_as_what_it_computes(seed: int) -> None:
    torch.manual_seed(seed)
    choice = np.random.default_rng(seed)
    module = scrambled(RandomNet(choice, 7), seed).eval()
    x = choice.normal(size=(3, 2, 9, 9))
    net = read_module(module, (2, 9, 9)).net
    with torch.no_grad():
        expected = module(torch.from_numpy(x)).numpy()
    small = folded(net)
    for each in (net, small):
        np.testing.assert_allclose(answers(each, x), expected, rtol=1e-9, atol=1e-9)
    affines = [sum(1 for _ in each.of_type(FloatAffine)) for each in (net, small)]
    assert affines[1] <= affines[0]
