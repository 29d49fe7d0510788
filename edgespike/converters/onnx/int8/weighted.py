"""Convolutions and dense layers, between quantisers or of stored numbers."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import numpy as np

from edgespike.converters.onnx.int8.biases import maker, with_bias, with_whole
from edgespike.converters.onnx.int8.quantisers import finished, taken
from edgespike.converters.onnx.int8.storages import as_weights
from edgespike.converters.onnx.int8.values import (
    Codes,
    Entering,
    Float32,
    Pending,
    RefusedError,
    Sums,
    Weights,
    kind_of,
)
from edgespike.converters.onnx.int8.walk import Walk
from edgespike.converters.onnx.int8.windows import as_image, windows_of
from edgespike.converters.onnx.model import OnnxNode
from edgespike.int8.net import Int8Conv2d, Int8Dense

INT16_MAX = 2**15 - 1
"""Where sums of two products of uint8 and int8 saturate in ONNX Runtime's kernels without VNNI."""


def conv(walk: Walk, node: OnnxNode) -> Pending:
    """Read a Conv of dequantised values."""
    x, weights = real(walk, node, 0), weights_of(walk, node, 1)
    pending = _doubted(_convolution(walk, node, x, weights), x, weights)
    return with_bias(walk, pending, node.inputs[2]) if _has(node, 2) else pending


def gemm(walk: Walk, node: OnnxNode) -> Pending:
    """Read a Gemm of dequantised values."""
    for name in ("alpha", "beta"):
        if node.attributes.get(name, 1.0) != 1.0:
            raise RefusedError(f"its {name} is {node.attributes[name]}; it must be 1")
    x, weights = real(walk, node, 0), _turned(node, weights_of(walk, node, 1))
    pending = _doubted(_dense(walk, node, x, weights), x, weights)
    return with_bias(walk, pending, node.inputs[2]) if _has(node, 2) else pending


def matmul(walk: Walk, node: OnnxNode) -> Pending:
    """Read a MatMul of dequantised values and weights."""
    x, weights = real(walk, node, 0), weights_of(walk, node, 1)
    if weights.numbers.ndim != 2:
        raise RefusedError(f"its weights have {weights.numbers.ndim} axes; they must have 2")
    return _doubted(_dense(walk, node, x, weights.transposed((1, 0))), x, weights)


def qlinear_conv(walk: Walk, node: OnnxNode) -> Codes:
    """Read a QLinearConv."""
    x = stored_input(walk, node, 0)
    scales, zeros = walk.constant(node, 4, "scale"), walk.constant(node, 5, "zero point")
    weights = as_weights(walk.constant(node, 3, "weight"), scales, zeros, 0)
    pending = _convolution(walk, node, x, weights)
    if _has(node, 8):
        pending = with_whole(pending, walk.constant(node, 8, "bias"))
    return finished(walk, pending, walk.stored(node, 6, 7))


def qlinear_matmul(walk: Walk, node: OnnxNode) -> Codes:
    """Read a QLinearMatMul."""
    x = stored_input(walk, node, 0)
    scales, zeros = walk.constant(node, 4, "scale"), walk.constant(node, 5, "zero point")
    weights = as_weights(walk.constant(node, 3, "weight"), scales, zeros, 1)
    if weights.numbers.ndim != 2:
        raise RefusedError(f"its weights have {weights.numbers.ndim} axes; they must have 2")
    pending = _dense(walk, node, x, weights.transposed((1, 0)))
    return finished(walk, pending, walk.stored(node, 6, 7))


def qgemm(walk: Walk, node: OnnxNode) -> Codes | Pending:
    """Read ONNX Runtime's QGemm; without an output scale it gives real sums."""
    x = stored_input(walk, node, 0)
    scales, zeros = walk.constant(node, 4, "scale"), walk.constant(node, 5, "zero point")
    axis = 0 if node.attributes.get("transB", 0) else 1
    weights = as_weights(walk.constant(node, 3, "weight"), scales, zeros, axis)
    alpha = float(node.attributes.get("alpha", 1.0))
    pending = _dense(walk, node, x, _turned(node, weights), alpha)
    if _has(node, 6):
        pending = with_whole(pending, walk.constant(node, 6, "bias"))
    return finished(walk, pending, walk.stored(node, 7, 8)) if _has(node, 7) else pending


def real(walk: Walk, node: OnnxNode, index: int) -> Codes:
    """Return an input that must be a dequantised activation."""
    value = walk.value(node.inputs[index])
    if not isinstance(value, Codes) or not value.real:
        raise RefusedError(
            f"its input {node.inputs[index]} is {kind_of(value)}; put QuantizeLinear and "
            "DequantizeLinear before it"
        )
    return value


def stored_input(walk: Walk, node: OnnxNode, index: int) -> Codes:
    """Return an activation that must be stored, whose scale and zero point follow it."""
    stored = walk.stored(node, index + 1, index + 2)
    value = walk.value(node.inputs[index])
    if isinstance(value, Entering):
        return walk.enter(value, stored, real=False)
    if not isinstance(value, Codes) or value.real:
        raise RefusedError(f"its input {node.inputs[index]} is {kind_of(value)}; store it first")
    return taken(walk, value, stored)


def weights_of(walk: Walk, node: OnnxNode, index: int) -> Weights:
    """Return an input that must be dequantised weights."""
    name = node.inputs[index]
    if name in walk.constants:
        raise RefusedError(
            f"its weights {name} are real numbers; quantise them, or convert the float model with "
            "levels and bits instead"
        )
    value = walk.value(name)
    if not isinstance(value, Weights):
        raise RefusedError(
            f"its weights {name} are no constant; two activations are not multiplied"
        )
    return value


def _note_pairs(walk: Walk, node: OnnxNode, x: Codes, weights: Weights) -> None:
    """Note a layer of uint8 numbers and int8 weights that needs VNNI to be exact."""
    largest = int(np.abs(weights.numbers).max(initial=0))
    if x.stored.low == 0 and weights.kind == "int8" and 2 * x.stored.high * largest > INT16_MAX:
        walk.saturating.append(node.title)


def _doubted(pending: Pending, x: Codes, weights: Weights) -> Pending:
    """Say that it is computed in float32 where ONNX Runtime has no integer kernel for its types."""
    kinds = ("int8", "uint8") if x.stored.low == 0 else ("int8",)
    return replace(pending, certain=weights.kind in kinds)


def _pending(node: OnnxNode, shape: tuple[int, ...], sums: Sums) -> Pending:
    return Pending(node.title, maker(sums), shape, sums=sums)


def _convolution(walk: Walk, node: OnnxNode, x: Codes, weights: Weights) -> Pending:
    source = walk.arranged(x, as_image(x.shape, node))
    kernel = weights.numbers
    if kernel.ndim != len(x.shape) + 1:
        raise RefusedError(f"its weights have shape {kernel.shape}, its input {(1, *x.shape)}")
    windows = windows_of(node, x.shape, kernel.shape[2:], walk.shape(node))
    kernel = kernel.reshape(*kernel.shape[:2], *windows.kernel)
    _note_pairs(walk, node, x, weights)
    op = partial(
        Int8Conv2d,
        kernel,
        stride=windows.stride,
        padding=windows.padding,
        dilation=windows.dilation,
        groups=int(node.attributes.get("group", 1)),
    )
    zeros = np.zeros(len(kernel), np.int64)
    return _pending(node, walk.shape(node), Sums(_factor(x, weights), source, zeros, None, op))


def _dense(walk: Walk, node: OnnxNode, x: Codes, weights: Weights, alpha: float = 1.0) -> Pending:
    if x.shape[-1:] != (x.places.size,) and math.prod(x.shape[:-1]) != 1:
        raise RefusedError(
            f"its input has shape {(1, *x.shape)}, {math.prod(x.shape[:-1])} rows; it must have "
            "one row, so flatten it"
        )
    if weights.numbers.ndim != 2 or weights.numbers.shape[1] != x.places.size:
        raise RefusedError(
            f"its weights have shape {weights.numbers.shape}, outputs first; its input has "
            f"{x.places.size} numbers"
        )
    _note_pairs(walk, node, x, weights)
    columns = np.empty_like(weights.numbers)
    columns[:, x.places.ravel()] = weights.numbers
    source = walk.reshaped(x, (x.places.size,))
    zeros, op = np.zeros(len(columns), np.int64), partial(Int8Dense, columns)
    sums = Sums(_factor(x, weights, alpha), source, zeros, None, op)
    return _pending(node, walk.shape(node), sums)


def _factor(x: Codes, weights: Weights, alpha: float = 1.0) -> Float32:
    each = weights.of_outputs(0)
    if each is None:
        raise RefusedError(
            "its weights have scales along another axis than the outputs; quantise them per tensor "
            "or per output channel"
        )
    return (np.float32(alpha) * np.float32(x.stored.scale)) * each


def _turned(node: OnnxNode, weights: Weights) -> Weights:
    """Return a Gemm's weights ``(outputs, inputs)``."""
    if node.attributes.get("transA", 0):
        raise RefusedError("its transA is 1; it must be 0")
    return weights if node.attributes.get("transB", 0) else weights.transposed((1, 0))


def _has(node: OnnxNode, index: int) -> bool:
    return index < len(node.inputs) and bool(node.inputs[index])
