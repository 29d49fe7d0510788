"""Operations without weights or state: input, addition, reshape, readout."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from edgespike.errors import shown
from edgespike.graph.ops.base import Op
from edgespike.graph.tensor import (
    ACCUMULATOR_LIMIT,
    CHANNEL_LIMIT,
    ELEMENT_LIMIT,
    Integers,
    Signal,
    Tensor,
    bounded,
)


def check_shape(shape: tuple[int, ...]) -> Iterator[str]:
    """Yield what keeps a declared shape from being one of a graph's tensors."""
    if len(shape) not in (1, 3) or any(size < 1 for size in shape):
        yield f"shape {shown(shape)} must be (features,) or (channels, height, width)"
    elif math.prod(shape) > ELEMENT_LIMIT:
        yield f"shape {shape} has more than {ELEMENT_LIMIT} elements"
    elif shape[0] > CHANNEL_LIMIT:
        yield f"shape {shape} has more than {CHANNEL_LIMIT} channels or features"


@final
@dataclass(frozen=True, eq=False)
class Input(Op):
    """The quantised input of a sample: whole numbers ``q`` that stand for ``q * scale``.

    Parameters
    ----------
    shape
        ``(features,)`` or ``(channels, height, width)``.
    low, high
        Smallest and largest value, for all elements. 0 and 1 make it an input of spikes, every
        other range is graded.
    scale
        Real value of one unit.
    """

    shape: tuple[int, ...]
    low: int
    high: int
    scale: float

    kind: ClassVar[str] = "input"
    emits_events: ClassVar[bool] = True
    arity: ClassVar[int | None] = 0

    def check(self, inputs: Sequence[Tensor]) -> Iterator[str]:
        """Yield what is wrong with shape, range or scale."""
        yield from check_shape(self.shape)
        if self.low > self.high:
            yield f"range {self.low}..{self.high} is empty; give low <= high"
        if max(-self.low, self.high) > ACCUMULATOR_LIMIT:
            yield f"range {self.low}..{self.high} is wider than +-{ACCUMULATOR_LIMIT}"
        if not (math.isfinite(self.scale) and self.scale > 0):
            yield f"scale {self.scale} must be a positive finite number"

    def infer(self, inputs: Sequence[Tensor], steps: int) -> Tensor:
        """Return the declared shape and range."""
        channels = self.shape[0]
        spikes = (self.low, self.high) == (0, 1)
        return Tensor(
            self.shape,
            np.full(channels, self.low, np.int64),
            np.full(channels, self.high, np.int64),
            Signal.SPIKES if spikes else Signal.GRADED,
        )


@final
@dataclass(frozen=True, eq=False)
class Add(Op):
    """Element-wise sum of two or more inputs of one shape, all events or all accumulators.

    Events are not merged: where two spikes meet, two spikes travel on.
    """

    kind: ClassVar[str] = "add"
    free: ClassVar[str | None] = (
        "sources that meet in one neuron or one axon; their events are counted where they arrive"
    )
    arity: ClassVar[int | None] = None

    def check(self, inputs: Sequence[Tensor]) -> Iterator[str]:
        """Yield where shapes differ or events meet accumulators."""
        shapes = [tensor.shape for tensor in inputs]
        if len(set(shapes)) > 1:
            yield f"inputs have shapes {shown(shapes)}; all must be equal"
        if len({tensor.signal.is_event for tensor in inputs}) > 1:
            yield (
                "events and accumulators cannot be added; send the events through a weighted "
                "layer first, so that their synapses are counted"
            )

    def infer(self, inputs: Sequence[Tensor], steps: int) -> Tensor:
        """Add the ranges; graded wins over spikes."""
        signals = {tensor.signal for tensor in inputs}
        signal = Signal.GRADED if Signal.GRADED in signals else inputs[0].signal
        lows = np.stack([tensor.low for tensor in inputs])
        highs = np.stack([tensor.high for tensor in inputs])
        low = bounded(lows.sum(axis=0), lows.sum(axis=0, dtype=np.float64))
        high = bounded(highs.sum(axis=0), highs.sum(axis=0, dtype=np.float64))
        return Tensor(inputs[0].shape, low, high, signal)


@final
@dataclass(frozen=True, eq=False)
class Reshape(Op):
    """The same elements in the same (row-major) order under another shape."""

    shape: tuple[int, ...]

    kind: ClassVar[str] = "reshape"
    free: ClassVar[str | None] = "a name for the same elements"

    def check(self, inputs: Sequence[Tensor]) -> Iterator[str]:
        """Yield where the number of elements differs."""
        bad_shape = list(check_shape(self.shape))
        yield from bad_shape
        if not bad_shape and math.prod(self.shape) != inputs[0].size:
            yield (
                f"shape {self.shape} has {math.prod(self.shape)} elements, "
                f"its input {inputs[0].shape} has {inputs[0].size}; they must be equal"
            )

    def infer(self, inputs: Sequence[Tensor], steps: int) -> Tensor:
        """Return each new channel the range of all old ones that its elements come from."""
        (tensor,) = inputs
        starts = np.arange(self.shape[0]) * (tensor.size // self.shape[0])
        ends = starts + tensor.size // self.shape[0]
        old = tensor.size // tensor.shape[0]
        spans = np.stack([starts // old, (ends - 1) // old + 1], axis=1).ravel()

        def over_spans(extreme: np.ufunc, values: Integers) -> Integers:
            # Every other result is of the gap between two spans; the last one ends behind the end.
            found: Integers = extreme.reduceat(np.append(values, values[-1]), spans)[::2]
            return found

        low, high = over_spans(np.minimum, tensor.low), over_spans(np.maximum, tensor.high)
        return Tensor(self.shape, low, high, tensor.signal)


class ReadoutMode(str, Enum):
    """What a readout makes of the steps of a sample."""

    SUM = "sum"
    """Accumulators are summed over the steps so far."""

    LAST = "last"
    """Each step has its own accumulators, and the answer is the last step's."""


@final
@dataclass(frozen=True, eq=False)
class Readout(Op):
    """The answer: each class's accumulator after the last step of a sample.

    Parameters
    ----------
    scale
        Real value of one unit of each class's accumulator, shape ``(classes,)``, positive.
        ``accumulator * scale`` is the logit.
    mode
        Whether accumulators go on from step to step.
    members
        How many networks stand side by side, see :func:`edgespike.passes.ensemble.ensemble`. All
        classes of the first member come first: shapes are ``(members * classes,)``.
    """

    scale: NDArray[np.float64]
    mode: ReadoutMode = ReadoutMode.SUM
    members: int = 1

    kind: ClassVar[str] = "readout"
    channel_fields: ClassVar[tuple[str, ...]] = ("scale",)
    has_neurons: ClassVar[bool] = True

    def check(self, inputs: Sequence[Tensor]) -> Iterator[str]:
        """Yield where the scale does not fit the classes."""
        if len(inputs[0].shape) != 1:
            yield f"input has shape {inputs[0].shape}; flatten it with a reshape first"
        elif self.scale.shape != inputs[0].shape:
            yield f"scale has shape {self.scale.shape}, it must be {inputs[0].shape}"
        if not (np.isfinite(self.scale).all() and (self.scale > 0).all()):
            yield "scale must be positive and finite for every class"
        if self.members < 1 or self.scale.size % self.members:
            yield (
                f"members is {self.members}; it must be at least 1 and divide the scale's "
                f"{self.scale.size} entries"
            )

    @property
    def classes(self) -> int:
        """Classes of one member."""
        return self.scale.size // self.members

    def infer(self, inputs: Sequence[Tensor], steps: int) -> Tensor:
        """Sum the range over the steps; after one step it is at least one step's range."""
        (tensor,) = inputs
        if self.mode is ReadoutMode.LAST:
            return Tensor(tensor.shape, tensor.low, tensor.high, Signal.ACCUMULATOR)
        low = np.minimum(tensor.low, bounded(tensor.low * steps, tensor.low * float(steps)))
        high = np.maximum(tensor.high, bounded(tensor.high * steps, tensor.high * float(steps)))
        return Tensor(tensor.shape, low, high, Signal.ACCUMULATOR)
