"""Activations with few levels; a spike is one with two."""

from __future__ import annotations

from abc import ABC, abstractmethod
from fractions import Fraction
from math import atanh, isfinite, log
from typing import Any

import torch
from torch import Tensor, nn

from edgespike.nn.layers.optimal_step import optimal_step
from edgespike.nn.layers.quantise import MOST_STATES, is_whole, straight_through
from edgespike.nn.layers.surrogates import StraightThrough, Surrogate


class _Staircase(torch.autograd.Function):
    """``scale`` times the number of edges ``first, first + step, ...`` that the input reaches."""

    @staticmethod
    def forward(
        ctx: Any,
        u: Tensor,
        first: float,
        step: float,
        states: int,
        scale: float,
        surrogate: Surrogate,
    ) -> Tensor:
        ctx.save_for_backward(u)
        ctx.parameters = (first, step, states, scale, surrogate)
        if states == 2:
            level = (u >= first).to(u.dtype)
        else:
            level = u.sub(first).div_(step).floor_().add_(1).clamp_(0, states - 1)
        return level if scale == 1 else level.mul_(scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (u,) = ctx.saved_tensors
        first, step, states, scale, surrogate = ctx.parameters
        x = u - first
        if step != 1:
            x = x / step
        # Gradients are on where the gradient itself is to be differentiated.
        if torch.is_grad_enabled():
            through = gradients[0] * surrogate.derivative(x, states - 1)
        else:
            through = surrogate.times(gradients[0], x, states - 1)
        if scale != step:
            through = through * (scale / step)
        return (through, *(None,) * 5)


class EventActivation(nn.Module, ABC):
    """An activation that emits events: ``scale * (level - zero)``.

    The level is the number of thresholds that the input reaches.

    Attributes
    ----------
    states
        Number of distinct values; the level ranges from 0 to ``states - 1``.
    scale
        Distance between two neighbouring values, positive and finite.
    zero
        The level that stands for the value 0.
    signed
        Whether an event carries ``level - zero``, which has a sign, and not the level. The value 0
        then sends nothing.
    """

    states: int
    scale: float
    zero: int = 0
    signed: bool = False

    @property
    def offset(self) -> int:
        """What is added to a level before it is sent."""
        return -self.zero if self.signed else 0

    @property
    def event_zero(self) -> int:
        """The number that is sent for the value 0."""
        return self.zero + self.offset

    @abstractmethod
    def thresholds(self) -> list[Fraction]:
        """Return the exact thresholds, in ascending order."""


class LevelActivation(EventActivation):
    """A staircase: ``scale`` times the number of thresholds that the membrane potential reaches.

    The thresholds are ``first, first + step, ..., first + (states - 2) * step``. There is no time
    axis, no decay, no reset and no state.

    Parameters
    ----------
    states
        Number of distinct values, 2 to 256.
    first
        The lowest threshold.
    step
        Distance between neighbouring thresholds, positive and finite.
    scale
        Distance between neighbouring values, positive and finite.
    surrogate
        Replaces the derivative in the backward pass.

    Raises
    ------
    ValueError
        A parameter is out of its range.
    """

    def __init__(
        self, states: int, first: float, step: float, scale: float, surrogate: Surrogate
    ) -> None:
        super().__init__()
        _check_states(states)
        if not (0 < step < float("inf") and 0 < scale < float("inf")):
            raise ValueError(f"step is {step} and scale {scale}; both must be positive and finite")
        if not isfinite(first):
            raise ValueError(f"the lowest threshold is {first}; it must be finite")
        self.states, self.first, self.step, self.scale = states, first, step, scale
        self.surrogate = surrogate

    def thresholds(self) -> list[Fraction]:
        """Return the exact thresholds, in ascending order."""
        first, step = Fraction(self.first), Fraction(self.step)
        return [first + level * step for level in range(self.states - 1)]

    def forward(self, u: Tensor) -> Tensor:
        """Return ``scale`` times the level of each membrane potential, in its shape and dtype."""
        levels: Tensor = _Staircase.apply(  # type: ignore[no-untyped-call]
            u, self.first, self.step, self.states, self.scale, self.surrogate
        )
        return levels


def _check_states(states: int) -> None:
    if not is_whole(states, 2, MOST_STATES):
        raise ValueError(f"an activation has {states!r} states; 2 to {MOST_STATES} are possible")


class RoundClip(LevelActivation):
    r"""MaQD's activation, ``s * clip(round(u / s), 0, states - 1)`` (arXiv 2403.14999).

    Halves are rounded up, so it is a staircase with thresholds ``(l - 1/2) * s``.

    Parameters
    ----------
    states
        Number of distinct values, 2 to 256; two make a spike.
    step
        ``s``. The default has the least squared error for the positive half of a standard normal
        distribution, which is what a normalisation layer produces. The paper's choice is not known.
    surrogate
        Replaces the derivative in the backward pass.

    Raises
    ------
    ValueError
        A parameter is out of its range.
    """

    def __init__(
        self,
        states: int,
        step: float | None = None,
        surrogate: Surrogate = StraightThrough(),  # noqa: B008 - it is frozen
    ) -> None:
        _check_states(states)
        # The positive half of a symmetric quantiser that has a state at 0.
        step = optimal_step(2 * states - 1) if step is None else step
        super().__init__(states, step / 2, step, step, surrogate)

    def extra_repr(self) -> str:
        """Return the parameters shown in the module's ``repr``."""
        return f"states={self.states}, step={self.step:.4g}, surrogate={self.surrogate}"


class TanhLevels(EventActivation):
    """The hyperbolic tangent rounded to few states: multiples ``-half..half`` of ``1 / half``.

    Each input is mapped to the state nearest to its tangent. The thresholds are therefore uneven:
    the inverse tangents of the midpoints between states. They are rounded to 8 decimals, because
    the graph that follows from them must not depend on how a machine computes them. The gradient
    is that of the tangent.

    Parameters
    ----------
    states
        Number of distinct values, odd, 3 to 255: ``2 * half + 1``.
    signed
        Whether events carry the states with their signs, see `EventActivation`.

    Raises
    ------
    ValueError
        The number of states is out of its range or even.
    """

    def __init__(self, states: int, signed: bool = False) -> None:
        super().__init__()
        _check_odd("tanh", states)
        self.states, self.scale, self.zero, self.signed = states, 1.0, states // 2, signed
        midpoints = [(2 * level - states) / (states - 1) for level in range(1, states)]
        self._thresholds = [round(atanh(midpoint), 8) for midpoint in midpoints]

    def thresholds(self) -> list[Fraction]:
        """Return the exact thresholds, in ascending order."""
        return [Fraction(threshold) for threshold in self._thresholds]

    def forward(self, u: Tensor) -> Tensor:
        """Return the state of each membrane potential, in its shape and dtype."""
        reached = torch.bucketize(u.detach(), u.new_tensor(self._thresholds), right=True)
        return straight_through(torch.tanh(u) * self.zero, reached.to(u.dtype) - self.zero)

    def extra_repr(self) -> str:
        """Return the parameters shown in the module's ``repr``."""
        return f"states={self.states}{', signed=True' * self.signed}"


def _check_odd(what: str, states: int) -> None:
    if not is_whole(states, 3, MOST_STATES) or states % 2 == 0:
        raise ValueError(f"{what} has {states!r} states; odd numbers from 3 to 255 are possible")


class SigmoidLevels(EventActivation):
    """The logistic function rounded to few states: whole numbers ``0..states - 1``.

    The highest one stands for 1. As in `TanhLevels`, each input is mapped to the nearest state, at
    uneven thresholds that are rounded to 8 decimals, and the gradient is that of the function.

    Parameters
    ----------
    states
        Number of distinct values, 2 to 256; with two, a gate is open or closed.

    Raises
    ------
    ValueError
        The number of states is out of its range.
    """

    def __init__(self, states: int) -> None:
        super().__init__()
        _check_states(states)
        self.states, self.scale = states, 1.0
        midpoints = [(2 * level - 1) / (2 * (states - 1)) for level in range(1, states)]
        self._thresholds = [round(log(x / (1 - x)), 8) for x in midpoints]

    def thresholds(self) -> list[Fraction]:
        """Return the exact thresholds, in ascending order."""
        return [Fraction(threshold) for threshold in self._thresholds]

    def forward(self, u: Tensor) -> Tensor:
        """Return the state of each membrane potential, in its shape and dtype."""
        reached = torch.bucketize(u.detach(), u.new_tensor(self._thresholds), right=True)
        return straight_through(torch.sigmoid(u) * (self.states - 1), reached.to(u.dtype))

    def extra_repr(self) -> str:
        """Return the parameters shown in the module's ``repr``."""
        return f"states={self.states}"


class RoundSigned(EventActivation):
    """Round to the nearest whole number in ``-half..half``, halves upwards; events have signs.

    Parameters
    ----------
    states
        Number of distinct values, odd, 3 to 255: ``2 * half + 1``.

    Raises
    ------
    ValueError
        The number of states is out of its range or even.
    """

    signed = True

    def __init__(self, states: int) -> None:
        super().__init__()
        _check_odd("a signed state", states)
        self.states, self.scale, self.zero = states, 1.0, states // 2

    def thresholds(self) -> list[Fraction]:
        """Return the exact thresholds, in ascending order."""
        return [Fraction(2 * level - 1, 2) - self.zero for level in range(1, self.states)]

    def forward(self, u: Tensor) -> Tensor:
        """Return the state of each potential ``u``, whose gradient is passed straight through."""
        rounded = torch.floor(u.detach() + 0.5).clamp(-self.zero, self.zero)
        return straight_through(u, rounded)

    def extra_repr(self) -> str:
        """Return the parameters shown in the module's ``repr``."""
        return f"states={self.states}"
