"""Recurrent layers of floats, in the shape that pruning and quantisation expect."""

from __future__ import annotations

from typing import TypeAlias

from torch import Tensor, nn

Cell: TypeAlias = nn.RNN | nn.GRU | nn.LSTM


class Recurrent(nn.Module):
    """A recurrent layer that returns only its sequence of hidden states.

    Parameters
    ----------
    rnn
        Must have ``batch_first``.

    Raises
    ------
    ValueError
        Its batch is on the second axis.
    """

    def __init__(self, rnn: Cell) -> None:
        super().__init__()
        if not rnn.batch_first:
            raise ValueError("the recurrent layer has batch_first False; it must be True")
        self.rnn = rnn

    def forward(self, x: Tensor) -> Tensor:
        """Return hidden states (samples, steps, hidden) for ``x`` (samples, steps, features)."""
        states: Tensor = self.rnn(x)[0]
        return states


class LastStep(nn.Module):
    """Select the last step of a sequence."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the last step, (samples, features), of ``x`` (samples, steps, features)."""
        return x[:, -1]
