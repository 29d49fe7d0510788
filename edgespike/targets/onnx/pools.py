"""Max pools: one operator for bytes, slices of wider numbers."""

from __future__ import annotations

from edgespike.graph import MaxPool2d, Node, Tensor
from edgespike.targets.onnx.emitter import BYTE, Emitter, Storage, Value, storage_for
from edgespike.targets.onnx.sums import pads


def emit_max_pool(emitter: Emitter, node: Node, op: MaxPool2d, x: Value, source: Tensor) -> Value:
    """Take the largest value of each window; no value is negative."""
    storage = storage_for(*source.bounds)
    x = emitter.convert(x, storage, node.name)
    if storage == Storage(BYTE):
        pooled = emitter.emit(
            "MaxPool",
            [x.name],
            node.name,
            kernel_shape=list(op.kernel),
            strides=list(op.stride),
            pads=_used_pads(op, source.shape),
        )
        return Value(pooled, storage)
    return Value(_in_slices(emitter, node.name, op, x, source.shape), storage)


def _used_pads(op: MaxPool2d, shape: tuple[int, ...]) -> list[int]:
    """Return padding as far as windows reach: ONNX Runtime refuses as much as a whole window."""
    ends = []
    for size, (before, after), kernel, stride, count in zip(
        shape[1:], op.sides, op.kernel, op.stride, op.output_size(shape), strict=True
    ):
        reached = (count - 1) * stride + kernel - before - size
        ends.append((before, min(after, max(reached, 0))))
    top_and_bottom, left_and_right = ends
    return pads((top_and_bottom, left_and_right))


def _in_slices(emitter: Emitter, name: str, op: MaxPool2d, x: Value, shape: tuple[int, ...]) -> str:
    """Take the maximum along one axis, then along the other; ONNX Runtime has no other pool."""
    found = x.name
    if op.padded:
        top, left, bottom, right = pads(op.sides)
        around = emitter.constant((0, 0, top, left, 0, 0, bottom, right), "int64", f"{name}/pads")
        found = emitter.emit("Pad", [found, around], f"{name}/padded")
    for axis, kernel, stride, count in zip(
        (2, 3), op.kernel, op.stride, op.output_size(shape), strict=True
    ):
        slices = []
        for start in range(kernel):
            ends = (start, start + (count - 1) * stride + 1, axis, stride)
            inputs = [emitter.constant([end], "int64", name) for end in ends]
            slices.append(emitter.emit("Slice", [found, *inputs], f"{name}/slice"))
        found = slices[0]
        for part in slices[1:]:
            found = emitter.larger(found, part, f"{name}/largest")
    return emitter.emit("Identity", [found], name)
