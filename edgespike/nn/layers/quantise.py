"""Quantise weights to few integer states, with a straight-through gradient.

There are two quantisers. `SymmetricQuantiser` takes a number of bits, and its scale from the
largest weight; `StandardisedQuantiser` takes a number of states and has a fixed scale, since it
standardises the weights first.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from edgespike.nn.layers.optimal_step import optimal_step

SMALLEST_SCALE = 1e-12
"""Lower limit of a scale: a layer of zeros still needs one to divide by."""

MOST_STATES = 256
"""Most states that a weight or an activation can have."""


def is_whole(value: object, low: int, high: int) -> bool:
    """Return whether a value is a whole number from ``low`` to ``high``; True and 3.0 are not."""
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def round_half_up(x: Tensor) -> Tensor:
    """Round to the nearest whole number, ties upwards: ``floor(x + 1/2)``."""
    return torch.floor(x + 0.5)


def integer_states(x: Tensor, scale: Tensor, low: int, high: int) -> Tensor:
    """Return ``clip(round(x / scale), low, high)``, in the dtype of ``x``."""
    return round_half_up(x / scale).clamp(low, high)


def odd_states(x: Tensor, scale: Tensor, high: int) -> Tensor:
    """Return the nearest odd integer to ``x / scale`` in ``-high..high``, in the dtype of ``x``."""
    return (2 * torch.floor(x / (2 * scale)) + 1).clamp(-high, high)


class _Replaced(torch.autograd.Function):
    """The second argument, with the gradient of the first."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, values: Tensor) -> Tensor:
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


def straight_through(x: Tensor, values: Tensor) -> Tensor:
    """Return ``values`` unchanged, with the gradient of ``x``, which they stand for."""
    replaced: Tensor = _Replaced.apply(x, values)  # type: ignore[no-untyped-call]
    return replaced


class _StraightThrough(torch.autograd.Function):
    """A quantised ``x``, with the gradient of ``x`` where it is in a range and zero elsewhere."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, low: Tensor, high: Tensor, quantise: Callable[[Tensor], Tensor]
    ) -> Tensor:
        ctx.save_for_backward((x >= low) & (x <= high))
        return quantise(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (inside,) = ctx.saved_tensors
        return gradients[0] * inside, None, None, None


def _times(integers: Tensor, scale: Tensor, like: Tensor) -> Tensor:
    """Multiply in the dtype of ``like`` and with its strides.

    Where the input's strides are ambiguous (one channel), a convolution takes the kernel's memory
    layout, and only one of the layouts is fast.
    """
    dtype = like.dtype
    return torch.mul(integers.to(dtype), scale.to(dtype), out=torch.empty_like(like))


def round_clip(x: Tensor, scale: Tensor, low: int, high: int, like: Tensor | None = None) -> Tensor:
    """Quantise ``x`` to ``scale * clip(round(x / scale), low, high)``.

    The gradient is passed straight through where ``x`` is not clipped, and is zero elsewhere
    (Bengio et al., arXiv 1308.3432). ``scale`` is a constant for the gradient.

    Parameters
    ----------
    x
        Any shape.
    scale
        Scalar, float32, positive: the distance between neighbouring states.
    low, high
        The lowest and the highest state.
    like
        The result has the dtype and strides of this tensor; those of ``x`` if None.
    """

    def quantise(x: Tensor) -> Tensor:
        # The states are computed in single precision for any dtype of the module, so that a module
        # evaluated in double precision has the same integers.
        states = integer_states(x.float(), scale, low, high)
        return _times(states, scale, x if like is None else like)

    return _straight_through(x, (low - 0.5) * scale, (high + 0.5) * scale, quantise)


def round_clip_odd(x: Tensor, scale: Tensor, high: int, like: Tensor) -> Tensor:
    """Quantise ``x`` to ``scale`` times the nearest odd integer in ``-high..high``.

    As `round_clip`, for an even number of states, none of which is at 0.
    """

    def quantise(x: Tensor) -> Tensor:
        return _times(odd_states(x.float(), scale, high), scale, like)

    return _straight_through(x, -(high + 1) * scale, (high + 1) * scale, quantise)


def _straight_through(
    x: Tensor, low: Tensor, high: Tensor, quantise: Callable[[Tensor], Tensor]
) -> Tensor:
    result: Tensor = _StraightThrough.apply(x, low, high, quantise)  # type: ignore[no-untyped-call]
    return result


class WeightQuantiser(Protocol):
    """How a layer turns its weights into integers; the first axis is the output channel."""

    def scale(self, weight: Tensor) -> Tensor:
        """Return the float value of one integer step, a float32 scalar."""

    def nonzero_before_rounding(self, weight: Tensor) -> Tensor:
        """Return which weights are synapses before they are rounded, bool, in their shape."""

    def integers(self, weight: Tensor) -> Tensor:
        """Return the integer weights, int64, in the shape of ``weight``."""

    def __call__(self, weight: Tensor) -> Tensor:
        """Return ``integers * scale`` with a straight-through gradient."""


@dataclass(frozen=True)
class SymmetricQuantiser:
    """Integer weights in ``-limit..limit``; the layer's scale is its largest magnitude / limit.

    Parameters
    ----------
    bits
        Width of a weight with its sign, 2 to 8; ``limit`` is ``2 ** (bits - 1) - 1``.
    """

    bits: int

    def __post_init__(self) -> None:
        if not is_whole(self.bits, 2, 8):
            raise ValueError(f"weights have {self.bits!r} bits; 2 to 8 are possible")

    @property
    def limit(self) -> int:
        """The largest integer weight."""
        return int(2 ** (self.bits - 1) - 1)

    def scale(self, weight: Tensor) -> Tensor:
        """Return the float value of one integer step, a float32 scalar."""
        largest = weight.detach().float().abs().amax()
        return (largest / self.limit).clamp(min=SMALLEST_SCALE)

    def nonzero_before_rounding(self, weight: Tensor) -> Tensor:
        """Return which weights are not zero, bool, in their shape."""
        return weight.detach() != 0

    def integers(self, weight: Tensor) -> Tensor:
        """Return the integer weights, int64, in the shape of ``weight``."""
        weight = weight.detach().float()
        return integer_states(weight, self.scale(weight), -self.limit, self.limit).long()

    def __call__(self, weight: Tensor) -> Tensor:
        """Return ``integers * scale`` with a straight-through gradient."""
        return round_clip(weight, self.scale(weight), -self.limit, self.limit)

    def __str__(self) -> str:
        return f"bits={self.bits}"


@dataclass(frozen=True)
class StandardisedQuantiser:
    """MaQD's weights: standardised, then rounded and clipped to few states (arXiv 2403.14999).

    Each output channel has its mean subtracted and is divided by its standard deviation (biased).
    The result is quantised with the step of least squared error for a normal distribution. With an
    odd number of states one is at 0: ``-(M-1)/2 .. (M-1)/2`` steps. With an even number none is:
    ``+-1/2, +-3/2 ..`` steps, which are odd multiples of half a step. A layer's integers are
    multiplied by ``step / sqrt(fan-in)``, so that sums over standard normal inputs are standard
    normal. It is not known whether the paper scales in the same way.

    A channel whose weights are all equal is standardised to zeros: its integers are 0, or 1 if
    the number of states is even.

    Parameters
    ----------
    states
        M, 2 to 256. The integers fit signed bytes if M is odd and up to 255, or even and up to 128.

    Raises
    ------
    ValueError
        M is out of its range.
    """

    states: int

    def __post_init__(self) -> None:
        if not is_whole(self.states, 2, MOST_STATES):
            raise ValueError(
                f"weights have {self.states!r} states; 2 to {MOST_STATES} are possible"
            )

    def scale(self, weight: Tensor) -> Tensor:
        """Return the float value of one integer step, a float32 scalar."""
        step = optimal_step(self.states) / math.sqrt(weight[0].numel())
        return torch.tensor(step / 2 if self._is_even else step, device=weight.device)

    def nonzero_before_rounding(self, weight: Tensor) -> Tensor:
        """Return which weights are not zero when standardised; all if no state is at 0."""
        if self._is_even:
            return torch.ones_like(weight, dtype=torch.bool)
        return _standardised(weight.detach().float()) != 0

    def integers(self, weight: Tensor) -> Tensor:
        """Return the integer weights, int64, in the shape of ``weight``."""
        scaled, scale = _standardised(weight.detach().float()), self.scale(weight)
        if self._is_even:
            return odd_states(scaled, scale, self.states - 1).long()
        return integer_states(scaled, scale, -(self.states // 2), self.states // 2).long()

    def __call__(self, weight: Tensor) -> Tensor:
        """Return ``integers * scale`` with a straight-through gradient."""
        scaled, scale = _standardised(weight.float()), self.scale(weight)
        if self._is_even:
            return round_clip_odd(scaled, scale, self.states - 1, like=weight)
        half = self.states // 2
        return round_clip(scaled, scale, -half, half, like=weight)

    @property
    def _is_even(self) -> bool:
        return self.states % 2 == 0

    def __str__(self) -> str:
        return f"states={self.states}"


def _standardised(weight: Tensor) -> Tensor:
    """Return weights whose output channels have mean 0 and variance ``1 / fan-in``.

    A channel whose weights are all equal becomes zeros.
    """
    flat = weight.flatten(1)
    variance, mean = torch.var_mean(flat, dim=1, correction=0)
    shape = (-1, *[1] * (weight.ndim - 1))
    factor = torch.rsqrt((variance * flat.shape[1]).clamp(min=SMALLEST_SCALE))
    return (weight - mean.reshape(shape)) * factor.reshape(shape)
