"""The interpreter with sums in float32: faster, and exact for small numbers only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgespike.graph import Conv2d, Dense, Operation, Threshold
from edgespike.graph.tensor import Integers, per_channel
from edgespike.interpreter import evaluate


def quick(op: Operation, inputs: Sequence[Integers], state: Any) -> tuple[Integers, Any]:
    """Compute one operation for one step, as :func:`edgespike.interpreter.evaluate` does."""
    if isinstance(op, Dense):
        sums = inputs[0].astype(np.float32) @ op.weight.T.astype(np.float32)
        return sums.astype(np.int64) + op.bias, None
    if isinstance(op, Conv2d):
        return _conv2d(op, inputs[0].astype(np.float32)), None
    if isinstance(op, Threshold):
        return _threshold(op, inputs[0]), None
    return evaluate(op, inputs, state)


def _threshold(op: Threshold, x: Integers) -> Integers:
    """Search for each channel's values among its thresholds."""
    reached = np.empty_like(x)
    for channel, theta in enumerate(op.theta):
        reached[:, channel] = np.searchsorted(theta, x[:, channel], side="right")
    return np.where(per_channel(op.flipped, x.ndim - 1), op.levels - reached, reached)


def _conv2d(op: Conv2d, x: Any) -> Integers:
    """Multiply, at each place of the kernel, by its matrix of weights."""
    n, channels, _, _ = x.shape
    step_y, step_x = op.stride
    height, width = op.output_size(x.shape[1:])
    padded = np.pad(x, ((0, 0), (0, 0), *op.sides))
    weight = op.weight.reshape(op.groups, -1, *op.weight.shape[1:]).astype(np.float32)
    total = np.zeros((n, op.groups, weight.shape[1], height * width), np.float32)
    for ky, kx in np.ndindex(*op.weight.shape[2:]):
        top, left = ky * op.dilation[0], kx * op.dilation[1]
        seen = padded[..., top::step_y, left::step_x][..., :height, :width]
        total += weight[..., ky, kx] @ seen.reshape(n, op.groups, channels // op.groups, -1)
    sums = total.reshape(n, -1, height, width)
    result: Integers = sums.astype(np.int64) + per_channel(op.bias, 3)
    return result
