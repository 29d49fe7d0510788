"""The range of whole numbers that a quantiser has, by its bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgespike.converters.onnx.model import OnnxNode
from edgespike.converters.onnx.qonnx.fields import number
from edgespike.converters.onnx.qonnx.rounding import MODES, Floats, Rounding, function_of
from edgespike.converters.sums import ConversionStoppedError
from edgespike.errors import shown

BITS = range(1, 33)
"""Bit widths that are read."""


@dataclass(frozen=True)
class Bits:
    """The range of codes of a Quant node.

    Parameters
    ----------
    bits, signed, narrow, mode
        As the node says them.
    """

    bits: int
    signed: bool
    narrow: bool
    mode: Rounding

    @classmethod
    def of(cls, node: OnnxNode, width: Any, signed: int | None = None) -> Bits:
        """Return what a node says.

        Parameters
        ----------
        width
            Its bit width, an array of one number.
        signed
            What is meant where the node does not say it; ``None`` if it must.
        """
        stated = node.attributes.get("signed", signed)
        if stated is None:
            raise ConversionStoppedError(f"{node.title} does not say whether it is signed")
        mode = str(node.attributes.get("rounding_mode", "ROUND"))
        if mode.upper() not in MODES:
            raise ConversionStoppedError(
                f"{node.title} has rounding_mode {shown(mode)}; give one of {', '.join(MODES)}"
            )
        bits = number(node, "bit width", width)
        if bits not in BITS:
            raise ConversionStoppedError(
                f"{node.title} has bit width {shown(float(bits))}; give a whole number in "
                f"{BITS[0]}..{BITS[-1]}"
            )
        narrow = bool(node.attributes.get("narrow", 0))
        return cls(int(bits), bool(stated), narrow, MODES[mode.upper()])

    @property
    def bipolar(self) -> bool:
        """Whether there are two levels, -1 and 1."""
        return self.bits == 1 and self.signed

    @property
    def low(self) -> int:
        """Smallest code."""
        return int(-(2 ** (self.bits - 1)) + self.narrow if self.signed else 0)

    @property
    def high(self) -> int:
        """Largest code."""
        return int(2 ** (self.bits - 1) - 1 if self.signed else 2**self.bits - 1 - self.narrow)

    def codes(self, numbers: Floats) -> Floats:
        """Return the codes of numbers that are scaled already, in their own precision."""
        if self.bipolar:
            return (numbers >= 0).astype(numbers.dtype)
        kept = np.clip(numbers, self.low, self.high).astype(numbers.dtype)
        return function_of(self.mode)(kept)
