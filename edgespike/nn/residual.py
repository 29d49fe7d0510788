"""Residual blocks, which add events."""

from __future__ import annotations

from torch import Tensor, nn


class Residual(nn.Module):
    """Add what a block gives to its input, or to what a shortcut makes of it.

    Both summands are events of one scale: levels are added to levels, and where two spikes meet,
    two travel on. So both branches must end in activations of the same scale, and so must what
    comes before a block without a shortcut.

    Parameters
    ----------
    body
        Ends in an activation.
    shortcut
        Ends in an activation too; None passes the input on.
    """

    def __init__(self, body: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.body = body
        self.shortcut = nn.Identity() if shortcut is None else shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Give ``body(x) + shortcut(x)``."""
        events: Tensor = self.body(x)
        passed: Tensor = self.shortcut(x)
        return events + passed
