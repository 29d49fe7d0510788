"""Emit dense layers, convolutions and poolings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from typing_extensions import assert_never

from edgespike.graph import Conv2d, Dense, MaxPool2d, SumPool2d
from edgespike.graph.ops.windows import Sides, padded_size, total_same_padding
from edgespike.graph.tensor import Integers
from edgespike.targets.tflite.limits import (
    INT2_INPUTS,
    INT2_WEIGHT_LIMIT,
    INT4_WEIGHT_LIMIT,
    WEIGHT_LIMIT,
)
from edgespike.targets.tflite.planning.affine import Affine
from edgespike.targets.tflite.planning.storage import Form, Storage
from edgespike.targets.tflite.writing.emitter import Emitter, Value
from edgespike.targets.tflite.writing.schema import Activation, Padding, Quantisation

_BIAS_TYPES = {Form.INT8: np.int32, Form.INT16: np.int64, Form.FLOAT: np.float32}


def emit_weighted(
    emitter: Emitter,
    name: str,
    op: Dense | Conv2d,
    affine: Affine,
    x: Value,
    output: Storage,
    activation: Activation = Activation.NONE,
) -> Value:
    """Emit a dense layer or convolution whose input has the output's data type."""
    match op:
        case Dense():
            return _emit_dense(emitter, name, affine, x, output, activation)
        case Conv2d():
            return _emit_conv2d(emitter, name, op, affine, x, output, activation)
        case _:
            assert_never(op)


def in_stored_order(affine: Affine, parts: Sequence[Value]) -> Affine:
    """Order a weighted node's weights as its inputs are stored, which are joined by channels."""
    if not any(part.flattened for part in parts):
        return affine
    ends = np.cumsum([part.shape[-1] for part in parts])[:-1]
    weights = np.split(affine.weight, ends, axis=1)
    ordered = [_for_flattened(*pair) for pair in zip(weights, parts, strict=True)]
    return replace(affine, weight=np.concatenate(ordered, axis=1))


def _for_flattened(weight: Integers, x: Value) -> Integers:
    """Return the weights of a dense layer in the order of its input's features."""
    if x.flattened is None:
        return weight
    return weight.reshape(-1, *x.flattened).transpose(0, 2, 3, 1).reshape(weight.shape)


def _emit_dense(
    emitter: Emitter, name: str, affine: Affine, x: Value, output: Storage, activation: Activation
) -> Value:
    if affine.scale.size == 1:
        inputs = [x.index, *_constants(emitter, name, x, affine.weight, affine)]
        shape = (len(affine.weight),)
        return emitter.emit(name, "FULLY_CONNECTED", inputs, shape, output, activation=activation)
    # tflite-runtime's dense layers have one scale only, its convolutions one for each channel.
    weight = affine.weight[:, :, None, None]
    x = emitter.reshape(x, (1, 1, weight.shape[1]))
    op = Conv2d(weight, affine.bias)
    pixel = _emit_conv2d(emitter, name, op, replace(affine, weight=weight), x, output, activation)
    return emitter.reshape(pixel, (len(weight),), name=name)


def _emit_conv2d(
    emitter: Emitter,
    name: str,
    op: Conv2d,
    affine: Affine,
    x: Value,
    output: Storage,
    activation: Activation,
) -> Value:
    height, width, channels = x.shape
    out = op.output_size((channels, height, width))
    extents = [(k - 1) * d + 1 for k, d in zip(op.weight.shape[2:], op.dilation, strict=True)]
    padding, x = _pad(emitter, x, extents, op.stride, op.sides, out)
    depthwise = op.groups == channels > 1
    # OHWI, or 1HWO where each input channel has its own filters
    order = (1, 2, 3, 0) if depthwise else (0, 2, 3, 1)
    weight = affine.weight.transpose(order)
    options = {"depth_multiplier": len(op.weight) // channels} if depthwise else {}
    return emitter.emit(
        name,
        "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D",
        [x.index, *_constants(emitter, name, x, weight, affine, axis=order.index(0))],
        (*out, len(op.weight)),
        output,
        padding=padding,
        stride_h=op.stride[0],
        stride_w=op.stride[1],
        dilation_h=op.dilation[0],
        dilation_w=op.dilation[1],
        activation=activation,
        **options,
    )


def emit_max_pool2d(emitter: Emitter, name: str, op: MaxPool2d, x: Value) -> Value:
    """Emit a max pooling. Its input is never negative, so padding with 0 is harmless."""
    height, width, channels = x.shape
    out = op.output_size((channels, height, width))
    padding, x = _pad(emitter, x, op.kernel, op.stride, op.sides, out)
    return emitter.emit(
        name,
        "MAX_POOL_2D",
        [x.index],
        (*out, channels),
        x.storage,
        padding=padding,
        filter_h=op.kernel[0],
        filter_w=op.kernel[1],
        stride_h=op.stride[0],
        stride_w=op.stride[1],
    )


def emit_sum_pool2d(emitter: Emitter, name: str, op: SumPool2d, x: Value, output: Storage) -> Value:
    """Emit a sum pooling: a depthwise convolution with ones (averages would have to round)."""
    height, width, channels = x.shape
    out = op.output_size((channels, height, width))
    padding, x = _pad(emitter, x, op.kernel, op.stride, op.sides, out)
    ones = Affine(np.ones((1, *op.kernel, channels), np.int64), np.zeros(channels, np.int64))
    return emitter.emit(
        name,
        "DEPTHWISE_CONV_2D",
        [x.index, *_constants(emitter, name, x, ones.weight, ones)],
        (*out, channels),
        output,
        padding=padding,
        stride_h=op.stride[0],
        stride_w=op.stride[1],
        depth_multiplier=1,
    )


def _pad(
    emitter: Emitter,
    x: Value,
    extents: Any,
    stride: tuple[int, int],
    sides: Sides,
    out: tuple[int, int],
) -> tuple[Padding, Value]:
    """Return the padding mode that places windows as the graph does; pad first if none does."""
    if sides == ((0, 0), (0, 0)):
        return Padding.VALID, x
    axes = zip(x.shape[:2], extents, stride, sides, out, strict=True)
    if all(_same_places(*axis) for axis in axes):
        return Padding.SAME, x
    height, width, channels = x.shape
    pads = np.array([(0, 0), *sides, (0, 0)], np.int32)
    shape = (*padded_size((channels, height, width), sides), channels)
    inputs = [x.index, emitter.builder.constant("paddings", pads)]
    return Padding.VALID, emitter.emit("pad", "PAD", inputs, shape, x.storage)


def _same_places(size: int, extent: int, step: int, pads: tuple[int, int], out: int) -> bool:
    """Return whether SAME has as many windows and as many padded places before the first.

    SAME is not used where the windows do not reach the end of the input: there, XNNPACK in
    tflite-runtime 2.14 computes it wrongly in float32.
    """
    total = total_same_padding(size, extent, step)
    return out == -(-size // step) and total >= 0 and total // 2 == pads[0]


def _constants(
    emitter: Emitter, name: str, x: Value, weight: Integers, affine: Affine, axis: int = 0
) -> list[int]:
    """Add weights, which are in the order that is stored, and biases."""
    scales, bias = affine.scale, affine.bias.astype(_BIAS_TYPES[x.form])
    quantisation = None
    if x.form is not Form.FLOAT:
        quantisation = Quantisation(tuple((scales * np.float32(x.storage.scale)).tolist()))
    bias_index = emitter.builder.constant(f"{name}.bias", bias, quantisation)
    stored = Quantisation(tuple(scales.tolist()), axis=axis)
    return [_weight_constant(emitter, f"{name}.weight", x.form, weight, stored), bias_index]


def _weight_constant(
    emitter: Emitter, name: str, form: Form, weight: Integers, quantisation: Quantisation
) -> int:
    """Store weights as int8 where they fit; float32 layers widen them when they are loaded."""
    builder, largest = emitter.builder, np.abs(weight).max()
    # With int16 activations, tflite-runtime computes int4 wrongly, and TFLite Micro refuses it.
    if emitter.weight_bits < 8 and form is Form.INT8 and largest <= INT4_WEIGHT_LIMIT:
        bits = 2 if emitter.weight_bits == 2 and fits_2_bits(weight) else 4
        return builder.packed(name, weight.astype(np.int8), bits, quantisation)
    if form is not Form.FLOAT:
        return builder.constant(name, weight.astype(np.int8), quantisation)
    if largest > WEIGHT_LIMIT:
        return builder.constant(name, weight.astype(np.float32))
    stored = builder.constant(name, weight.astype(np.int8), Quantisation((1.0,)))
    return builder.widened(name, stored, weight.shape)


def fits_2_bits(weight: Integers) -> bool:
    """Return whether LiteRT takes the weights of an operator in 2 bits each."""
    dense = weight.ndim == 2 and weight.shape[1] % INT2_INPUTS == 0
    return bool(dense and np.abs(weight).max() <= INT2_WEIGHT_LIMIT)
