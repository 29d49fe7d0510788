"""Pooling: the sum of a window's values, or the largest one (OR, for spikes)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

from edgespike.errors import shown
from edgespike.graph.ops.windows import Windowed, check_geometry, window_counts
from edgespike.graph.tensor import Tensor, bounded


@dataclass(frozen=True, eq=False, repr=False)
class Pool2d(Windowed):
    """Base of both poolings: windows over ``(channels, height, width)``.

    Parameters
    ----------
    kernel, stride
        Each ``(vertical, horizontal)``, in elements. A window that would reach beyond the padding
        is left out.
    padding
        ``(vertical, horizontal)`` or ``(top, bottom, left, right)``, in elements; see
        :class:`Windowed`. Padded places are empty: they add nothing to a sum and do not take part
        in a maximum. Each window holds at least one element of the input.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, ...] = (0, 0)

    def check(self, inputs: Sequence[Tensor]) -> Iterator[str]:
        """Yield why the windows do not fit the input."""
        if len(self.kernel) != 2 or any(size < 1 for size in self.kernel):
            yield f"kernel is {shown(self.kernel)}; give (vertical, horizontal), each at least 1"
            return
        bad_geometry = list(check_geometry(self.stride, self.padding, (1, 1)))
        yield from bad_geometry
        shape = inputs[0].shape
        if len(shape) != 3:
            yield f"input has shape {shape}; pooling needs (channels, height, width)"
        elif not bad_geometry:
            yield from self.check_padded_size(shape)
            if self._has_empty_window(shape):
                yield (
                    f"padding {self.padding} makes windows of kernel {self.kernel} that hold "
                    f"nothing of the input {shape[1:]}; use less padding"
                )
            if any(size > whole for size, whole in zip(self.kernel, shape[1:], strict=True)):
                yield (
                    f"kernel {self.kernel} does not fit into input {shape[1:]}; "
                    "use a smaller kernel"
                )

    def _has_empty_window(self, shape: tuple[int, ...]) -> bool:
        """Return whether the first or last window along an axis lies in the padding alone."""
        axes = zip(
            shape[1:], self.kernel, self.stride, self.sides, self.output_size(shape), strict=True
        )
        return any(
            before >= kernel or (count - 1) * step - before >= size
            for size, kernel, step, (before, _), count in axes
        )

    def output_size(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Return height and width of the output for an input of ``shape``."""
        return window_counts(shape, self.kernel, self.stride, self.sides)

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, int, int]:
        """Return the shape of the output for an input of ``shape``."""
        return (shape[0], *self.output_size(shape))


@final
@dataclass(frozen=True, eq=False, repr=False)
class SumPool2d(Pool2d):
    """Sum of each window. Events pass through it one by one; they are not merged."""

    kind: ClassVar[str] = "sum_pool2d"
    free: ClassVar[str | None] = "only groups connections; each event is counted where it arrives"

    def infer(self, inputs: Sequence[Tensor], steps: int) -> Tensor:
        """Multiply the range by the window's size; windows at a padded border hold fewer."""
        tensor = inputs[0].with_padding() if self.padded else inputs[0]
        size = self.kernel[0] * self.kernel[1]
        low, high = (bounded(end * size, end * float(size)) for end in (tensor.low, tensor.high))
        return Tensor(self.output_shape(tensor.shape), low, high, tensor.signal)


@final
@dataclass(frozen=True, eq=False, repr=False)
class MaxPool2d(Pool2d):
    """Largest value of each window; its input must be events that are not negative.

    For single spikes this is OR: a window with any spike emits one.
    """

    kind: ClassVar[str] = "max_pool2d"

    @property
    def emits_events(self) -> bool:
        """Return true."""
        return True

    def check(self, inputs: Sequence[Tensor]) -> Iterator[str]:
        """Yield why the windows do not fit, or that the input is not events or may be negative."""
        yield from super().check(inputs)
        if not inputs[0].signal.is_event:
            yield "its input is an accumulator; pool after the threshold, which gives the same"
        elif inputs[0].bounds[0] < 0:
            yield f"its input may be {inputs[0].bounds[0]}; only values from 0 up can be pooled"

    def infer(self, inputs: Sequence[Tensor], steps: int) -> Tensor:
        """Keep the range."""
        tensor = inputs[0]
        return Tensor(self.output_shape(tensor.shape), tensor.low, tensor.high, tensor.signal)
