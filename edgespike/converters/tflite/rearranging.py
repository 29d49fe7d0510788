"""Operators that move, join or rescale numbers, each as it is in the net."""

from __future__ import annotations

import math
from dataclasses import replace

from edgespike.converters.tflite.building import NetBuilder
from edgespike.converters.tflite.layout import Value, joined
from edgespike.converters.tflite.model import TfliteOperator
from edgespike.converters.tflite.schema import Activation
from edgespike.errors import shown
from edgespike.int8.net import Int8Concatenate, Int8Function, Int8Pad


def pad(net: NetBuilder, operator: TfliteOperator) -> None:
    """Add PAD and PADV2 of height and width with the zero point."""
    source = net.image(operator, 0)
    amounts = net.constant(operator, 1, "paddings", ("INT32", "INT64"))
    if amounts is None or amounts.shape != (4, 2):
        raise net.stop("its paddings must be (4, 2): before and after each axis")
    before_after = [tuple(map(int, row)) for row in amounts.values]
    _, (top, bottom), (left, right), _ = before_after
    if before_after[0] != (0, 0) or before_after[3] != (0, 0) or min(map(min, before_after)) < 0:
        raise net.stop(f"it pads by {shown(before_after)}; only height and width can be padded")
    if operator.kind == "PADV2":
        value = net.constant(operator, 2, "value", ("INT8",))
        if value is None or value.size != 1 or int(value.values.item()) != source.stored.zero_point:
            raise net.stop(
                f"it pads with a number that is not the zero point {source.stored.zero_point}; use "
                "PAD, or pad with zeros"
            )
    net.check_same(source, net.stored(net.output(operator)))
    channels, height, width = source.shape
    shape = (height + top + bottom, width + left + right, channels)
    net.compute(operator, Int8Pad((top, bottom, left, right)), (source,), shape)


def activation(net: NetBuilder, operator: TfliteOperator) -> None:
    """Add RELU or RELU6 that is an operator of its own."""
    source, result = net.value(operator, 0), net.stored(net.output(operator))
    function = net.kernels.activated(source.stored, result, Activation[operator.kind])
    net.check_shape(net.output(operator), source.file_shape)
    net.give(operator, Int8Function(function), (source,), source)


def quantise(net: NetBuilder, operator: TfliteOperator) -> None:
    """Add QUANTIZE from one scale and zero point to others."""
    source, result = net.value(operator, 0), net.stored(net.output(operator))
    net.check_shape(net.output(operator), source.file_shape)
    function = net.kernels.quantise(source.stored, result, source.size)
    net.give(operator, Int8Function(function), (source,), source)


def concatenate(net: NetBuilder, operator: TfliteOperator) -> None:
    """Add CONCATENATION along the channels of images, or of rows."""
    values = [net.value(operator, place) for place in range(len(operator.inputs))]
    result = net.output(operator)
    for value in values:
        net.check_same(value, net.stored(result))
    if net.activation(operator) is not Activation.NONE:
        raise net.stop("it has a fused activation, which no kernel applies; put it before")
    rank = len(result.shape)
    axis = operator.options["axis"]
    axis = axis + rank if axis < 0 else axis
    if axis != rank - 1 or any(len(value.file_shape) != rank - 1 for value in values):
        raise net.stop(f"it joins along axis {axis}; only channels, the last axis, can be joined")
    if len(values) < 2:
        raise net.stop(f"it has {len(values)} inputs; two or more are expected")
    if rank == 2:
        _join_rows(net, operator, values)
        return
    values = [net.laid_out(operator, value) for value in values]
    height_width = values[0].file_shape[:-1]
    if any(value.file_shape[:-1] != height_width for value in values) or rank != 4:
        raise net.stop("its inputs must be images of one height and width, or rows")
    shape = (*height_width, sum(value.shape[0] for value in values))
    net.compute(operator, Int8Concatenate(), tuple(values), shape)


def _join_rows(net: NetBuilder, operator: TfliteOperator, values: list[Value]) -> None:
    size = sum(value.size for value in values)
    order = joined([value.order for value in values])
    flat = tuple(net.reshaped(operator, value, (value.size,)) for value in values)
    net.check_shape(net.output(operator), (size,))
    like = Value("", flat[0].stored, (size,), (size,), order)
    net.give(operator, Int8Concatenate(), flat, like)


def reshape(net: NetBuilder, operator: TfliteOperator) -> None:
    """Add RESHAPE, SQUEEZE or EXPAND_DIMS: the same numbers in the same order, read later."""
    source, result = net.value(operator, 0), net.output(operator)
    net.check_shape(result, None)
    if math.prod(result.shape) != source.size:
        raise net.stop(f"{result.title} has {math.prod(result.shape)} elements of {source.size}")
    if net.stored(result) != source.stored:
        raise net.stop(f"{result.title} has another scale or zero point than its input")
    if operator.kind == "RESHAPE":
        wanted = (
            None if net.is_shape(operator, 1) else net.constant(operator, 1, "shape", ("INT32",))
        )
        if wanted is not None and not _says(wanted.values.reshape(-1).tolist(), result.shape):
            raise net.stop(
                f"{result.title} has shape {result.shape}, it asks for "
                f"{shown(wanted.values.tolist())}; convert the model again with a batch of 1"
            )
    net.values[result.number] = replace(source, file_shape=result.shape[1:])


def _says(wanted: list[int], shape: tuple[int, ...]) -> bool:
    """Return whether a shape with at most one open size is a shape."""
    return len(wanted) == len(shape) and all(
        open_size in (-1, size) for open_size, size in zip(wanted, shape, strict=True)
    )
