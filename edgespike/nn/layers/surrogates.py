"""Surrogates: derivatives that replace those of step functions while a net is trained.

Each is the derivative of a staircase with edges at 0, 1, ..., ``steps - 1`` and steps of height 1,
so one surrogate serves activations of any scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Protocol

import torch
from torch import Tensor


class Surrogate(Protocol):
    """The derivative that an activation uses in the backward pass."""

    def derivative(self, x: Tensor, steps: int) -> Tensor:
        """Return the derivative at each value, in the shape and dtype of ``x``."""


def surrogate_derivative(x: Tensor, alpha: float, beta: float) -> Tensor:
    """Return the asymmetric surrogate of the step function's derivative (S3NN, arXiv 2201.10879).

    It is ``alpha * sigmoid(alpha x) * (1 - sigmoid(alpha x))`` below the threshold (``x < 0``) and
    ``beta / (x + 1)`` at and above it. It never vanishes for a neuron that fired, and with the
    default ``alpha = 4, beta = 1`` it is continuous.

    Parameters
    ----------
    x
        Membrane potential minus threshold, any shape.
    """
    sigmoid = torch.sigmoid(alpha * x)
    # torch.where evaluates both branches: without the clamp one would divide by zero at x = -1.
    return torch.where(x < 0, alpha * sigmoid * (1 - sigmoid), beta / (x.clamp(min=0) + 1))


@dataclass(frozen=True)
class SumOfBumps:
    """One `surrogate_derivative` at each edge; with a single edge it is S3NN's.

    Raises
    ------
    ValueError
        ``alpha`` or ``beta`` is not finite.
    """

    alpha: float = 4.0
    beta: float = 1.0

    def __post_init__(self) -> None:
        if not (isfinite(self.alpha) and isfinite(self.beta)):
            raise ValueError(f"alpha is {self.alpha} and beta {self.beta}; both must be finite")

    def derivative(self, x: Tensor, steps: int) -> Tensor:
        """Return the sum of the bumps of all edges."""
        total = surrogate_derivative(x, self.alpha, self.beta)
        for edge in range(1, steps):
            total = total + surrogate_derivative(x - edge, self.alpha, self.beta)
        return total


@dataclass(frozen=True)
class StraightThrough:
    """1 where the staircase is not clipped, else 0 (Bengio et al., arXiv 1308.3432)."""

    def derivative(self, x: Tensor, steps: int) -> Tensor:
        """Return 1 from one step before the first edge to one step after the last, else 0."""
        return ((x >= -1) & (x <= steps)).to(x.dtype)
