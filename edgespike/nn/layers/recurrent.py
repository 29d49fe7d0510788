"""Recurrent layers of floats, in the shape that pruning and quantisation expect."""

from __future__ import annotations

from typing import TypeAlias

from torch import Tensor, nn

from edgespike.nn.nets.recurrent_spec import RecurrentSpec

Cell: TypeAlias = nn.RNN | nn.GRU | nn.LSTM

SMALL = 1e-3
"""Standard deviation of the input weights beside identity as recurrent ones."""


class Recurrent(nn.Module):
    """A recurrent layer that gives its whole sequence of hidden states, and nothing else.

    Parameters
    ----------
    rnn
        With ``batch_first``.

    Raises
    ------
    ValueError
        It has its batch on the second axis.
    """

    def __init__(self, rnn: Cell) -> None:
        super().__init__()
        if not rnn.batch_first:
            raise ValueError("the recurrent layer has batch_first False; True is needed")
        self.rnn = rnn

    def forward(self, x: Tensor) -> Tensor:
        """Return hidden states (samples, steps, hidden) for ``x`` (samples, steps, features)."""
        states: Tensor = self.rnn(x)[0]
        return states


class LastStep(nn.Module):
    """Return what a sequence ends with."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the last step, (samples, features), of ``x`` (samples, steps, features)."""
        return x[:, -1]


def recurrent_cell(spec: RecurrentSpec) -> Cell:
    """Build a float net's recurrent layers; weights are drawn from torch's global generator."""
    size = (spec.input_shape[1], spec.hidden, spec.layers)
    if spec.cell == "gru":
        return nn.GRU(*size, batch_first=True)
    if spec.cell == "lstm":
        return nn.LSTM(*size, batch_first=True)
    rnn = nn.RNN(*size, nonlinearity=spec.nonlinearity, batch_first=True)
    if spec.initialisation == "identity":
        _start_with_identity(rnn)
    return rnn


def _start_with_identity(rnn: nn.RNN) -> None:
    for name, parameter in rnn.named_parameters():
        if name.startswith("weight_hh"):
            nn.init.eye_(parameter)
        elif name.startswith("weight_ih"):
            nn.init.normal_(parameter, std=SMALL)
        else:
            nn.init.zeros_(parameter)
