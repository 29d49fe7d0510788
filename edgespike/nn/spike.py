"""The single-step spiking neuron, S3NN (arXiv 2201.10879)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def surrogate_derivative(x: Tensor, alpha: float, beta: float) -> Tensor:
    """Give the asymmetric surrogate of the step function's derivative.

    ``alpha * sigmoid(alpha x) * (1 - sigmoid(alpha x))`` below the threshold (``x < 0``) and
    ``beta / (x + 1)`` from it on. It never vanishes for a neuron that fired, and with the default
    ``alpha = 4, beta = 1`` it is continuous.

    Parameters
    ----------
    x
        Membrane potential minus threshold, any shape.
    """
    sigmoid = torch.sigmoid(alpha * x)
    # The branch not taken is evaluated too: without the clamp it would divide by zero at x = -1.
    return torch.where(x < 0, alpha * sigmoid * (1 - sigmoid), beta / (x.clamp(min=0) + 1))


class _Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, u: Tensor, threshold: float, alpha: float, beta: float) -> Tensor:
        ctx.save_for_backward(u)
        ctx.parameters = (threshold, alpha, beta)
        return (u >= threshold).to(u.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (u,) = ctx.saved_tensors
        threshold, alpha, beta = ctx.parameters
        return gradients[0] * surrogate_derivative(u - threshold, alpha, beta), None, None, None


class SpikeActivation(nn.Module):
    """Fire where the membrane potential reaches the threshold: ``s = 1 if u >= threshold else 0``.

    There is no time axis, no decay, no reset and no state. The gradient is that of
    `surrogate_derivative`.

    Parameters
    ----------
    threshold
        Membrane potential from which on a neuron fires.
    alpha, beta
        Steepness of the surrogate below the threshold, and its height at and above it.
    """

    def __init__(self, threshold: float = 1.0, alpha: float = 4.0, beta: float = 1.0) -> None:
        super().__init__()
        self.threshold, self.alpha, self.beta = threshold, alpha, beta

    def forward(self, u: Tensor) -> Tensor:
        """Give the spikes, 0 or 1, in the shape and dtype of ``u``."""
        spikes: Tensor = _Spike.apply(  # type: ignore[no-untyped-call]
            u, self.threshold, self.alpha, self.beta
        )
        return spikes

    def extra_repr(self) -> str:
        """Name the parameters in the module's text form."""
        return f"threshold={self.threshold}, alpha={self.alpha}, beta={self.beta}"
