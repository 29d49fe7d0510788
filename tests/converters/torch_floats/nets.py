"""Small nets as people write them, and the shape of a sample of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name
from torch import Tensor, nn

Shape = tuple[int, ...]


class Functional(nn.Module):
    """Everything functional, with its own mean and std."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.4, 0.5]).view(1, 2, 1, 1))
        self.register_buffer("std", torch.tensor([0.2, 0.3]).view(2, 1, 1))
        self.first = nn.Conv2d(2, 6, 3, padding=1)
        self.second = nn.Conv2d(6, 5, 3, stride=2)
        self.last = nn.Linear(30, 4)

    def forward(self, x: Tensor) -> Any:
        x = (x / 255 - self.mean) / self.std
        x = F.max_pool2d(F.relu(self.first(x)), 2)
        x = F.dropout(F.relu_(self.second(F.pad(x, (1, 0, 2, 1)))), training=self.training)
        x = x.view(x.size(0), -1)
        return F.log_softmax(self.last(x), dim=1)


class Block(nn.Module):
    """A residual block."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Any:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y += x if self.downsample is None else self.downsample(x)
        return self.relu(y)


class ResNet(nn.Module):
    """Residual blocks, a mean over the image, a dense layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        self.layers = nn.ModuleList([Block(4, 4, 1), Block(4, 6, 2)])
        self.fc = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Any:
        x = self.stem(x)
        for layer in self.layers:
            x = layer(x)
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


class PreActivation(nn.Module):
    """Batch norm before the layers: some of it folds only into what follows."""

    def __init__(self) -> None:
        super().__init__()
        self.bn0, self.bn1, self.bn2 = (nn.BatchNorm2d(n) for n in (2, 4, 4))
        self.conv0, self.conv1 = nn.Conv2d(2, 4, 3), nn.Conv2d(4, 4, 3, padding=1)
        self.bn3, self.fc = nn.BatchNorm1d(4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Any:
        x = self.conv0(self.bn0(x))
        x = x + self.conv1(F.relu(self.bn1(x)))
        return self.fc(self.bn3(F.relu(self.bn2(x)).mean(dim=(2, 3))))


class Inception(nn.Module):
    """Branches side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3), nn.ReLU6())
        self.three = nn.Sequential(
            nn.Conv2d(2, 2, (1, 3), padding=(0, 1)), nn.Conv2d(2, 4, (3, 1), padding="same")
        )
        self.pool = nn.Sequential(nn.AvgPool2d(3, stride=1, padding=1), nn.Conv2d(2, 2, 1))
        self.head = nn.Linear(9, 5)

    def forward(self, x: Tensor) -> Any:
        y = torch.cat([self.one(x), self.three(x).relu(), F.hardtanh(self.pool(x), 0.0, 2.0)], 1)
        return self.head(y.amax(dim=(-2, -1)))


class Depthwise(nn.Module):
    """Separable convolutions, ReLU6, a pool by mean."""

    def __init__(self) -> None:
        super().__init__()

        def separable(inputs: int, outputs: int, stride: int) -> nn.Sequential:
            return nn.Sequential(
                nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False),
                nn.BatchNorm2d(inputs),
                nn.ReLU6(inplace=True),
                nn.Conv2d(inputs, outputs, 1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU6(inplace=True),
            )

        self.features = nn.Sequential(separable(2, 6, 1), separable(6, 8, 2))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(8, 3))

    def forward(self, x: Tensor) -> Any:
        return self.classifier(self.features(x).mean([2, 3]))


class Signal(nn.Module):
    """Convolutions over a length."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(3, 4, 5, padding=2, dilation=1),
            nn.BatchNorm1d(4),
            nn.ReLU(),
            nn.MaxPool1d(2, ceil_mode=True),
            nn.Conv1d(4, 6, 3, stride=2, dilation=2, groups=2),
            nn.ReLU(),
            nn.AvgPool1d(2),
            nn.AdaptiveAvgPool1d(1),
            nn.Flatten(),
            nn.Linear(6, 2),
        )

    def forward(self, x: Tensor) -> Any:
        return torch.softmax(self.body(x), -1)


class Products(nn.Module):
    """Matrix products by hand, a constant that is computed, shared and repeated layers."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(7, 6))
        self.shared = nn.Linear(6, 6)
        self.gain = nn.Parameter(torch.randn(6))
        self.last = nn.utils.parametrizations.weight_norm(nn.Linear(6, 3))

    def forward(self, x: Tensor) -> Any:
        x = F.relu((1 - x) @ self.weight + 0.1)
        for _ in range(2):
            x = self.shared(x).clamp(min=0) * self.gain.exp()
        y = torch.matmul(x, torch.eye(6)[:, [1, 0, 2, 3, 5, 4]].to(x.dtype))
        return self.last(F.relu(-x + 0.5 * y - torch.ones(6)))


class Shapes(nn.Module):
    """Axes that come and go, and a choice by shape."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 3, (2, 3))
        self.head = nn.Sequential(nn.Unflatten(1, (3, 1, 18)), nn.Flatten(), nn.Linear(54, 2))

    def forward(self, x: Tensor) -> Any:
        b, features = x.shape
        x = x.unsqueeze(1).reshape(b, 1, -1, 8).contiguous()
        if features > 8:
            x = self.conv(x)
        x = F.relu(x.permute(0, 1, 2, 3)).squeeze()
        return self.head(x.reshape(b, -1).float() if x.dtype == torch.float32 else x.flatten(1))


class InPlace(nn.Module):
    """In-place changes that reach other names of the same values."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(5, 5), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Any:
        y = self.a(x)
        z = y.view(-1, 5)
        F.relu_(z)
        y += 1
        y.mul_(2)
        return self.b(y)


def scrambled(module: nn.Module, seed: int = 0) -> nn.Module:
    """Return a module in double precision with statistics as after training, in training mode."""
    torch.manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            for values in (part.running_mean, part.weight, part.bias):
                if values is not None:
                    nn.init.normal_(values)
            nn.init.uniform_(part.running_var, 0.3, 2)  # type: ignore[arg-type]
    return module.double()


def mlp() -> nn.Module:
    """Return layers in a Sequential."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(12, 9), nn.ReLU(), nn.BatchNorm1d(9), nn.Linear(9, 4), nn.Sigmoid()
    )


def pools() -> nn.Module:
    """Return every pool."""
    return nn.Sequential(
        nn.MaxPool2d(3, 2, 1),
        nn.Conv2d(2, 3, 3, padding=1),
        nn.MaxPool2d(2, 2, ceil_mode=True),
        nn.AvgPool2d(2, 1, divisor_override=3),
        nn.AdaptiveMaxPool2d((2, 1)),
        nn.Conv2d(3, 4, (2, 1), bias=False),
    )


NETS: Sequence[tuple[Callable[[], Any], Shape]] = (
    (mlp, (3, 2, 2)),
    (pools, (2, 13, 11)),
    (Functional, (2, 8, 8)),
    (ResNet, (2, 8, 8)),
    (PreActivation, (2, 7, 7)),
    (Inception, (2, 5, 6)),
    (Depthwise, (2, 8, 8)),
    (Signal, (3, 33)),
    (Products, (7,)),
    (Shapes, (32,)),
    (InPlace, (5,)),
)
