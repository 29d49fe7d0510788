"""A torch module of its own class."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Votes(nn.Module):
    """A layer of whole weights: each input votes for and against classes."""

    def __init__(self, weight: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.register_buffer("weight", torch.tensor(weight))

    def forward(self, x: Tensor) -> Tensor:
        weight = self.get_buffer("weight")
        return x @ weight.T.to(x.dtype)
