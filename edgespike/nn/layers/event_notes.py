"""What a tensor of events stands for: a note that travels with it from module to module."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from edgespike.nn.layers.activation import EventActivation

_NOTE = "edgespike_note"
"""The attribute of a tensor of events that holds its note."""


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
        The sum of the powers of the levels that were added up; None where none were.
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
        """Return the levels raised to a power, before any of them were added up."""
        if self.powered is not None:
            return self.powered
        levels = self.levels(values)
        return levels if power == 1 else levels**power

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


def note_on(tensor: object) -> Note | None:
    """Return the note that a tensor carries, if any."""
    note: Note | None = getattr(tensor, _NOTE, None)
    return note


def put_note(tensor: Tensor, note: Note) -> None:
    """Let a tensor carry a note."""
    setattr(tensor, _NOTE, note)


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
