"""Emit thresholds: those that are computed alone, in float32, and what their count stands for."""

from __future__ import annotations

import numpy as np

from edgespike.graph import Tensor, Threshold
from edgespike.graph.tensor import FLOAT32_LIMIT, Integers
from edgespike.targets.shared.lines import LevelLine, Singles, fit_line
from edgespike.targets.shared.thresholds import upright
from edgespike.targets.tflite.limits import FEWEST_NEAR_LEVELS
from edgespike.targets.tflite.planning.storage import Form, Storage
from edgespike.targets.tflite.writing.emitter import Emitter, Value
from edgespike.targets.tflite.writing.schema import TENSOR_TYPES, Activation, Quantisation
from edgespike.targets.tflite.writing.sixteen import offset_and_scaled


def emit_threshold(emitter: Emitter, name: str, op: Threshold, tensor: Tensor, x: Value) -> Value:
    """Emit a threshold that is computed alone."""
    return emit_values(emitter, name, op, _emit_count(emitter, name, op, tensor, x), x.storage)


def emit_values(
    emitter: Emitter, name: str, op: Threshold, counted: Value, output: Storage
) -> Value:
    """Turn the number of thresholds that are reached into values, ``offset + unit * number``.

    In int8, one operator does both: to the runtimes, the number's scale is already ``op.unit``
    times that of the output, see :mod:`edgespike.targets.tflite.planning.weighted`. All numbers
    are whole there and far from where kernels could round differently.
    """
    if (op.offset, op.unit) == (0, 1):
        return counted
    if output.form is Form.FLOAT:
        scaled = counted if op.unit == 1 else emitter.elementwise("MUL", counted, op.unit)
        return emitter.elementwise("ADD", scaled, op.offset, name=name)
    if output.form is Form.INT16:
        return offset_and_scaled(emitter, name, op, counted, output)
    sign = np.array([np.sign(op.offset)], np.int8)
    scale = float(np.float32(output.scale * max(abs(op.offset), 1)))
    constant = emitter.builder.constant(f"{name}.offset", sign, Quantisation((scale,)))
    return emitter.emit(name, "ADD", [counted.index, constant], counted.shape, output)


def _emit_count(emitter: Emitter, name: str, op: Threshold, tensor: Tensor, x: Value) -> Value:
    """Count the thresholds that are reached."""
    line = fit_line(op, tensor)
    if line is not None and line.following is None:
        return _on_line(emitter, name, line, op.levels, x)
    sign, theta, _, _ = upright(op.theta, op.flipped, tensor.low, tensor.high)
    turned = emitter.elementwise("MUL", x, sign) if op.flipped.any() else x
    if line is None or line.following is None or op.levels < FEWEST_NEAR_LEVELS:
        return _compared(emitter, name, theta, turned)
    if line.following.size > FLOAT32_LIMIT:  # no float32 holds all places in the table
        return _compared(emitter, name, theta, turned)
    count = _on_line(emitter, "line", line, op.levels, x)
    following = _following(emitter, name, line.following, count)
    above = emitter.elementwise("SUB", turned, following, Activation.RELU)
    return emitter.elementwise("ADD", count, emitter.elementwise("MINIMUM", above, 1), name=name)


def _on_line(emitter: Emitter, name: str, line: LevelLine, levels: int, x: Value) -> Value:
    """Round the line's value down to a level."""
    scaled = emitter.elementwise("MUL", x, line.slope)
    moved = emitter.elementwise("ADD", scaled, line.offset, Activation.RELU)
    most = emitter.elementwise("MINIMUM", moved, levels)
    return emitter.emit(name, "FLOOR", [most.index], x.shape)


def _following(emitter: Emitter, name: str, following: Singles, count: Value) -> Value:
    """Look up 1 less than the threshold after each level, in one row if all channels share it."""
    place = count
    if (following == following[0]).all():
        following = following[:1]
    else:
        channels, width = following.shape
        place = emitter.elementwise("ADD", count, width * np.arange(channels))
    index = emitter.builder.tensor("place", (emitter.steps, *count.shape), np.int32)
    kinds = (TENSOR_TYPES[np.dtype(kind)] for kind in (np.float32, np.int32))
    types = dict(zip(("from_type", "to_type"), kinds, strict=True))
    emitter.builder.operator("CAST", [place.index], [index], **types)
    table = emitter.builder.constant(f"{name}.following", following.ravel() - 1)
    return emitter.emit("next", "GATHER", [table, index], count.shape, axis=0)


def _compared(emitter: Emitter, name: str, theta: Integers, x: Value) -> Value:
    """Compare with each threshold: each level is ``min(relu(x - theta + 1), 1)``; sum them."""
    channels, levels = theta.shape
    spread = emitter.reshape(x, (int(np.prod(x.shape)) // channels, channels, 1))
    wide = (*spread.shape[:2], levels)
    constant = emitter.builder.constant(f"{name}.theta", (1 - theta).astype(np.float32))
    above = emitter.emit("add", "ADD", [spread.index, constant], wide, activation=Activation.RELU)
    reached = emitter.elementwise("MINIMUM", above, 1)
    count = emitter.emit("sum", "SUM", [reached.index, emitter.shape_constant((3,))], wide[:2])
    return emitter.reshape(count, x.shape, name=name)
