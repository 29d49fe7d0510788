"""An energy with its range."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """A lowest, a typical and a highest value, in joules."""

    low: float = 0.0
    typical: float = 0.0
    high: float = 0.0

    def __add__(self, other: Interval) -> Interval:
        return Interval(self.low + other.low, self.typical + other.typical, self.high + other.high)

    def __mul__(self, factor: float) -> Interval:
        return Interval(self.low * factor, self.typical * factor, self.high * factor)

    def __truediv__(self, divisor: float) -> Interval:
        return Interval(self.low / divisor, self.typical / divisor, self.high / divisor)

    def to_json(self) -> dict[str, float]:
        """Return ``low_j``, ``typical_j`` and ``high_j``."""
        return {"low_j": self.low, "typical_j": self.typical, "high_j": self.high}
