"""Small recurrent nets, in float64."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Recurrent(nn.Module):
    """A layer that returns the states of every step."""

    def __init__(self, rnn: nn.RNNBase) -> None:
        super().__init__()
        self.rnn = rnn

    def forward(self, x: Tensor) -> Tensor:
        states: Tensor = self.rnn(x)[0]
        return states


class LastStep(nn.Module):
    def forward(self, states: Tensor) -> Tensor:
        return states[:, -1]


KINDS = {
    "relu": (nn.RNN, {"nonlinearity": "relu"}),
    "tanh": (nn.RNN, {"nonlinearity": "tanh"}),
    "gru": (nn.GRU, {}),
    "lstm": (nn.LSTM, {}),
}


def recurrent(
    kind: str,
    units: int = 6,
    layers: int = 1,
    bidirectional: bool = False,
    batch_first: bool = True,
    bias: bool = True,
    inputs: int = 3,
) -> nn.RNNBase:
    torch.manual_seed(1)
    make, options = KINDS[kind]
    module: nn.RNNBase = make(
        inputs,
        units,
        layers,
        bias=bias,
        batch_first=batch_first,
        bidirectional=bidirectional,
        dtype=torch.float64,
        **options,
    )
    return module


def net(rnn: nn.RNNBase, outputs: int = 4) -> nn.Sequential:
    """A net that returns an output for every step."""
    values = rnn.hidden_size * (2 if rnn.bidirectional else 1)
    return nn.Sequential(Recurrent(rnn), nn.Linear(values, outputs, dtype=torch.float64))


def rnn_in(model: nn.Module, name: str = "0.rnn") -> nn.RNNBase:
    module = model.get_submodule(name)
    assert isinstance(module, nn.RNNBase)
    return module


def sequences(count: int = 5, steps: int = 7, features: int = 3, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, steps, features, generator=generator, dtype=torch.float64)
