"""Operations with synapses: dense and convolution."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from edgespike.graph.ops.base import Op, check_whole
from edgespike.graph.ops.windows import Windowed, check_geometry, window_counts
from edgespike.graph.tensor import Integers, Signal, Tensor, bounded

BLOCK_SIZE = 2**18
"""Weights per block when ranges are proven; 2 MB as int64."""


@dataclass(frozen=True, eq=False, repr=False)
class Weighted(Op):
    """Base of dense layers and convolutions.

    Parameters
    ----------
    weight
        Integers; the first axis is the output channel.
    bias
        Integers in units of the accumulator, added once per step, shape ``(outputs,)``.
    float_nonzero
        Where the trained float weights were not zero, in the shape of ``weight``; needed to count
        synaptic operations by that convention. ``None`` means where ``weight`` is not zero.
    """

    weight: Integers
    bias: Integers
    float_nonzero: NDArray[np.bool_] | None = None

    channel_fields: ClassVar[tuple[str, ...]] = ("weight", "bias", "float_nonzero")

    @property
    def trained_nonzero(self) -> NDArray[np.bool_]:
        """Where the trained float weights were not zero, as far as is known."""
        return np.asarray(self.weight != 0) if self.float_nonzero is None else self.float_nonzero

    def _check_arrays(self, ndim: int) -> Iterator[str]:
        yield from check_whole("weight", self.weight, ndim)
        yield from check_whole("bias", self.bias, 1)
        if self.bias.shape != self.weight.shape[:1]:
            yield f"bias has shape {self.bias.shape}, it must be {self.weight.shape[:1]}"
        mask = self.float_nonzero
        if mask is not None and mask.dtype != np.bool_:
            yield f"float_nonzero has dtype {mask.dtype}; give booleans"
        elif mask is not None and mask.shape != self.weight.shape:
            yield f"float_nonzero has shape {mask.shape}, it must be {self.weight.shape}"
        elif mask is not None and bool((~mask & (self.weight != 0)).any()):
            yield "float_nonzero is False at a weight that is not zero; mark it True"

    def _check_events(self, tensor: Tensor) -> Iterator[str]:
        if not tensor.signal.is_event:
            yield (
                "its input is an accumulator, not events; put a threshold or membrane between two "
                "weighted layers, or merge their weights"
            )

    def _range(self, low: NDArray[np.int64], high: NDArray[np.int64]) -> tuple[Integers, Integers]:
        """Bound the weighted sum of inputs, given the input range of each weight."""
        smallest = _interval_end(self.weight, self.bias, low, high)
        largest = _interval_end(self.weight, self.bias, high, low)
        return smallest, largest


def _interval_end(
    weight: Integers, bias: Integers, positive: Integers, negative: Integers
) -> Integers:
    """Sum the weights, each times the end of its input's interval that belongs to its sign.

    This is done in blocks, since the products take many times the memory of the weights.
    """
    each = (len(weight), *positive.shape[1 - weight.ndim :])
    parts = (weight, bias, np.broadcast_to(positive, each), np.broadcast_to(negative, each))
    rows = max(1, BLOCK_SIZE * len(weight) // weight.size)
    starts = range(0, len(weight), rows)
    return np.concatenate([_block_end(*(x[i : i + rows] for x in parts)) for i in starts])


def _block_end(
    weight: Integers, bias: Integers, positive: Integers, negative: Integers
) -> Integers:
    def total(dtype: type) -> NDArray[Any]:
        kernel: NDArray[Any] = weight.astype(dtype)
        products = np.maximum(kernel, 0) * positive + np.minimum(kernel, 0) * negative
        return np.asarray(products.sum(axis=tuple(range(1, weight.ndim))) + bias)

    return bounded(total(np.int64), total(np.float64))


@final
@dataclass(frozen=True, eq=False, repr=False)
class Dense(Weighted):
    """``weight @ x + bias``; weight ``(outputs, inputs)``."""

    kind: ClassVar[str] = "dense"

    def check(self, inputs: Sequence[Tensor]) -> Iterator[str]:
        """Yield why weight, bias and input do not fit together."""
        yield from self._check_arrays(2)
        yield from self._check_events(inputs[0])
        if len(inputs[0].shape) != 1:
            yield f"input has shape {inputs[0].shape}; flatten it with a reshape first"
        elif self.weight.ndim == 2 and self.weight.shape[1] != inputs[0].size:
            yield (
                f"weight takes {self.weight.shape[1]} inputs, its input has {inputs[0].size}; "
                "they must be equal"
            )

    def infer(self, inputs: Sequence[Tensor], steps: int) -> Tensor:
        """Bound each output by interval arithmetic over its weights."""
        low, high = self._range(inputs[0].low, inputs[0].high)
        return Tensor(self.weight.shape[:1], low, high, Signal.ACCUMULATOR)


@final
@dataclass(frozen=True, eq=False, repr=False)
class Conv2d(Weighted, Windowed):
    """Cross-correlation of ``(channels, height, width)`` with zero padding.

    Parameters
    ----------
    weight
        ``(outputs, inputs / groups, kernel height, kernel width)``.
    stride, dilation
        Each ``(vertical, horizontal)``, in elements.
    padding
        ``(vertical, horizontal)`` or ``(top, bottom, left, right)``, in elements; see
        :class:`Windowed`.
    groups
        Number of independent blocks that input and output channels are split into.
    """

    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, ...] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    kind: ClassVar[str] = "conv2d"

    def check(self, inputs: Sequence[Tensor]) -> Iterator[str]:
        """Yield why weight, geometry and input do not fit together."""
        yield from self._check_arrays(4)
        yield from self._check_events(inputs[0])
        bad_geometry = list(check_geometry(self.stride, self.padding, self.dilation))
        yield from bad_geometry
        if self.groups < 1:
            yield f"groups is {self.groups}; give at least 1"
            return
        shape = inputs[0].shape
        if len(shape) != 3:
            yield f"input has shape {shape}; a convolution needs (channels, height, width)"
            return
        if self.weight.ndim != 4 or self.weight.size == 0 or bad_geometry:
            return
        outputs, per_group = self.weight.shape[:2]
        if outputs % self.groups or per_group * self.groups != shape[0]:
            yield (
                f"weight {self.weight.shape} with groups {self.groups} takes "
                f"{per_group * self.groups} channels and needs outputs divisible by groups; "
                f"its input has {shape[0]} channels; change weight or groups"
            )
        yield from self.check_padded_size(shape)
        if min(self.output_size(shape)) < 1:
            yield (
                f"kernel {self.weight.shape[2:]} (dilation {self.dilation}) does not fit into "
                f"input {shape[1:]} with padding {self.padding}; "
                "use a smaller kernel or more padding"
            )

    def output_size(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Return height and width of the output for an input of ``shape``."""
        kernel = self.weight.shape[2:]
        return window_counts(shape, kernel, self.stride, self.sides, self.dilation)

    def infer(self, inputs: Sequence[Tensor], steps: int) -> Tensor:
        """Bound each output channel by interval arithmetic over its weights."""
        tensor = inputs[0].with_padding() if self.padded else inputs[0]
        group_of_output = np.arange(len(self.weight)) * self.groups // len(self.weight)
        low, high = (
            values.reshape(self.groups, -1)[group_of_output][:, :, None, None]
            for values in (tensor.low, tensor.high)
        )
        shape = (len(self.weight), *self.output_size(tensor.shape))
        return Tensor(shape, *self._range(low, high), Signal.ACCUMULATOR)
