"""Fast kernels of the operations without state, on arrays ``(batch, *shape)``, channels last.

Each ``prepare_*`` does what depends on the graph alone, once, and returns the function that runs.
Steps are folded into the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from edgespike.graph import (
    Conv2d,
    Dense,
    MaxPool2d,
    Reshape,
    SumPool2d,
    Tensor,
    Threshold,
)
from edgespike.graph.ops import Pool2d
from edgespike.graph.ops.threshold import reachable
from edgespike.graph.ops.windows import Sides
from edgespike.targets.cpu.levels import count_reached, exact_line
from edgespike.targets.shared.number_types import (
    narrow_type,
    sum_type,
    weighted_bound,
)
from edgespike.targets.shared.partial_sums import largest_magnitude

Array = NDArray[Any]
Kernel = Callable[..., Array]

COLUMN_BYTES = 2**20
"""Maximum bytes of the unfolded input that one matrix product of a convolution reads: it
fits a core's cache."""


def prepare_dense(op: Dense, source: Tensor) -> Kernel:
    """Multiply by the weight and add the bias, in the fastest exact type."""
    dtype = sum_type(weighted_bound(op, source))
    weight = np.ascontiguousarray(op.weight.T, dtype)
    bias = op.bias.astype(dtype) if op.bias.any() else None
    # BLAS libraries are slow at matrices with a single column.
    multiply = np.multiply if len(weight) == 1 else np.matmul

    def run(x: Array) -> Array:
        out: Array = multiply(x.astype(dtype, copy=False), weight)
        if bias is not None:
            out += bias
        return out

    return run


def prepare_conv2d(op: Conv2d, source: Tensor, output: Tensor) -> Kernel:
    """Unfold the input so that the convolution is one matrix product for each group."""
    dtype = sum_type(weighted_bound(op, source))
    outputs, channels, *kernel = op.weight.shape
    split = op.weight.reshape(op.groups, outputs // op.groups, channels, *kernel)
    weight = split.transpose(0, 3, 4, 2, 1).reshape(op.groups, -1, outputs // op.groups)
    weight = np.ascontiguousarray(weight, dtype)
    bias = op.bias.astype(dtype) if op.bias.any() else None
    height, width = output.shape[1:]
    unfolded_bytes = height * width * weight[..., 0].size * dtype.itemsize
    at_once = max(1, COLUMN_BYTES // unfolded_bytes)

    def run(x: Array) -> Array:
        out = np.empty((len(x), height, width, outputs), dtype)
        for start in range(0, len(x), at_once):
            part = slice(start, start + at_once)
            columns = _unfold(op, x[part], (height, width), dtype)
            by_group = out[part].reshape(-1, op.groups, outputs // op.groups).swapaxes(0, 1)
            np.matmul(columns, weight, out=by_group)
        if bias is not None:
            out += bias
        return out

    return run


def _unfold(op: Conv2d, x: Array, size: tuple[int, int], dtype: np.dtype[Any]) -> Array:
    """Lay out the inputs of each output position: ``(groups, positions, kernel * channels)``."""
    padded = _padded(x, op.sides, dtype)
    sample, row, column, channel = padded.strides
    channels = x.shape[-1] // op.groups
    windows = as_strided(
        padded,
        (op.groups, len(x), *size, *op.weight.shape[2:], channels),
        (
            channels * channel,
            sample,
            row * op.stride[0],
            column * op.stride[1],
            row * op.dilation[0],
            column * op.dilation[1],
            channel,
        ),
        writeable=False,
    )
    return windows.reshape(op.groups, len(x) * size[0] * size[1], -1)


def _padded(x: Array, sides: Sides, dtype: np.dtype[Any]) -> Array:
    """Surround by zeros and change the type in one pass."""
    (top, bottom), (left, right) = sides
    if not (top or bottom or left or right):
        return x.astype(dtype, copy=False)
    n, height, width, channels = x.shape
    padded = np.zeros((n, top + height + bottom, left + width + right, channels), dtype)
    padded[:, top : top + height, left : left + width] = x
    return padded


def prepare_sum_pool2d(op: SumPool2d, source: Tensor, output: Tensor) -> Kernel:
    """Add up each window, rows first."""
    bound = op.kernel[0] * op.kernel[1] * float(largest_magnitude(source).max())
    dtype = _type_for(bound, source)
    return lambda x: _pool(op, _padded(x, op.sides, dtype), output.shape[1:], np.add)


def prepare_max_pool2d(op: MaxPool2d, output: Tensor) -> Kernel:
    """Take each window's largest value, rows first; no value is below the border's zeros."""
    return lambda x: _pool(op, _padded(x, op.sides, x.dtype), output.shape[1:], np.maximum)


def _pool(op: Pool2d, x: Array, size: Sequence[int], combine: Callable[..., Array]) -> Array:
    (height, width), (step_y, step_x) = size, op.stride
    rows = reduce(
        combine, (x[:, k : k + height * step_y : step_y][:, :height] for k in range(op.kernel[0]))
    )
    return reduce(
        combine,
        (rows[:, :, k : k + width * step_x : step_x][:, :, :width] for k in range(op.kernel[1])),
    )


def prepare_add(inputs: Sequence[Tensor]) -> Kernel:
    """Add element by element, in a type that holds every partial sum."""
    bound = float(np.sum([largest_magnitude(tensor).max() for tensor in inputs]))
    dtype = _type_for(bound, inputs[0])
    return lambda *arrays: reduce(partial(np.add, dtype=dtype), arrays)


def prepare_multiply(tensors: Sequence[Tensor]) -> Kernel:
    """Multiply two arrays of events, in a type that holds both inputs and the output."""
    lows, highs = zip(*(tensor.bounds for tensor in tensors), strict=True)
    dtype = narrow_type(min(lows), max(highs))
    return lambda left, right: np.multiply(left, right, dtype=dtype, casting="unsafe")


def prepare_concatenate(output: Tensor) -> Kernel:
    """Put channels, which are last here, one after the other."""
    dtype = _type_for(float(largest_magnitude(output).max()), output)
    return lambda *arrays: np.concatenate(arrays, axis=-1, dtype=dtype, casting="unsafe")


def _type_for(bound: float, source: Tensor) -> np.dtype[Any]:
    """Keep events in narrow integers and accumulators in floating point."""
    return narrow_type(-bound, bound) if source.signal.is_event else sum_type(bound)


def prepare_reshape(op: Reshape) -> Kernel:
    """Regroup elements in the graph's order, which is channels first."""

    def run(x: Array) -> Array:
        first = np.moveaxis(x, -1, 1).reshape(len(x), *op.shape)
        return np.ascontiguousarray(np.moveaxis(first, 1, -1))

    return run


def prepare_threshold(op: Threshold, source: Tensor) -> Kernel:
    """Count the thresholds that are reached; in flipped channels, those that are not."""
    theta = np.ascontiguousarray(reachable(op.theta.T, source.low, source.high))
    flipped = op.flipped if op.flipped.any() else None
    line = exact_line(op, source) if op.levels > 1 else None
    dtype = narrow_type(0, op.levels)

    def run_single(x: Array) -> Array:
        reached = x >= _comparable(theta[0], x)
        if flipped is not None:
            reached ^= flipped
        return reached.view(np.int8)

    def run_levels(x: Array) -> Array:
        if line is not None and x.dtype == np.float32:
            return line(x)
        reached = count_reached(x, _comparable(theta, x), dtype)
        if flipped is not None:
            np.subtract(op.levels, reached, out=reached, where=flipped)
        return reached

    levels = run_single if op.levels == 1 else run_levels
    if (op.offset, op.unit) == (0, 1):
        return levels
    ends = op.offset, op.offset + op.unit * op.levels
    wide = np.promote_types(narrow_type(*ends), narrow_type(-op.unit, op.unit))
    final = narrow_type(*ends)

    def run_scaled(x: Array) -> Array:
        values = levels(x).astype(wide) * wide.type(op.unit) + wide.type(op.offset)
        final_values: Array = values.astype(final)
        return final_values

    return run_scaled


def _comparable(theta: Array, x: Array) -> Array:
    """Return thresholds in the type of floating-point values; integers compare as they are."""
    return theta.astype(x.dtype) if np.issubdtype(x.dtype, np.floating) else theta
