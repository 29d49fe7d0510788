"""Convolutions as matrix products of all that each output sees.

``ConvInteger`` of ONNX Runtime 1.32 takes about 15 times as long as gathering these patches and
multiplying them with ``MatMulInteger``. Each group of a convolution would need a product of its
own, so this is for convolutions of one group.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import Conv2d
from edgespike.graph.ops.windows import padded_size
from edgespike.graph.tensor import Integers
from edgespike.targets.onnx.emitter import BYTE, Emitter, Value
from edgespike.targets.onnx.limits import PATCH_PLACES


def gathers(op: Conv2d, shape: tuple[int, ...]) -> bool:
    """Return whether a convolution of an input of ``shape`` is computed from patches."""
    height, width = op.output_size(shape)
    return op.groups == 1 and height * width * op.weight[0, 0].size <= PATCH_PLACES


def emit_patches(emitter: Emitter, name: str, op: Conv2d, x: Value, shape: tuple[int, ...]) -> str:
    """Return the patches of bytes ``(batch, *shape)``, ``(batch, places, taps * channels)``."""
    channels = shape[0]
    rows = emitter.emit("Transpose", [x.name], f"{name}/channels_last", perm=[0, 2, 3, 1])
    if op.padded:
        (top, bottom), (left, right) = op.sides
        around = emitter.constant((0, top, left, 0, 0, bottom, right, 0), np.int64, f"{name}/pads")
        zero = emitter.constant(x.storage.zero_point, BYTE, name)
        rows = emitter.emit("Pad", [rows, around, zero], f"{name}/padded")
    size = padded_size(shape, op.sides)
    rows = _reshape(emitter, rows, (size[0] * size[1], channels), f"{name}/rows")
    places, taps = _places(op, shape), op.weight[0, 0].size
    if not np.array_equal(places, np.arange(size[0] * size[1])):
        table = emitter.constant(places, np.int32, f"{name}/places")
        rows = emitter.emit("Gather", [rows, table], f"{name}/seen", axis=1)
    if taps == 1:
        return rows
    return _reshape(emitter, rows, (places.size // taps, taps * channels), f"{name}/patches")


def patch_weights(weight: NDArray[np.int8] | NDArray[np.uint8]) -> NDArray[np.integer]:
    """Return weights ``(outputs, inputs, height, width)`` as a matrix that patches multiply."""
    return weight.transpose(2, 3, 1, 0).reshape(-1, len(weight))


def emit_image(emitter: Emitter, name: str, op: Conv2d, x: str, shape: tuple[int, ...]) -> str:
    """Return sums ``(batch, places, outputs)`` as ``(batch, outputs, height, width)``."""
    columns = emitter.emit("Transpose", [x], f"{name}/channels_first", perm=[0, 2, 1])
    return _reshape(emitter, columns, (len(op.weight), *op.output_size(shape)), f"{name}/image")


def _reshape(emitter: Emitter, x: str, shape: tuple[int, ...], name: str) -> str:
    whole = emitter.constant((0, *shape), np.int64, f"{name}_shape")
    return emitter.emit("Reshape", [x, whole], name)


def _places(op: Conv2d, shape: tuple[int, ...]) -> Integers:
    """Return which place of the padded input each tap of each output sees, row by row."""
    along = []
    for count, kernel, stride, dilation in zip(
        op.output_size(shape), op.weight.shape[2:], op.stride, op.dilation, strict=True
    ):
        along.append(np.arange(count)[:, None] * stride + np.arange(kernel) * dilation)
    rows, columns = along
    _, width = padded_size(shape, op.sides)
    places = rows[:, None, :, None] * width + columns[None, :, None, :]
    return np.asarray(places.ravel(), np.int64)
