"""Convolutions and the thresholds after them in one operator, ``QLinearConv``.

It computes ``clip(round(m * x), 0, 255)`` of an int32 sum ``x``, with a float32 multiplier ``m``
for each channel. For a single threshold, ``x = sum + 1 - theta`` and ``m`` is 1: rounding changes
nothing, and what fires is at least 1. For several thresholds of a channel, ``x = k * sum + b`` with
whole numbers ``k`` and ``b``, and the result is the number of thresholds that are reached if, for
each level ``l``, ``m * x`` is below ``l - 1/2`` at ``theta_l - 1`` and above it at ``theta_l``.
Rounding in float32, whichever way, is monotone and off by less than :data:`RELATIVE_ERROR`, so
looking at both sides of each threshold is a proof.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import Conv2d, Tensor, Threshold
from edgespike.graph.tensor import Integers
from edgespike.targets.onnx.bytes import SHIFT, StoredWeights, stored_weights
from edgespike.targets.onnx.emitter import BYTE, Emitter, Value, per_row, storage_for
from edgespike.targets.onnx.limits import FLOAT32_LIMIT, SUM_LIMIT
from edgespike.targets.onnx.sums import geometry
from edgespike.targets.onnx.thresholds import from_counts
from edgespike.targets.shared.lines import Floats, fit
from edgespike.targets.shared.thresholds import upright

RELATIVE_ERROR = 2.0**-21
"""More than the error of float32 in converting ``x`` and multiplying."""

LARGEST_WEIGHT = SHIFT - 1


@dataclass(frozen=True)
class Requantised:
    """A convolution that returns how many thresholds are reached, before a limit is applied.

    Parameters
    ----------
    weights
        As they are stored, ``(outputs, inputs / groups, height, width)``.
    bias
        ``(outputs,)``.
    multiplier
        Of each output channel, ``(outputs,)``.
    largest
        Largest number that it returns unless it is limited.
    """

    weights: StoredWeights
    bias: Integers
    multiplier: NDArray[np.float32]
    largest: int

    @property
    def largest_weight(self) -> int:
        """Largest magnitude of a weight."""
        return int(np.abs(self.weights.values.astype(int) - self.weights.zero_point).max())


def requantised(
    op: Conv2d, threshold: Threshold, source: Tensor, sums: Tensor
) -> Requantised | None:
    """Return the convolution that counts its thresholds; ``None`` if none is proven to be exact.

    Parameters
    ----------
    op, threshold
        The convolution, and the thresholds that alone read its sums.
    source, sums
        Range of its input and of its sums.
    """
    low, high = source.bounds
    storage = storage_for(low, high)
    if storage.dtype != BYTE or threshold.levels > np.iinfo(BYTE).max:
        return None
    sign, theta, least, most = upright(threshold.theta, threshold.flipped, sums.low, sums.high)
    for factor in _factors(op):
        weight = factor * op.weight * per_row(sign, 3)
        if threshold.levels == 1:
            offset, multiplier = 1 - theta[:, 0], np.ones(len(theta), np.float32)
        else:
            step, start = fit(theta, least, most)
            offset = np.rint(-factor * (start + step / 2)).astype(np.int64)
            multiplier = (1 / (factor * step)).astype(np.float32)
        ends = factor * np.stack([least, most]) + offset
        exact = threshold.levels == 1 or _proven(theta, least, most, factor, offset, multiplier)
        bias = factor * sign * op.bias + offset
        fits = np.abs(ends).max() < FLOAT32_LIMIT and np.abs(bias).max() <= SUM_LIMIT
        if exact and fits:
            largest = int(np.ceil((ends[1] * multiplier.astype(np.float64)).max())) + 1
            weights = stored_weights(weight, storage.stored(high))
            return Requantised(weights, bias, multiplier, largest)
    return None


def _factors(op: Conv2d) -> Iterator[int]:
    """Yield factors of the weights: none, then the largest, which moves sums apart."""
    largest = max(1, int(np.abs(op.weight).max()))
    if largest <= LARGEST_WEIGHT:
        yield 1
        if LARGEST_WEIGHT // largest > 1:
            yield LARGEST_WEIGHT // largest


def _proven(
    theta: Integers,
    low: Integers,
    high: Integers,
    factor: int,
    offset: Integers,
    multiplier: NDArray[np.float32],
) -> bool:
    """Return whether every level of every channel is right, whichever way float32 rounds."""
    middle = np.arange(1, theta.shape[1] + 1) - 0.5
    low, high, offset = low[:, None], high[:, None], offset[:, None]
    exact: Floats = multiplier.astype(np.float64)[:, None]
    # A threshold that is always reached, or never, has one side only.
    reached_at = exact * (factor * np.maximum(theta, low) + offset)
    missed_at = exact * (factor * np.minimum(theta - 1, high) + offset)
    reached = reached_at - RELATIVE_ERROR * np.abs(reached_at) > middle
    missed = missed_at + RELATIVE_ERROR * np.abs(missed_at) < middle
    return bool(((reached | (theta > high)) & (missed | (theta <= low))).all())


def emit_requantised(
    emitter: Emitter,
    names: tuple[str, str],
    op: Conv2d,
    threshold: Threshold,
    x: Value,
    plan: Requantised,
) -> Value:
    """Add the convolution and what limits its result to the number of thresholds.

    ``names`` are those of the convolution and of the thresholds.
    """
    conv, levels = names
    one = emitter.constant(1, np.float32, conv)
    values = plan.weights.values
    zero_points = np.full(len(values), plan.weights.zero_point)
    inputs = [
        x.name,
        one,
        emitter.constant(x.storage.zero_point, BYTE, conv),
        emitter.constant(values, values.dtype, f"{conv}/weight"),
        emitter.constant(plan.multiplier, np.float32, f"{conv}/multiplier"),
        emitter.constant(zero_points, values.dtype, f"{conv}/zero_points"),
        one,
        emitter.constant(0, BYTE, conv),
        emitter.constant(plan.bias, np.int32, f"{conv}/bias"),
    ]
    count = emitter.emit("QLinearConv", inputs, conv, **geometry(op))
    if min(plan.largest, np.iinfo(BYTE).max) > threshold.levels:
        count = emitter.emit("Min", [count, emitter.constant(threshold.levels, BYTE, conv)], levels)
    return from_counts(emitter, levels, threshold, Value(count, storage_for(0, threshold.levels)))
