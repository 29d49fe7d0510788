"""What all parts of the conversion of a ReLU net share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgespike.floats.net import FloatNet, FloatNode, Reals
from edgespike.quantise.levels.graph_so_far import Growing
from edgespike.quantise.levels.rewriting import tied, towards_answer
from edgespike.quantise.result import LayerLoss

if TYPE_CHECKING:
    from edgespike.converters.base import ConvertOptions

BITS, LEVELS = 8, 16
"""Used where the user says nothing. More than 64 levels make a TFLite file leave int8."""

SMALL, ENDS = 4, 8
"""With this many bits or fewer, the first and the last layer have `ENDS` instead."""


@dataclass
class State:
    """What all parts of the conversion share.

    Parameters
    ----------
    net
        With pools behind activations, see :mod:`edgespike.quantise.levels.rewriting`.
    floats
        What each of its nodes computes on the samples for calibration, steps one after the other.
    """

    net: FloatNet
    options: ConvertOptions
    floats: dict[str, Reals]
    grow: Growing = field(default_factory=Growing)
    losses: list[LayerLoss] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.answer = towards_answer(self.net)
        self.ties = {name: sorted(group) for group in tied(self.net) for name in group}
        self.bits = self.options.bits or BITS
        self.levels = self.options.levels or LEVELS

    def bits_of(self, *, first: bool, last: bool) -> int:
        """Return the bits of a layer's weights."""
        return ENDS if self.bits <= SMALL and (first or last) else self.bits

    def only_user(self, name: str) -> FloatNode | None:
        """Return the one node that uses a value, or ``None`` if there are several."""
        users = self.net.users[name]
        return users[0] if len(users) == 1 else None

    def said(self, used: int) -> str:
        """Say how numbers were rounded."""
        given = 0 if self.options.calibrate is None else len(self.options.calibrate)
        ends = self.bits_of(first=True, last=True)
        but = f" ({ends} in the first and the last layer)" if ends != self.bits else ""
        return (
            f"weights have {self.bits} bits{but}, activations {self.levels} levels, chosen on "
            f"{used} of {given} samples"
        )
