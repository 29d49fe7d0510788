"""How many instructions a run takes on a core: a number with its range, and where it is from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Instructions:
    """Instructions that a core runs for a sample, in the mean over a run's samples.

    Parameters
    ----------
    core
        Name of the core.
    typical, low, high
        The number, and its range.
    measured
        Whether an emulator counted this graph with these samples; else a model estimates it.
    how
        Where the number is from, in one line.
    layers
        The same by node, typical; empty if it was not asked for.
    """

    core: str
    typical: float
    low: float
    high: float
    measured: bool
    how: str
    layers: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return {
            "core": self.core,
            "typical": self.typical,
            "low": self.low,
            "high": self.high,
            "measured": self.measured,
            "how": self.how,
            "layers": dict(self.layers),
        }
