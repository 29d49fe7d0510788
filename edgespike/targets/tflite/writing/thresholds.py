"""Emit thresholds: those that are computed alone, in float32, and what their count stands for."""

from __future__ import annotations

import numpy as np

from edgespike.graph import Tensor, Threshold
from edgespike.targets.shared.lines import fit_line
from edgespike.targets.shared.thresholds import upright
from edgespike.targets.tflite.planning.storage import Form, Storage
from edgespike.targets.tflite.writing.emitter import Emitter, Value
from edgespike.targets.tflite.writing.schema import Activation, Quantisation


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
    sign = np.array([np.sign(op.offset)], np.int8)
    scale = float(np.float32(output.scale * max(abs(op.offset), 1)))
    constant = emitter.builder.constant(f"{name}.offset", sign, Quantisation((scale,)))
    return emitter.emit(name, "ADD", [counted.index, constant], counted.shape, output)


def _emit_count(emitter: Emitter, name: str, op: Threshold, tensor: Tensor, x: Value) -> Value:
    """Count the thresholds that are reached: by one product if they lie on a line.

    Otherwise each level is ``min(relu(x - theta + 1), 1)``, and they are summed.
    """
    line = fit_line(op, tensor)
    if line is not None and line.following is None:
        scaled = emitter.elementwise("MUL", x, line.slope)
        moved = emitter.elementwise("ADD", scaled, line.offset, Activation.RELU)
        most = emitter.elementwise("MINIMUM", moved, op.levels)
        return emitter.emit(name, "FLOOR", [most.index], x.shape)
    sign, theta, _, _ = upright(op.theta, op.flipped, tensor.low, tensor.high)
    if op.flipped.any():
        x = emitter.elementwise("MUL", x, sign)
    channels = x.shape[-1]
    spread = emitter.reshape(x, (int(np.prod(x.shape)) // channels, channels, 1))
    wide = (*spread.shape[:2], op.levels)
    constant = emitter.builder.constant(f"{name}.theta", (1 - theta).astype(np.float32))
    above = emitter.emit("add", "ADD", [spread.index, constant], wide, activation=Activation.RELU)
    reached = emitter.elementwise("MINIMUM", above, 1)
    count = emitter.emit("sum", "SUM", [reached.index, emitter.shape_constant((3,))], wide[:2])
    return emitter.reshape(count, x.shape, name=name)
