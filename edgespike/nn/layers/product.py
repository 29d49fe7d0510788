"""Products of events."""

from __future__ import annotations

from torch import Tensor, nn


class EventProduct(nn.Module):
    """Multiply two tensors of events; a product that is not 0 is an event that carries it.

    It is a module so that a hook can count the products: each costs a multiply-accumulate.
    """

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Return ``x * y``."""
        return x * y
