"""The delay of one step, the operation that makes a graph recurrent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from edgespike.graph.ops.base import Op
from edgespike.graph.ops.structure import check_shape
from edgespike.graph.tensor import ACCUMULATOR_LIMIT, Signal, Tensor


@final
@dataclass(frozen=True, eq=False)
class Delay(Op):
    """What its source gave at the step before; ``initial`` at a sample's first step.

    Its source may stand behind it in the graph, which closes a loop. That is why shape and range
    are declared: the ranges of everything behind the delay are proven from them, and the source is
    compared with them once its own range is known. What the source gives at a sample's last step
    is not delivered.

    Parameters
    ----------
    shape
        Of the source's output.
    low, high
        Range that the source stays within, for all elements.
    signal
        What the source's events are: spikes or graded.
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
        "an axon whose events arrive a step later; they are counted where they arrive"
    )

    @classmethod
    def behind(cls, source: Tensor, initial: int = 0) -> Delay:
        """Declare what a source gives whose output is known, at its narrowest."""
        low, high = source.bounds
        return cls(source.shape, min(low, initial), max(high, initial), source.signal, initial)

    def check(self, inputs: Sequence[Tensor]) -> Iterator[str]:
        """Yield what is wrong with shape, range or first value; ``inputs`` is not looked at."""
        yield from check_shape(self.shape)
        if self.low > self.high:
            yield f"range {self.low}..{self.high} is empty; give low <= high"
        if max(-self.low, self.high) > ACCUMULATOR_LIMIT:
            yield f"range {self.low}..{self.high} is wider than +-{ACCUMULATOR_LIMIT}"
        if not self.low <= self.initial <= self.high:
            yield f"initial is {self.initial}; it must be within {self.low}..{self.high}"
        if self.signal is Signal.SPIKES and self.low < 0:
            yield f"low is {self.low}; spikes are counted, so that at least 0 is needed"
        if not self.signal.is_event:
            yield f"signal is {self.signal.value}; only events can be delayed, spikes or graded"

    def infer(self, inputs: Sequence[Tensor], steps: int) -> Tensor:
        """Return the declared shape and range; ``inputs`` is not looked at."""
        low, high = (np.full(self.shape[0], end, np.int64) for end in (self.low, self.high))
        return Tensor(self.shape, low, high, self.signal)

    def check_source(self, source: Tensor) -> Iterator[str]:
        """Yield where the source is not what is declared."""
        low, high = source.bounds
        if source.shape != self.shape:
            yield f"shape is {self.shape}, its source has {source.shape}; they must be equal"
        if low < self.low or high > self.high:
            yield f"range is {self.low}..{self.high}, its source gives {low}..{high}; widen it"
        if source.signal is not self.signal:
            yield f"signal is {self.signal.value}, its source's is {source.signal.value}"
