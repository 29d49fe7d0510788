"""Quantise weights to few integer states, with a straight-through gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

# A layer of zeros still needs a scale to divide by.
SMALLEST_SCALE = 1e-12


def round_half_up(x: Tensor) -> Tensor:
    """Round to the nearest whole number, ties upwards: ``floor(x + 1/2)``."""
    return torch.floor(x + 0.5)


def integer_states(x: Tensor, scale: Tensor, low: int, high: int) -> Tensor:
    """Give ``clip(round(x / scale), low, high)``, in the dtype of ``x``."""
    return round_half_up(x / scale).clamp(low, high)


class _RoundClip(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, low: int, high: int) -> Tensor:
        ctx.save_for_backward(x, scale)
        ctx.range = (low, high)
        # The states are found in single precision whatever the module's dtype, so that a module
        # that is evaluated in double precision has the same integers.
        states = integer_states(x.float(), scale, low, high)
        # The strides of x, also where they are ambiguous (one input channel): a convolution takes
        # its fast layout from its kernel's.
        return torch.mul(states.to(x.dtype), scale.to(x.dtype), out=torch.empty_like(x))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        x, scale = ctx.saved_tensors
        low, high = ctx.range
        ratio = x / scale
        inside = (ratio >= low - 0.5) & (ratio <= high + 0.5)
        return gradients[0] * inside, None, None, None


def round_clip(x: Tensor, scale: Tensor, low: int, high: int) -> Tensor:
    """Quantise ``x`` to ``scale * clip(round(x / scale), low, high)``.

    The gradient is passed straight through where ``x`` is not clipped, and is zero elsewhere
    (Bengio et al., arXiv 1308.3432). ``scale`` is a constant for the gradient.

    Parameters
    ----------
    x
        Any shape.
    scale
        Scalar, float32, positive: the distance of two states.
    low, high
        The lowest and the highest state.
    """
    result: Tensor = _RoundClip.apply(x, scale, low, high)  # type: ignore[no-untyped-call]
    return result


@dataclass(frozen=True)
class SymmetricQuantiser:
    """Integer weights in ``-limit..limit`` with one scale for the layer: largest magnitude / limit.

    Parameters
    ----------
    bits
        Width of a weight with its sign, 2 to 8; ``limit`` is ``2 ** (bits - 1) - 1``.
    """

    bits: int

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= 8:
            raise ValueError(f"weights have {self.bits} bits; 2 to 8 are possible")

    @property
    def limit(self) -> int:
        """The largest integer weight."""
        return int(2 ** (self.bits - 1) - 1)

    def scale(self, weight: Tensor) -> Tensor:
        """Give the float value of one integer step, a float32 scalar."""
        largest = weight.detach().float().abs().amax()
        return (largest / self.limit).clamp(min=SMALLEST_SCALE)

    def integers(self, weight: Tensor) -> Tensor:
        """Give the integer weights, int64, in the shape of ``weight``."""
        weight = weight.detach().float()
        return integer_states(weight, self.scale(weight), -self.limit, self.limit).long()

    def __call__(self, weight: Tensor) -> Tensor:
        """Give ``integers * scale`` with a straight-through gradient."""
        return round_clip(weight, self.scale(weight), -self.limit, self.limit)
