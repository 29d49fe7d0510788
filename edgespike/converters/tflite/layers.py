"""What each operator of a file is in the net."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from edgespike.converters.tflite import kernels
from edgespike.converters.tflite.building import NetBuilder
from edgespike.converters.tflite.layout import Value, places
from edgespike.converters.tflite.model import TfliteOperator
from edgespike.converters.tflite.schema import Padding
from edgespike.errors import shown
from edgespike.graph.ops.windows import total_same_padding, window_count
from edgespike.graph.tensor import Integers
from edgespike.int8.net import (
    Int8Add,
    Int8AveragePool,
    Int8Conv2d,
    Int8Dense,
    Int8Function,
    Int8MaxPool,
)

Pair = tuple[int, int]


def convolution(net: NetBuilder, operator: TfliteOperator) -> None:
    """Add CONV_2D; weights are ``(outputs, height, width, inputs / groups)``."""
    weight = net.constant(operator, 1, "weights", ("INT8",))
    source = net.image(operator, 0)
    if weight is None or len(weight.shape) != 4:
        raise net.stop("its weights must be (outputs, height, width, inputs)")
    outputs, height, width, inputs = weight.shape
    scales = net.weights(weight, outputs, axis=0)
    channels = source.shape[0]
    groups = channels // inputs
    if groups * inputs != channels or outputs % groups:
        raise net.stop(f"its weights {weight.shape} do not fit an input of {channels} channels")
    moved = np.asarray(weight.values.transpose(0, 3, 1, 2), np.int64)
    _convolve(net, operator, source, moved, scales, (height, width), groups)


def depthwise(net: NetBuilder, operator: TfliteOperator) -> None:
    """Add DEPTHWISE_CONV_2D; weights are ``(1, height, width, inputs * multiplier)``."""
    weight = net.constant(operator, 1, "weights", ("INT8",))
    source = net.image(operator, 0)
    if weight is None or len(weight.shape) != 4 or weight.shape[0] != 1:
        raise net.stop("its weights must be (1, height, width, outputs)")
    _, height, width, outputs = weight.shape
    scales = net.weights(weight, outputs, axis=3)
    channels = source.shape[0]
    if outputs % channels:
        raise net.stop(f"its weights {weight.shape} do not fit an input of {channels} channels")
    if (multiplier := operator.options["depth_multiplier"]) != outputs // channels:
        raise net.stop(
            f"its multiplier is {multiplier}, its weights {weight.shape} make {outputs} of "
            f"{channels} channels; convert the model again"
        )
    moved = np.asarray(weight.values.transpose(3, 0, 1, 2), np.int64)
    _convolve(net, operator, source, moved, scales, (height, width), channels)


def _convolve(
    net: NetBuilder,
    operator: TfliteOperator,
    source: Value,
    weight: Integers,
    scales: NDArray[np.float32],
    kernel: Pair,
    groups: int,
) -> None:
    stride, dilation = _pair(net, operator, "stride"), _pair(net, operator, "dilation")
    padding, size = _windows(net, operator, source, kernel, stride, dilation)
    result, activation = net.stored(net.output(operator)), net.activation(operator)
    kind, outputs = operator.kind, len(weight)
    finish = net.kernels.finish(
        kind, source.stored, scales, outputs, result, activation, groups=groups
    )
    op = Int8Conv2d(
        weight,
        net.bias(operator, outputs),
        finish,
        stride,
        padding,
        dilation,
        groups,
    )
    net.compute(operator, op, (source,), (*size, outputs))


def dense(net: NetBuilder, operator: TfliteOperator) -> None:
    """Add FULLY_CONNECTED; weights are ``(outputs, inputs)``."""
    weight = net.constant(operator, 1, "weights", ("INT8",))
    source = net.value(operator, 0)
    if weight is None or len(weight.shape) != 2:
        raise net.stop("its weights must be (outputs, inputs)")
    if operator.options["weights_format"]:
        raise net.stop("its weights are shuffled; convert the model again without that")
    outputs, inputs = weight.shape
    if inputs != source.size:
        raise net.stop(
            f"its weights take {inputs} inputs, and its input {(1, *source.file_shape)} has "
            f"{source.size}; a dense layer that runs for each of several rows is a CONV_2D with a "
            "kernel of 1 x 1"
        )
    scales = net.weights(weight, outputs, axis=0)
    columns = weight.values
    if not source.is_ordered:
        columns = columns[:, places(source.order)]
    result, activation = net.stored(net.output(operator)), net.activation(operator)
    op = Int8Dense(
        np.asarray(columns, np.int64),
        net.bias(operator, outputs),
        net.kernels.finish(operator.kind, source.stored, scales, outputs, result, activation),
    )
    flat = net.reshaped(operator, source, (source.size,))
    kept = source.file_shape[:-1] if operator.options["keep_num_dims"] else ()
    if math.prod(kept) != 1:
        raise net.stop(f"it keeps the axes {kept} of its input; they must be 1")
    shape = (*kept, outputs)
    net.check_shape(net.output(operator), shape)
    like = Value("", source.stored, shape, (outputs,), ((outputs, 1),))
    net.give(operator, op, (flat,), like)


def add(net: NetBuilder, operator: TfliteOperator) -> None:
    """Add ADD of two tensors of one shape."""
    first, second = net.value(operator, 0), net.value(operator, 1)
    if first.file_shape != second.file_shape:
        raise net.stop(
            f"its inputs have the shapes {(1, *first.file_shape)} and {(1, *second.file_shape)}; "
            "they must be equal"
        )
    if (first.shape, first.order) != (second.shape, second.order):
        first, second = net.laid_out(operator, first), net.laid_out(operator, second)
    result, activation = net.stored(net.output(operator)), net.activation(operator)
    combine = net.kernels.add(first.stored, second.stored, result, activation)
    net.check_shape(net.output(operator), first.file_shape)
    net.give(operator, Int8Add(combine), (first, second), first)


def max_pool(net: NetBuilder, operator: TfliteOperator) -> None:
    """Add MAX_POOL_2D; a fused activation clips its result."""
    source = net.image(operator, 0)
    kernel, stride = _pair(net, operator, "filter"), _pair(net, operator, "stride")
    padding, size = _windows(net, operator, source, kernel, stride, (1, 1))
    result = net.stored(net.output(operator))
    net.check_same(source, result)
    low, high = net.kernels.limits(result, net.activation(operator))
    if (low, high) != (result.low, result.high):
        clip = Int8Function(lambda q: np.clip(np.asarray(q, np.int64), low, high))
        name = f"{operator.kind.lower()}_{operator.number}_clip"
        node = net.add(clip, result, (source.node,), operator.title, name)
        # The largest of clipped numbers is the largest, clipped.
        source = replace(source, node=node)
    net.compute(operator, Int8MaxPool(kernel, stride, padding), (source,), (*size, source.shape[0]))


def average_pool(net: NetBuilder, operator: TfliteOperator) -> None:
    """Add AVERAGE_POOL_2D."""
    source = net.image(operator, 0)
    kernel, stride = _pair(net, operator, "filter"), _pair(net, operator, "stride")
    padding, size = _windows(net, operator, source, kernel, stride, (1, 1))
    result = net.stored(net.output(operator))
    net.check_same(source, result)
    finish = kernels.average(result, net.activation(operator))
    op = Int8AveragePool(kernel, stride, finish, padding)
    net.compute(operator, op, (source,), (*size, source.shape[0]))


def mean(net: NetBuilder, operator: TfliteOperator) -> None:
    """Add MEAN over height and width."""
    source = net.image(operator, 0)
    axes = net.constant(operator, 1, "axes", ("INT32",))
    wanted = [] if axes is None else axes.values.reshape(-1).tolist()
    if {axis + 4 if axis < 0 else axis for axis in wanted} != {1, 2}:
        raise net.stop(f"it takes the mean over the axes {shown(wanted)}; 1 and 2 are expected")
    keeps = bool(operator.options["keep_dims"])
    channels, height, width = source.shape
    result = net.output(operator)
    finish = net.kernels.mean(source.stored, net.stored(result), channels, keeps_axes=keeps)
    op = Int8AveragePool((height, width), (1, 1), finish)
    shape = (1, 1, channels) if keeps else (channels,)
    net.check_shape(result, shape)
    like = Value("", source.stored, shape, (channels, 1, 1), ((channels, 1),))
    net.give(operator, op, (source,), like)


def _pair(net: NetBuilder, operator: TfliteOperator, what: str) -> Pair:
    """Return an option for height and width."""
    pair = operator.options[f"{what}_h"], operator.options[f"{what}_w"]
    if min(pair) < 1:
        raise net.stop(f"its {what} is {pair}; it must be at least 1")
    return pair


def _windows(
    net: NetBuilder,
    operator: TfliteOperator,
    source: Value,
    kernel: Pair,
    stride: Pair,
    dilation: Pair,
) -> tuple[tuple[int, int, int, int], Pair]:
    """Return padding ``(top, bottom, left, right)`` and how many windows there are."""
    number = operator.options["padding"]
    if number not in (Padding.SAME, Padding.VALID):
        raise net.stop(f"its padding is {number}; SAME (0) or VALID (1) is expected")
    sides, counts = [], []
    for size, *window in zip(source.shape[1:], kernel, stride, dilation, strict=True):
        before, after = _sides(Padding(number), size, *window)
        sides += [before, after]
        counts.append(window_count(size + before + after, *window))
    if min(counts) < 1:
        raise net.stop(f"its kernel {kernel} is larger than its input {source.shape[1:]}")
    top, bottom, left, right = sides
    return (top, bottom, left, right), (counts[0], counts[1])


def _sides(padding: Padding, size: int, kernel: int, stride: int, dilation: int) -> Pair:
    """Return what is padded before and after an axis; SAME puts an odd rest after it."""
    match padding:
        case Padding.VALID:
            return 0, 0
        case Padding.SAME:
            total = max(total_same_padding(size, kernel, stride, dilation), 0)
            return total // 2, total - total // 2
        case _:
            assert_never(padding)


Handler = Callable[[NetBuilder, TfliteOperator], None]
