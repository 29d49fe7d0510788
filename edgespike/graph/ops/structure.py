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
    """Yield why a declared shape cannot be that of a graph's tensor."""
    if len(shape) not in (1, 3) or any(size < 1 for size in shape):
        yield f"shape {shown(shape)} must be (features,) or (channels, height, width)"
    elif math.prod(shape) > ELEMENT_LIMIT:
        yield f"shape {shape} has more than {ELEMENT_LIMIT} elements; use a smaller one"
    elif shape[0] > CHANNEL_LIMIT:
        yield f"shape {shape} has more than {CHANNEL_LIMIT} channels or features; use fewer"


@final
@dataclass(frozen=True, eq=False, repr=False)
class Input(Op):
    """The quantised input of a sample: integers ``q`` that stand for ``q * scale``.

    Parameters
    ----------
    shape
        ``(features,)`` or ``(channels, height, width)``.
    low, high
        Smallest and largest value of all elements. The range 0..1 is an input of spikes, any
        other range is graded.
    scale
        Real value of one unit.
    """

    shape: tuple[int, ...]
    low: int
    high: int
    scale: float

    kind: ClassVar[str] = "input"
    arity: ClassVar[int | None] = 0

    @property
    def emits_events(self) -> bool:
        """Return true."""
        return True

    def check(self, inputs: Sequence[Tensor]) -> Iterator[str]:
        """Yield what is wrong with the shape, range or scale."""
        yield from check_shape(self.shape)
        if self.low > self.high:
            yield f"range {self.low}..{self.high} is empty; give low <= high"
        if max(-self.low, self.high) > ACCUMULATOR_LIMIT:
            yield (
                f"range {self.low}..{self.high} exceeds +-{ACCUMULATOR_LIMIT}; use a smaller range"
            )
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
@dataclass(frozen=True, eq=False, repr=False)
class Add(Op):
    """Element-wise sum of two or more inputs of one shape, all events or all accumulators.

    Events are not merged: where two spikes meet, two spikes leave.
    """

    kind: ClassVar[str] = "add"
    free: ClassVar[str | None] = "only joins connections; events are counted where they arrive"
    arity: ClassVar[int | None] = None

    def check(self, inputs: Sequence[Tensor]) -> Iterator[str]:
        """Yield a message if shapes differ, or if events are added to accumulators."""
        shapes = [tensor.shape for tensor in inputs]
        if len(set(shapes)) > 1:
            yield f"inputs have shapes {shown(shapes)}; all must be equal"
        if len({tensor.signal.is_event for tensor in inputs}) > 1:
            yield (
                "events and accumulators cannot be added; send the events through a weighted "
                "layer first, so that their synapses are counted"
            )

    def infer(self, inputs: Sequence[Tensor], steps: int) -> Tensor:
        """Add the ranges; a sum of graded events and spikes is graded."""
        signals = {tensor.signal for tensor in inputs}
        signal = Signal.GRADED if Signal.GRADED in signals else inputs[0].signal
        lows = np.stack([tensor.low for tensor in inputs])
        highs = np.stack([tensor.high for tensor in inputs])
        low = bounded(lows.sum(axis=0), lows.sum(axis=0, dtype=np.float64))
        high = bounded(highs.sum(axis=0), highs.sum(axis=0, dtype=np.float64))
        return Tensor(inputs[0].shape, low, high, signal)


@final
@dataclass(frozen=True, eq=False, repr=False)
class Concatenate(Op):
    """The channels of two or more inputs, one input after the other.

    All inputs are events or all are accumulators; images have one height and width.
    """

    kind: ClassVar[str] = "concatenate"
    free: ClassVar[str | None] = "only joins connections; events are counted where they arrive"
    arity: ClassVar[int | None] = None

    @property
    def file_version(self) -> int:
        """The version that added it."""
        return 5

    def check(self, inputs: Sequence[Tensor]) -> Iterator[str]:
        """Yield a message if images differ in size, or if events stand beside accumulators."""
        sizes = [tensor.shape[1:] for tensor in inputs]
        if len(set(sizes)) > 1:
            yield (
                f"inputs have shapes {shown([tensor.shape for tensor in inputs])}; all axes but "
                "the first must be equal"
            )
        if len({tensor.signal.is_event for tensor in inputs}) > 1:
            yield (
                "events and accumulators cannot stand side by side; concatenate before the "
                "weighted layers or after the neurons"
            )
        if (channels := sum(tensor.shape[0] for tensor in inputs)) > CHANNEL_LIMIT:
            yield f"it has {channels} channels; the limit is {CHANNEL_LIMIT}, use fewer"

    def infer(self, inputs: Sequence[Tensor], steps: int) -> Tensor:
        """Put the ranges one after the other; graded events beside spikes make all graded."""
        signals = {tensor.signal for tensor in inputs}
        signal = Signal.GRADED if Signal.GRADED in signals else inputs[0].signal
        low = np.concatenate([tensor.low for tensor in inputs])
        high = np.concatenate([tensor.high for tensor in inputs])
        return Tensor((len(low), *inputs[0].shape[1:]), low, high, signal)


@final
@dataclass(frozen=True, eq=False, repr=False)
class Reshape(Op):
    """The same elements in the same (row-major) order under another shape."""

    shape: tuple[int, ...]

    kind: ClassVar[str] = "reshape"
    free: ClassVar[str | None] = "the same elements under another shape"

    def check(self, inputs: Sequence[Tensor]) -> Iterator[str]:
        """Yield a message if the number of elements differs."""
        bad_shape = list(check_shape(self.shape))
        yield from bad_shape
        if not bad_shape and math.prod(self.shape) != inputs[0].size:
            yield (
                f"shape {self.shape} has {math.prod(self.shape)} elements, "
                f"its input {inputs[0].shape} has {inputs[0].size}; they must be equal"
            )

    def infer(self, inputs: Sequence[Tensor], steps: int) -> Tensor:
        """Return for each new channel the range of all old channels that its elements are from."""
        (tensor,) = inputs
        starts = np.arange(self.shape[0]) * (tensor.size // self.shape[0])
        ends = starts + tensor.size // self.shape[0]
        old = tensor.size // tensor.shape[0]
        spans = np.stack([starts // old, (ends - 1) // old + 1], axis=1).ravel()

        def over_spans(extreme: np.ufunc, values: Integers) -> Integers:
            # Every second result is for the gap between two spans. No index may be the number of
            # values, where the last span ends: hence one value more.
            found: Integers = extreme.reduceat(np.append(values, values[-1]), spans)[::2]
            return found

        low, high = over_spans(np.minimum, tensor.low), over_spans(np.maximum, tensor.high)
        return Tensor(self.shape, low, high, tensor.signal)


class ReadoutMode(str, Enum):
    """How a readout combines the steps of a sample."""

    SUM = "sum"
    """Accumulators are summed over the steps."""

    LAST = "last"
    """Each step has accumulators of its own; the answer is that of the last step."""

    MAX = "max"
    """Each step has accumulators of its own; the answer is the largest, class by class."""


@final
@dataclass(frozen=True, eq=False, repr=False)
class Readout(Op):
    """The answer: each class's accumulator after the last step of a sample.

    Parameters
    ----------
    scale
        Real value of one unit of each class's accumulator, positive, shape
        ``(members * classes,)``. ``accumulator * scale`` is the logit.
    mode
        What the answer is made of.
    members
        Number of merged graphs, see :func:`edgespike.passes.ensemble.ensemble`. All classes of
        the first member come first.
    """

    scale: NDArray[np.float64]
    mode: ReadoutMode = ReadoutMode.SUM
    members: int = 1

    kind: ClassVar[str] = "readout"
    channel_fields: ClassVar[tuple[str, ...]] = ("scale",)
    has_neurons: ClassVar[bool] = True

    def check(self, inputs: Sequence[Tensor]) -> Iterator[str]:
        """Yield why the scale does not fit the classes."""
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
    def file_version(self) -> int:
        """The first version whose readouts have this mode."""
        return 5 if self.mode is ReadoutMode.MAX else 1

    @property
    def classes(self) -> int:
        """Number of classes of one member."""
        return self.scale.size // self.members

    def infer(self, inputs: Sequence[Tensor], steps: int) -> Tensor:
        """Sum the range over the steps; the sum after the first step is in it too."""
        (tensor,) = inputs
        if self.mode is not ReadoutMode.SUM:
            return Tensor(tensor.shape, tensor.low, tensor.high, Signal.ACCUMULATOR)
        low = np.minimum(tensor.low, bounded(tensor.low * steps, tensor.low * float(steps)))
        high = np.maximum(tensor.high, bounded(tensor.high * steps, tensor.high * float(steps)))
        return Tensor(tensor.shape, low, high, Signal.ACCUMULATOR)
