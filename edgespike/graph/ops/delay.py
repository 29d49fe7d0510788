"""The delay of one step, which makes a graph recurrent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from edgespike.graph.ops.base import Op
from edgespike.graph.ops.structure import check_shape
from edgespike.graph.tensor import ACCUMULATOR_LIMIT, Signal, Tensor


@final
@dataclass(frozen=True, eq=False, repr=False)
class Delay(Op):
    """The source's output of the previous step; ``initial`` at a sample's first step.

    The source may come later in the graph, which closes a loop. That is why shape and range are
    declared: the ranges of everything after the delay are proven from them, and the source is
    compared with them once its own range is known. The source's output at a sample's last step is
    not delivered.

    Parameters
    ----------
    shape
        Shape of the source's output.
    low, high
        Range of the source's output, for all elements.
    signal
        Kind of the source's events: spikes or graded.
    initial
        Value of all elements at the first step.
    """

    shape: tuple[int, ...]
    low: int
    high: int
    signal: Signal
    initial: int = 0

    kind: ClassVar[str] = "delay"
    free: ClassVar[str | None] = (
        "only delays events by one step; they are counted where they arrive"
    )

    @classmethod
    def behind(cls, source: Tensor, initial: int = 0) -> Delay:
        """Return a delay with the narrowest declaration for a source whose output is known."""
        low, high = source.bounds
        return cls(source.shape, min(low, initial), max(high, initial), source.signal, initial)

    def check(self, inputs: Sequence[Tensor]) -> Iterator[str]:
        """Yield what is wrong with the shape, range or initial value; ``inputs`` is not used."""
        yield from check_shape(self.shape)
        if self.low > self.high:
            yield f"range {self.low}..{self.high} is empty; give low <= high"
        if max(-self.low, self.high) > ACCUMULATOR_LIMIT:
            yield (
                f"range {self.low}..{self.high} exceeds +-{ACCUMULATOR_LIMIT}; use a smaller range"
            )
        if not self.low <= self.initial <= self.high:
            yield f"initial is {self.initial}; it must be within {self.low}..{self.high}"
        if self.signal is Signal.SPIKES and self.low < 0:
            yield f"low is {self.low}; a spike count cannot be negative; use 0 or more"
        if not self.signal.is_event:
            yield f"signal is {self.signal.value}; only events can be delayed, spikes or graded"

    def infer(self, inputs: Sequence[Tensor], steps: int) -> Tensor:
        """Return the declared shape and range; ``inputs`` is not used."""
        low, high = (np.full(self.shape[0], end, np.int64) for end in (self.low, self.high))
        return Tensor(self.shape, low, high, self.signal)

    def check_source(self, source: Tensor) -> Iterator[str]:
        """Yield where the source's output is not what is declared."""
        low, high = source.bounds
        if source.shape != self.shape:
            yield f"shape is {self.shape}, its source has {source.shape}; they must be equal"
        if low < self.low or high > self.high:
            yield f"range is {self.low}..{self.high}, its source gives {low}..{high}; widen it"
        if source.signal is not self.signal:
            yield (
                f"signal is {self.signal.value}, its source's is {source.signal.value}; "
                "they must be equal"
            )
