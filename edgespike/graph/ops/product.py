"""The product of two events, element by element, which gates need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from edgespike.errors import shown
from edgespike.graph.ops.base import Op
from edgespike.graph.tensor import Signal, Tensor, bounded


@final
@dataclass(frozen=True, eq=False, repr=False)
class Multiply(Op):
    """Element-wise product of two inputs of one shape, both events.

    A gated recurrent unit needs it: a gate of K levels, times what it lets through. Sums of
    products, such as ``z * h + (K - z) * n``, are additions of its outputs.

    The product is a graded event, not an accumulator. One leaves exactly where an event arrives at
    both inputs, so the events that leave are the multiplications that were made, and every target
    reports them as it reports those of neurons. As an event, a product may also be delayed or reach
    synapses; where it has more values than 8 bits hold, a threshold after it rounds them.

    Each event that leaves is counted as one multiply-accumulate of this node, in all conventions:
    the second factor takes the place of the weight, and there are no synapses that a convention
    could leave out. It has no neurons: it keeps nothing, and does nothing where a factor is zero.
    The product of single spikes, a logical AND, is counted as a multiplication too.

    Events that pass through an addition or a sum pool on their way here arrive as one number, their
    sum.
    """

    kind: ClassVar[str] = "multiply"
    arity: ClassVar[int | None] = 2

    @property
    def emits_events(self) -> bool:
        """Return true."""
        return True

    @property
    def file_version(self) -> int:
        """The version that added it."""
        return 6

    def check(self, inputs: Sequence[Tensor]) -> Iterator[str]:
        """Yield a message if shapes differ, or if an input is not events."""
        shapes = [tensor.shape for tensor in inputs]
        if shapes[0] != shapes[1]:
            yield f"inputs have shapes {shown(shapes)}; both must be equal"
        if not all(tensor.signal.is_event for tensor in inputs):
            yield (
                "an accumulator cannot be multiplied by events; put a threshold before it, so that "
                "its levels are events"
            )

    def infer(self, inputs: Sequence[Tensor], steps: int) -> Tensor:
        """Return the least and greatest product of the ends of each channel's ranges."""
        left, right = inputs
        pairs = [(a, b) for a in (left.low, left.high) for b in (right.low, right.high)]
        ends = np.stack([bounded(a * b, a.astype(np.float64) * b) for a, b in pairs])
        return Tensor(left.shape, ends.min(axis=0), ends.max(axis=0), Signal.GRADED)
