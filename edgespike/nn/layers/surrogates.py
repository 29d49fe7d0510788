"""Surrogates: derivatives that replace those of step functions while a net is trained.

Each is the derivative of a staircase with edges at 0, 1, ..., ``steps - 1`` and steps of height 1,
so one surrogate serves activations of any scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite, nextafter, pi
from typing import Literal, Protocol, get_args

import numpy as np
import torch
from torch import Tensor

from edgespike.errors import shown


class Surrogate(Protocol):
    """The derivative that an activation uses in the backward pass."""

    def derivative(self, x: Tensor, steps: int) -> Tensor:
        """Return the derivative at each value, in the shape and dtype of ``x``."""

    def times(self, gradient: Tensor, x: Tensor, steps: int) -> Tensor:
        """Return a gradient times the derivative, in few passes over the memory.

        It cannot be differentiated again.
        """


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


Bump = Literal["asymmetric", "sigmoid", "rectangle", "arctangent"]
"""The shape of a surrogate at one edge; see `SumOfBumps`."""

BUMPS: tuple[Bump, ...] = get_args(Bump)


@dataclass(frozen=True)
class SumOfBumps:
    """A bump at each edge, of one of these shapes; with a single edge it is a spike's surrogate.

    - "asymmetric": `surrogate_derivative`, of S3NN.
    - "sigmoid": the derivative of ``sigmoid(alpha x)``.
    - "rectangle": ``alpha / 4`` where ``|x| <= 2 / alpha``, else 0 (Wu et al., arXiv 1706.02609,
      with ``alpha = 4 / a``).
    - "arctangent": ``alpha / 4 / (1 + (pi alpha x / 4)^2)``, as in snnTorch with half the alpha
      (Fang et al., arXiv 2007.05785).

    All are ``alpha / 4`` at the edge, and all but the asymmetric one have the area 1. Which widths
    the paper of the penalty compares is not known: that they share one ``alpha`` is a choice.

    Parameters
    ----------
    alpha
        Steepness.
    beta
        Height of the asymmetric bump at and above its edge; the others do not use it.
    bump
        The shape.

    Raises
    ------
    ValueError
        ``alpha`` or ``beta`` is not finite, ``alpha`` is not positive for a shape that has a width,
        or the shape is unknown.
    """

    alpha: float = 4.0
    beta: float = 1.0
    bump: Bump = "asymmetric"

    def __post_init__(self) -> None:
        if not (isfinite(self.alpha) and isfinite(self.beta)):
            raise ValueError(f"alpha is {self.alpha} and beta {self.beta}; both must be finite")
        if self.bump not in BUMPS:
            raise ValueError(f"bump is {shown(self.bump)}; it must be one of {', '.join(BUMPS)}")
        if self.bump != "asymmetric" and self.alpha <= 0:
            raise ValueError(f"alpha is {self.alpha}; a bump {self.bump!r} needs one above 0")

    def derivative(self, x: Tensor, steps: int) -> Tensor:
        """Return the sum of the bumps of all edges."""
        total = self._at_edge(x)
        for edge in range(1, steps):
            total = total + self._at_edge(x - edge)
        return total

    def times(self, gradient: Tensor, x: Tensor, steps: int) -> Tensor:
        """Return a gradient times `derivative`, for training steps."""
        if self.bump not in ("asymmetric", "sigmoid"):
            return gradient * self.derivative(x, steps)
        total = self._times_at_edge(gradient, x)
        for edge in range(1, steps):
            total.add_(self._times_at_edge(gradient, x - edge))
        return total

    def _times_at_edge(self, gradient: Tensor, x: Tensor) -> Tensor:
        sigmoid = x.mul(self.alpha).sigmoid_()
        # One pass computes gradient * sigmoid * (1 - sigmoid).
        below: Tensor = torch.ops.aten.sigmoid_backward(gradient, sigmoid).mul_(self.alpha)
        if self.bump == "sigmoid":
            return below
        above = x.clamp(min=0).add_(1)
        torch.div(gradient, above, out=above)
        return torch.where(x < 0, below, above if self.beta == 1 else above.mul_(self.beta))

    def _at_edge(self, x: Tensor) -> Tensor:
        match self.bump:
            case "asymmetric":
                return surrogate_derivative(x, self.alpha, self.beta)
            case "sigmoid":
                sigmoid = torch.sigmoid(self.alpha * x)
                return self.alpha * sigmoid * (1 - sigmoid)
            case "rectangle":
                return (x.abs() <= 2 / self.alpha).to(x.dtype) * (self.alpha / 4)
            case "arctangent":
                return self.alpha / 4 / (1 + (pi / 4 * self.alpha * x) ** 2)


@dataclass(frozen=True)
class StraightThrough:
    """1 where the staircase is not clipped, else 0 (Bengio et al., arXiv 1308.3432)."""

    def derivative(self, x: Tensor, steps: int) -> Tensor:
        """Return 1 from one step before the first edge to one step after the last, else 0."""
        return ((x >= -1) & (x <= steps)).to(x.dtype)

    def times(self, gradient: Tensor, x: Tensor, steps: int) -> Tensor:
        """Return a gradient times `derivative`, for training steps."""
        if x.dtype not in (torch.float32, torch.float64):
            return gradient * self.derivative(x, steps)
        # One pass; it leaves out its bounds, so they are the next numbers outside.
        low, high = _next(-1.0, -inf, x.dtype), _next(float(steps), inf, x.dtype)
        found: Tensor = torch.ops.aten.hardtanh_backward(gradient, x, low, high)
        return found


def _next(value: float, towards: float, dtype: torch.dtype) -> float:
    if dtype == torch.float64:
        return nextafter(value, towards)
    return float(np.nextafter(np.float32(value), np.float32(towards)))
