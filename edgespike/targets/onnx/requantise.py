"""Convolutions and the thresholds after them in one operator, ``QLinearConv``.

It computes ``clip(round(m * x) + z, 0, 255)`` of an int32 sum ``x``, with a float32 multiplier
``m`` for each channel and a zero point ``z`` for all. For a single threshold, ``x`` is
``sum + 1 - theta``, ``m`` is 1 and ``z`` is 0: rounding changes nothing, and what fires is at
least 1. For several thresholds of a channel, ``x = k * sum + b`` with whole numbers ``k`` and
``b``. The result is the number of thresholds that are reached if, for each level ``l``,
``round(m * x) + z`` is at least ``l`` at ``theta_l`` and less at ``theta_l - 1``. Both are tried in
the arithmetic of ONNX Runtime's kernels: the product is rounded to float32, then to the nearest
even whole number. Each operation is monotone, rounding included, so this is a proof.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import Conv2d, Tensor, Threshold
from edgespike.graph.tensor import FLOAT32_LIMIT, Integers
from edgespike.targets.onnx.bytes import SHIFT, StoredWeights, columns_to_add, stored_weights
from edgespike.targets.onnx.emitter import BYTE, Emitter, Value, per_row, storage_for
from edgespike.targets.onnx.limits import FITTED_THRESHOLDS, SUM_LIMIT
from edgespike.targets.onnx.sums import geometry
from edgespike.targets.onnx.thresholds import from_counts
from edgespike.targets.shared.lines import fit
from edgespike.targets.shared.thresholds import counts_thresholds, upright

LARGEST_WEIGHT = SHIFT - 1

LARGEST_BYTE = 255

NEIGHBOURS = 2
"""How many float32 numbers on each side of a multiplier are tried as well."""


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
    zero_point
        What is added after multiplying and rounding.
    largest
        Largest number that it returns unless it is limited.
    """

    weights: StoredWeights
    bias: Integers
    multiplier: NDArray[np.float32]
    zero_point: int
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
    if storage.dtype != BYTE or threshold.levels > LARGEST_BYTE:
        return None
    if threshold.levels > 1 and threshold.theta.size > FITTED_THRESHOLDS:
        return None
    sign, theta, least, most = upright(threshold.theta, threshold.flipped, sums.low, sums.high)
    for factor in _factors(op):
        weights = stored_weights(factor * op.weight * per_row(sign, 3), storage.stored(high))
        if op.groups > 1 and columns_to_add(weights, len(op.weight) // op.groups):
            return None
        for line in _lines(_Channels(theta, least, most, factor)):
            bias = factor * sign * op.bias + line.offset
            ends = factor * np.stack([least, most]) + line.offset
            # QLinearConv rescales sums in float32.
            if np.abs(ends).max() < FLOAT32_LIMIT and np.abs(bias).max() <= SUM_LIMIT:
                largest = int(np.rint(ends[1] * line.multiplier.astype(np.float64)).max())
                largest += 1 + line.zero_point
                return Requantised(weights, bias, line.multiplier, line.zero_point, largest)
    return None


def _factors(op: Conv2d) -> Iterator[int]:
    """Yield factors of the weights: none, then the largest, which moves sums apart."""
    largest = max(1, int(np.abs(op.weight).max()))
    if largest <= LARGEST_WEIGHT:
        yield 1
        if LARGEST_WEIGHT // largest > 1:
            yield LARGEST_WEIGHT // largest


@dataclass(frozen=True)
class _Channels:
    """What is counted: thresholds of sums in a range, and the factor of the weights."""

    theta: Integers
    low: Integers
    high: Integers
    factor: int

    def right(
        self, multiplier: NDArray[np.float32], offset: Integers, zero_point: int
    ) -> NDArray[np.bool_]:
        """Return for which channels the result is the number of thresholds, for all sums."""

        def at(sums: Integers) -> NDArray[np.float32]:
            x = (self.factor * sums + offset[:, None]).astype(np.float32)
            return np.asarray(np.rint(x * multiplier[:, None]) + zero_point, np.float32)

        return counts_thresholds(at, self.theta, self.low, self.high)


@dataclass(frozen=True)
class _Line:
    """``round(multiplier * (factor * sum + offset)) + zero_point`` of each channel."""

    multiplier: NDArray[np.float32]
    offset: Integers
    zero_point: int


def _lines(channels: _Channels) -> Iterator[_Line]:
    """Yield lines that count the thresholds of all channels."""
    theta = channels.theta
    if theta.shape[1] == 1:
        yield _Line(np.ones(len(theta), np.float32), 1 - theta[:, 0], 0)
        return
    step, start = fit(theta, channels.low, channels.high)
    step, first = channels.factor * step, -channels.factor * (start + step / 2)
    # The offset must be whole. With another zero point it is a number of steps less, which in
    # layers that were quantised in this way makes it whole in all channels at once.
    zero_points = np.arange(1, LARGEST_BYTE + 1)
    offsets = first - zero_points[:, None] * step
    best = int(np.abs(offsets - np.rint(offsets)).max(axis=1).argmin()) + 1
    for zero_point in (0, best):
        offset = np.rint(first - zero_point * step).astype(np.int64)
        multiplier = _multiplier(channels, offset, zero_point)
        if multiplier is not None:
            yield _Line(multiplier, offset, zero_point)


def _multiplier(
    channels: _Channels, offset: Integers, zero_point: int
) -> NDArray[np.float32] | None:
    """Return a multiplier of each channel that counts its thresholds; ``None`` if one has none."""
    tried = _middle(channels, offset, zero_point)
    found = tried
    wrong = ~channels.right(found, offset, zero_point)
    for towards in (np.inf, 0):
        tried = _middle(channels, offset, zero_point)
        for _ in range(NEIGHBOURS):
            if not wrong.any():
                return found
            tried = np.nextafter(tried, np.float32(towards))
            found = np.where(wrong, tried, found)
            wrong &= ~channels.right(found, offset, zero_point)
    return None if wrong.any() else found


def _middle(channels: _Channels, offset: Integers, zero_point: int) -> NDArray[np.float32]:
    """Return the middle of the multipliers that are right if nothing is rounded to float32."""
    theta = channels.theta
    middle = np.arange(1, theta.shape[1] + 1) - 0.5 - zero_point
    reached = (channels.factor * theta + offset[:, None]).astype(np.float64)
    missed = (channels.factor * (theta - 1) + offset[:, None]).astype(np.float64)
    always, never = theta <= channels.low[:, None], theta > channels.high[:, None]
    with np.errstate(divide="ignore"):
        at_reached, at_missed = middle / reached, middle / missed
    least = np.where(middle > 0, np.where(never, 0, at_reached), np.where(always, 0, at_missed))
    most = np.where(
        middle > 0,
        np.where(always | (missed <= 0), np.inf, at_missed),
        np.where(never | (reached >= 0), np.inf, at_reached),
    )
    lower, upper = least.max(axis=1), most.min(axis=1)
    upper = np.where(np.isfinite(upper), upper, 2 * lower + 1)
    return np.asarray(np.clip((lower + upper) / 2, 2.0**-100, 2.0**100), np.float32)


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
    outputs = len(plan.bias)
    added = columns_to_add(plan.weights, outputs) if op.groups == 1 else 0
    values = np.pad(plan.weights.values, [(0, added), (0, 0), (0, 0), (0, 0)])
    multiplier = np.pad(plan.multiplier, (0, added), constant_values=1)
    zero_points = np.full(len(values), plan.weights.zero_point)
    inputs = [
        x.name,
        one,
        emitter.constant(x.storage.zero_point, BYTE, conv),
        emitter.constant(values, values.dtype, f"{conv}/weight"),
        emitter.constant(multiplier, np.float32, f"{conv}/multiplier"),
        emitter.constant(zero_points, values.dtype, f"{conv}/zero_points"),
        one,
        emitter.constant(plan.zero_point, BYTE, conv),
        emitter.constant(np.pad(plan.bias, (0, added)), np.int32, f"{conv}/bias"),
    ]
    count = emitter.emit("QLinearConv", inputs, conv, **geometry(op))
    if added:
        count = emitter.first(count, outputs, axis=1, name=conv)
    if min(plan.largest, LARGEST_BYTE) > threshold.levels:
        most = emitter.constant(threshold.levels, BYTE, conv)
        count = emitter.emit("Clip", [count, "", most], levels)
    return from_counts(emitter, levels, threshold, Value(count, storage_for(0, threshold.levels)))
