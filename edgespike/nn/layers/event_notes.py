"""What a tensor of events stands for: a note that travels with it from module to module."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import torch
from torch import Tensor

from edgespike.nn.layers.activation import EventActivation

_OBSERVERS = count()


@dataclass(frozen=True)
class Note:
    """What the values of a tensor of events mean.

    Parameters
    ----------
    sources
        Paths of the neurons that sent the events.
    scale, zero
        Real value of one level, and the level that stands for 0.
    spikes
        Whether levels say how many events arrive; else a level that is not 0 is one event.
    signed
        Whether magnitudes stand for the levels.
    numbers
        How many events each value stands for; None where the values say so.
    powered
        What `powers` is for levels that were added up, the sum; None where none were.
    arriving
        The levels, with more axes in front, if more of them arrive than the tensor shows.
    changed_by
        What made the events something else that cannot be counted; "" for events.
    """

    sources: frozenset[str] = frozenset()
    scale: float = 1.0
    zero: int = 0
    spikes: bool = True
    signed: bool = False
    numbers: Tensor | None = None
    powered: Tensor | None = None
    arriving: Tensor | None = None
    changed_by: str = ""

    def levels(self, values: Tensor) -> Tensor:
        """Return the levels that arrive with the tensor, differentiable."""
        if self.arriving is not None:
            return self.arriving
        values = values if self.scale == 1 else values / self.scale
        if self.signed:
            return values.abs()
        return values if self.zero == 0 else values + self.zero

    def powers(self, values: Tensor, power: int) -> Tensor:
        """Return the levels raised to 1 or 2 and divided by that, before any were added up."""
        if self.powered is not None:
            return self.powered
        levels = self.levels(values)
        if power == 1:
            return levels
        halves: Tensor = _HalfSquare.apply(levels)  # type: ignore[no-untyped-call]
        return halves

    def numbers_in(self, levels: Tensor) -> Tensor:
        """Return how many events arrive with the tensor that has these levels; no gradient."""
        if self.numbers is not None:
            return self.numbers
        levels = levels.detach()
        if self.spikes:
            return levels
        # The level 0 is sent by sending nothing, whatever value it stands for.
        return not_zero(levels if self.zero == 0 else levels.round())

    def without_tensors(self) -> Note:
        """Return the same note for values that nothing was added up in."""
        return replace(self, numbers=None, powered=None, arriving=None)


class _HalfSquare(torch.autograd.Function):
    """Half the square, whose gradient is one product; autograd's own takes twice the time."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.mul(x, x).mul_(0.5)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return torch.mul(gradients[0], x)


class Notes:
    """The notes of one observer: several may observe one model, each with a power of its own."""

    def __init__(self) -> None:
        self._name = f"edgespike_note_{next(_OBSERVERS)}"

    def on(self, tensor: object) -> Note | None:
        """Return the note that a tensor carries, if any."""
        note: Note | None = getattr(tensor, self._name, None)
        return note

    def put(self, tensor: Tensor, note: Note) -> None:
        """Let a tensor carry a note, as an attribute."""
        setattr(tensor, self._name, note)


def note_of(activation: EventActivation, source: str, step: float = 1.0) -> Note:
    """Return the note for values that an activation at a path returned, times ``step``."""
    return Note(
        sources=frozenset({source}),
        scale=activation.scale * step,
        zero=activation.event_zero,
        spikes=activation.states == 2,
        signed=activation.signed,
    )


def not_zero(values: Tensor) -> Tensor:
    """Return 1 where values are not zero, else 0, in their dtype and without gradient."""
    return (values.detach() != 0).to(values.dtype)
