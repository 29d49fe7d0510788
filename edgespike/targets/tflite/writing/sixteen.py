"""Emit what is computed with 16-bit activations only: levels among sums, and other units."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgespike.graph import Conv2d, Threshold
from edgespike.targets.tflite.planning.affine import Affine
from edgespike.targets.tflite.planning.requantise import unit_ratio
from edgespike.targets.tflite.planning.staircase import Staircase
from edgespike.targets.tflite.planning.storage import FLOAT32, Storage
from edgespike.targets.tflite.planning.tiles import Tiles
from edgespike.targets.tflite.writing.emitter import Emitter, Value
from edgespike.targets.tflite.writing.schema import Activation, Quantisation
from edgespike.targets.tflite.writing.weighted import emit_weighted


def emit_levels(
    emitter: Emitter,
    name: str,
    op: Threshold,
    steps: Staircase,
    sums: Sequence[Value],
    output: Storage,
) -> Value:
    """Count the thresholds that the sums of all windows reach, and make values of the count."""
    x, lines, shape = emitter.concatenate(f"{name}.sums", sums), steps.lines, sums[0].shape
    if lines is not None and steps.single:
        plain = (op.offset, op.unit) == (0, 1)
        stored = output if plain else steps.counted
        count = within_channels(emitter, name, lines, x, stored, Activation.RELU6)
        return count if plain else offset_and_scaled(emitter, name, op, count, output)
    windows, channels, _ = steps.theta.shape
    rows = int(np.prod(x.shape)) // channels  # one for each window, or for each place
    if lines is None:
        counts = _compared(emitter, name, steps, emitter.reshape(x, (rows, channels, 1)))
    else:
        counted = within_channels(emitter, "lines", lines, x, steps.counted, Activation.RELU6)
        counts = emitter.reshape(counted, (rows, channels, len(lines.bias) // (windows * channels)))
    weight = np.full((1, counts.shape[-1], windows, 1), op.unit)
    adding = Conv2d(weight, np.array([op.offset]))
    affine = Affine(weight, adding.bias, unit_ratio(steps.counted.scale, output.scale))
    found = emit_weighted(emitter, name, adding, affine, counts, output)
    return emitter.reshape(found, shape, name=name)


def _compared(emitter: Emitter, name: str, steps: Staircase, x: Value) -> Value:
    """Compare with each threshold: ``x - theta + 1``, clamped to 0..1."""
    less = (1 - steps.theta).astype(np.int16)
    less = less[0] if len(less) == 1 else less
    scale = Quantisation((steps.counted.scale,))
    inputs = [x.index, emitter.builder.constant(f"{name}.theta", less, scale)]
    shape = (*x.shape[:-1], steps.theta.shape[-1])
    return emitter.emit("reached", "ADD", inputs, shape, steps.counted, activation=Activation.RELU6)


def emit_tiles(emitter: Emitter, name: str, tiles: Tiles, parts: Sequence[Value]) -> Value:
    """Add up what several tiles hold of sums, in float32."""
    total = emitter.convert(parts[0], FLOAT32)
    for part in parts[1:]:
        total = emitter.elementwise("ADD", total, emitter.convert(part, FLOAT32))
    return emitter.elementwise("ADD", total, tiles.constant, name=name)


def in_units_of(emitter: Emitter, value: Value, storage: Storage) -> Value:
    """Give 16-bit values another scale, but not other stored integers."""
    return _scaled(emitter, "units", 1, 0, value, storage)


def within_channels(
    emitter: Emitter,
    name: str,
    affine: Affine,
    x: Value,
    output: Storage,
    activation: Activation = Activation.NONE,
) -> Value:
    """Multiply each channel by its weight, or by several, whose products are side by side."""
    op = Conv2d(affine.weight, affine.bias, groups=x.shape[-1])
    image = x if len(x.shape) == 3 else emitter.reshape(x, (1, 1, *x.shape))
    found = emit_weighted(emitter, name, op, affine, image, output, activation)
    return found if len(x.shape) == 3 else emitter.reshape(found, found.shape[-1:], name=name)


def offset_and_scaled(
    emitter: Emitter, name: str, op: Threshold, count: Value, output: Storage
) -> Value:
    """Turn the number of thresholds that are reached into ``offset + unit * number``."""
    return _scaled(emitter, name, op.unit, op.offset, count, output)


def _scaled(
    emitter: Emitter, name: str, unit: int, offset: int, x: Value, output: Storage
) -> Value:
    channels = x.shape[-1]
    weight = np.full((channels, 1, 1, 1), unit)
    affine = Affine(weight, np.full(channels, offset), unit_ratio(x.storage.scale, output.scale))
    return within_channels(emitter, name, affine, x, output)
