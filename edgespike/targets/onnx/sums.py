"""Weighted sums: products of 8-bit digits, added up in int32 or int64."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import Conv2d, Dense, Node, SumPool2d, Tensor
from edgespike.graph.ops.windows import Sides
from edgespike.graph.tensor import Integers
from edgespike.targets.onnx.bytes import (
    BASE,
    StoredWeights,
    columns_to_add,
    digit_count,
    digits_of,
    shifted_weights,
    signed_digits,
    stored_weights,
)
from edgespike.targets.onnx.emitter import (
    BYTE,
    INT32,
    INT64,
    Emitter,
    Storage,
    Value,
    integer_type,
    per_row,
    storage_for,
)
from edgespike.targets.onnx.patches import emit_image, emit_patches, gathers, patch_weights
from edgespike.targets.shared.partial_sums import partial_sum_bounds

Product = Conv2d | Dense


@dataclass(frozen=True)
class Operand:
    """One digit of a layer's input.

    Parameters
    ----------
    value
        Bytes; their zero point is the digit of the whole input's.
    largest
        Largest stored number.
    """

    value: Value
    largest: int


def geometry(op: Conv2d) -> dict[str, Any]:
    """Return a convolution's attributes."""
    return {
        "kernel_shape": list(op.weight.shape[2:]),
        "strides": list(op.stride),
        "dilations": list(op.dilation),
        "group": op.groups,
        "pads": pads(op.sides),
    }


def pads(sides: Sides) -> list[int]:
    """Return padding in ONNX's order."""
    (top, bottom), (left, right) = sides
    return [top, left, bottom, right]


def largest_stored(source: Tensor) -> int:
    """Return the largest byte that a layer's input, or a digit of it, is stored as."""
    storage = storage_for(*source.bounds)
    return storage.stored(source.bounds[1]) if storage.dtype == BYTE else BASE - 1


def sums_type(op: Product, source: Tensor) -> np.dtype[Any]:
    """Return the type of a layer's sums."""
    return integer_type(float(partial_sum_bounds(op.weight, op.bias, source).max()))


def scales_channels(op: Product) -> bool:
    """Return whether a layer only multiplies each channel by a number of its own."""
    if not isinstance(op, Conv2d) or op.padded or op.stride != (1, 1):
        return False
    return op.groups == len(op.weight) and op.weight[0].size == 1


def product_weights(
    op: Product, digit: Integers, largest: int, shape: tuple[int, ...]
) -> StoredWeights:
    """Return a layer's weights, for activations up to ``largest``, as they are stored."""
    if isinstance(op, Conv2d) and not gathers(op, shape):
        return shifted_weights(digit)  # ONNX Runtime 1.20 has ConvInteger for uint8 only
    return stored_weights(digit, largest)


def input_digits(source: Tensor) -> int:
    """Return how many digits of 8 bits a layer's input has."""
    low, high = source.bounds
    return digit_count(max(high, 0) - min(low, 0))


def digit_sum_bound(op: Product, source: Tensor) -> float:
    """Return a bound of every sum of products of one digit of the input and one of the weights."""
    largest = 0.0
    zero = np.zeros(len(op.bias), np.int64)
    if input_digits(source) > 1:
        ends = np.full(source.shape[0], BASE - 1, np.int64)
        source = Tensor(source.shape, -ends, ends, source.signal)
    for digit in () if scales_channels(op) else signed_digits(op.weight):
        largest = max(largest, float(partial_sum_bounds(digit, zero, source).max()))
    return largest


def as_convolution(op: SumPool2d, channels: int) -> Conv2d:
    """Return the convolution that sums each window of each channel."""
    ones = np.ones((channels, 1, *op.kernel), np.int64)
    zero = np.zeros(channels, np.int64)
    return Conv2d(ones, zero, stride=op.stride, padding=op.padding, groups=channels)


def operands(emitter: Emitter, x: Value, source: Tensor, name: str) -> list[Operand]:
    """Return the digits of a layer's input, the least first."""
    low, high = source.bounds
    storage = storage_for(low, high)
    if storage.dtype == BYTE:
        return [Operand(emitter.convert(x, storage, name), storage.stored(high))]
    least = min(low, 0)
    count = input_digits(source)
    wide = integer_type(max(high, 0) - least)
    # Not negative, so that division rounds down.
    raised = emitter.convert(x, Storage(wide, -least), name).name
    found = []
    for place, zero_point in enumerate(digits_of(-least, count)):
        digit = raised
        if place:
            digit = emitter.emit(
                "Div", [digit, emitter.constant(BASE**place, wide, name)], f"{name}/shifted"
            )
        if place < count - 1:
            digit = emitter.emit(
                "Mod", [digit, emitter.constant(BASE, wide, name)], f"{name}/digit"
            )
        stored = Value(emitter.cast(digit, BYTE, name), Storage(BYTE, zero_point))
        found.append(Operand(stored, BASE - 1))
    return found


def emit_sums(emitter: Emitter, node: Node, op: Product, x: Value, source: Tensor) -> Value:
    """Add the sums of a layer, bias included, as int32 where all partial sums fit, else int64."""
    name, shape = node.name, source.shape
    dtype = sums_type(op, source)
    if scales_channels(op):
        return _scaled(emitter, name, op, x, dtype)
    gathered = isinstance(op, Conv2d) and gathers(op, shape)
    parts: list[tuple[str, int]] = []
    for i, operand in enumerate(operands(emitter, x, source, name)):
        taken = operand.value.name
        if isinstance(op, Conv2d) and gathered:
            taken = emit_patches(emitter, name, op, operand.value, shape)
        for j, digit in enumerate(signed_digits(op.weight)):
            weights = product_weights(op, digit, operand.largest, shape)
            zero_points = [
                emitter.constant(operand.value.storage.zero_point, BYTE, name),
                emitter.constant(weights.zero_point, weights.values.dtype, name),
            ]
            part = _product(emitter, name, op, taken, weights, zero_points, gathered)
            parts.append((part, BASE ** (i + j)))
    have = INT32 if len(parts) == 1 else INT64
    total = parts[0][0] if len(parts) == 1 else _combined(emitter, name, parts)
    if have == INT32 and dtype == INT64:
        total, have = emitter.cast(total, dtype, name), dtype
    if op.bias.any():
        bias = per_row(op.bias, 2 if isinstance(op, Conv2d) and not gathered else 0)
        total = emitter.emit("Add", [total, emitter.constant(bias, have, name)], f"{name}/biased")
    if have != dtype:
        total = emitter.cast(total, dtype, name)
    if isinstance(op, Conv2d) and gathered:
        total = emit_image(emitter, name, op, total, shape)
    return Value(total, Storage(dtype))


def _scaled(emitter: Emitter, name: str, op: Product, x: Value, dtype: np.dtype[Any]) -> Value:
    factor = emitter.constant(op.weight.reshape(-1, 1, 1), dtype, f"{name}/weight")
    total = emitter.emit("Mul", [emitter.plain(x, dtype, name), factor], name)
    if op.bias.any():
        bias = emitter.constant(per_row(op.bias, 2), dtype, f"{name}/bias")
        total = emitter.emit("Add", [total, bias], f"{name}/biased")
    return Value(total, Storage(dtype))


def _product(
    emitter: Emitter,
    name: str,
    op: Product,
    x: str,
    weights: StoredWeights,
    zero_points: list[str],
    gathered: bool,
) -> str:
    values: NDArray[Any] = weights.values
    if isinstance(op, Conv2d) and not gathered:
        inputs = [x, emitter.constant(values, values.dtype, f"{name}/weight"), *zero_points]
        return emitter.emit("ConvInteger", inputs, name, **geometry(op))
    matrix = patch_weights(values) if isinstance(op, Conv2d) else values.T
    columns = matrix.shape[1]
    added = columns_to_add(weights, columns)
    matrix = np.pad(matrix, [(0, 0), (0, added)])
    inputs = [x, emitter.constant(matrix, values.dtype, f"{name}/weight"), *zero_points]
    product = emitter.emit("MatMulInteger", inputs, name)
    return emitter.first(product, columns, axis=-1, name=name) if added else product


def _combined(emitter: Emitter, name: str, parts: list[tuple[str, int]]) -> str:
    """Add up products of digits in int64, where the whole sum fits."""
    total = ""
    for part, factor in parts:
        wide = emitter.cast(part, INT64, name)
        if factor > 1:
            if factor >= 2**63:
                continue
            scale = emitter.constant(factor, INT64, name)
            wide = emitter.emit("Mul", [wide, scale], f"{name}/scaled")
        total = emitter.emit("Add", [total, wide], f"{name}/sum") if total else wide
    return total


def digit_bytes(weight: Integers) -> int:
    """Return how many bytes a file takes for weights."""
    return weight.size * len(signed_digits(weight))
