"""Residual blocks, which add events."""

from __future__ import annotations

from torch import Tensor, nn


class EventSum(nn.Module):
    """Add two tensors of events; each event travels on separately."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Return ``x + y``."""
        return x + y


class Residual(nn.Module):
    """Add the output of a block to its input, or to the output of a shortcut.

    Both summands are events of one scale: levels are added to levels, and where two spikes meet,
    two travel on. Both branches must therefore end in activations of the same scale, and so must
    the layers before a block without a shortcut.

    Parameters
    ----------
    body
        Must end in an activation.
    shortcut
        Must end in an activation too; None passes the input on.
    """

    def __init__(self, body: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.body = body
        self.shortcut = nn.Identity() if shortcut is None else shortcut
        self.sum = EventSum()

    def forward(self, x: Tensor) -> Tensor:
        """Return ``body(x) + shortcut(x)``."""
        events = self.body(x)
        total: Tensor = self.sum(events, self.shortcut(x))
        return total
