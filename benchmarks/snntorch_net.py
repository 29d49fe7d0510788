"""Build a snnTorch net from a single-step spiking graph, and a ReLU net of a graph's shape.

The snnTorch net is equal to its graph up to float32 rounding.
"""

from __future__ import annotations

import numpy as np
import snntorch
import torch
from numpy.typing import NDArray
from torch import nn

from edgespike.graph import Conv2d, Dense, Graph, MaxPool2d, Readout, Reshape, Threshold
from edgespike.graph.ops import Weighted, Windowed


class SnnTorchNet(nn.Sequential):
    """Weighted layers, batch normalisation, max pooling and leaky neurons, as the net was trained.

    It takes the graph's integers as floats, ``(samples, channels, height, width)``, and returns
    the logits twice, since NeuroBench expects spikes and potentials. The neurons are direct
    children, since ``snntorch.utils.reset`` resets no others.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__(*_layers(graph))
        self.eval()

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Run one step."""
        logits = super().forward(images)  # type: ignore[no-untyped-call]
        return logits, logits


def _layers(graph: Graph) -> list[nn.Module]:
    layers: list[nn.Module] = []
    neuron: nn.Module | None = None
    for node in graph.nodes[1:]:
        if neuron is not None and not isinstance(node.op, MaxPool2d):
            layers.append(neuron)
            neuron = None
        match node.op:
            case Conv2d() | Dense() as op:
                layers.append(weighted(op))
            case Threshold() as op if op.levels == 1:
                layers.append(_normalisation(op, len(graph.tensors[node.name].shape)))
                neuron = snntorch.Leaky(beta=0.5, threshold=1.0, init_hidden=True)
            case MaxPool2d() as op:
                layers.append(nn.MaxPool2d(op.kernel, op.stride, _padding(op)))
            case Reshape():
                layers.append(nn.Flatten())
            case Readout() as op:
                layers.append(_scale(op))
            case other:
                raise SystemExit(f"{node.name}: {other.kind} cannot be translated to snnTorch")
    return layers


def relu_net(graph: Graph) -> nn.Module:
    """Return a net of a single-step graph's weighted layers and pools, with ReLU as threshold."""
    layers: list[nn.Module] = []
    for node in graph.nodes[1:]:
        match node.op:
            case Conv2d() | Dense() as op:
                layers.append(weighted(op))
            case Threshold():
                layers.append(nn.ReLU())
            case MaxPool2d() as op:
                layers.append(nn.MaxPool2d(op.kernel, op.stride, _padding(op)))
            case Reshape():
                layers.append(nn.Flatten())
            case Readout():
                pass
            case other:
                raise SystemExit(f"{node.name}: {other.kind} cannot be translated to torch")
    return nn.Sequential(*layers).eval()


def weighted(op: Weighted) -> nn.Module:
    """Return a layer's integer weights as a torch layer in float32."""
    weight = _tensor(op.weight)
    biased = bool(op.bias.any())
    layer: nn.Module
    if isinstance(op, Conv2d):
        channels = weight.shape[1] * op.groups
        layer = nn.Conv2d(
            channels,
            len(weight),
            (weight.shape[2], weight.shape[3]),
            op.stride,
            _padding(op),
            op.dilation,
            op.groups,
            bias=biased,
        )
    else:
        layer = nn.Linear(weight.shape[1], len(weight), bias=biased)
    layer.load_state_dict({"weight": weight, **({"bias": _tensor(op.bias)} if biased else {})})
    return layer


def _padding(op: Windowed) -> tuple[int, int]:
    (top, bottom), (left, right) = op.sides
    if (top, left) != (bottom, right):
        raise SystemExit(f"padding {op.padding} cannot be translated: it differs on opposite sides")
    return top, left


def _normalisation(op: Threshold, dimensions: int) -> nn.Module:
    """Shift a threshold between two integers to 1, where snnTorch compares with >."""
    kind = nn.BatchNorm2d if dimensions == 3 else nn.BatchNorm1d
    layer = kind(len(op.theta))
    with torch.no_grad():
        layer.weight.copy_(_tensor(np.where(op.flipped, -1, 1)))
        layer.bias.fill_(1.0)
    layer.running_mean = _tensor(op.theta[:, 0]) - 0.5
    return layer


def _scale(op: Readout) -> nn.Module:
    """Return a normalisation that scales accumulators to logits and changes nothing else."""
    layer = nn.BatchNorm1d(len(op.scale), affine=False, eps=0.0)
    layer.running_var = _tensor(1 / op.scale**2)
    return layer


def _tensor(array: NDArray[np.generic]) -> torch.Tensor:
    return torch.from_numpy(array.astype(np.float32))
