"""Count the thresholds that a sum reaches, in 16 bits.

A layer's sums are stored in 16 bits, less a constant for each channel, and saturate. A sum beyond
16 bits stays on its side of every threshold that they hold, so that changes no level. Where they do
not hold all thresholds, the layer is computed again for the others, with another constant: a
*window* each.

In a window, levels are rounded products with a weight and a multiplier for each channel, see
:func:`edgespike.targets.tflite.planning.requantise.proven_in_16_bits`: a line, or several of fewer
levels each, which leave more room for a proof. A line has 255 levels at most: with more, RELU6 may
clamp to another number. (In int8, the layer's own weights would have to be scaled up to make room,
which large weights forbid. Here the weights are free.) Otherwise sums are compared with each
threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgespike.graph import Tensor, Threshold
from edgespike.graph.ops.threshold import reachable
from edgespike.graph.tensor import Integers
from edgespike.targets.shared.lines import Floats, fit, fit_line
from edgespike.targets.shared.thresholds import upright
from edgespike.targets.tflite.limits import (
    FEWEST_NEAR_LEVELS,
    INT16_LIMIT,
    MOST_LINES,
    MOST_WINDOWS,
    WEIGHT_LIMIT,
)
from edgespike.targets.tflite.planning.affine import Affine
from edgespike.targets.tflite.planning.requantise import best_offset, proven_in_16_bits, short
from edgespike.targets.tflite.planning.storage import (
    LARGEST_STORED,
    SUMS,
    Form,
    Storage,
    activation_scale,
)

COMPARISON_BYTES = 4
"""A threshold, and whether it is reached."""

LINE_BYTES = 19
"""A weight, a bias, a multiplier and its shift, and a result."""

SCALE_BYTES = 24
"""A weight's scale and zero point, and those of a bias."""

LEAST_THETA = 1 - INT16_LIMIT
"""Least threshold ``theta`` with which numbers are compared: 16 bits hold ``1 - theta``."""


@dataclass(frozen=True)
class Staircase:
    """How levels are counted.

    Parameters
    ----------
    sign
        Factor of the sums, 1 or -1, with which all thresholds are reached from below,
        ``(channels,)``.
    centre
        What is taken off the sums in each window, ``(windows, channels)``.
    theta
        Thresholds of what is left, ascending, ``(windows, channels, levels)``.
    lines
        Products of each window's numbers that, rounded, are counts: weights ``(windows * channels *
        lines, 1, 1, 1)``; ``None`` if the numbers are compared with each threshold.
    counted
        How one line's count, or one comparison, is stored.
    """

    sign: Integers
    centre: Integers
    theta: Integers
    lines: Affine | None
    counted: Storage

    @property
    def single(self) -> bool:
        """Return whether one line gives the whole count."""
        return self.lines is not None and len(self.lines.bias) == len(self.sign)


@dataclass(frozen=True)
class _Stored:
    """Thresholds and range of 16-bit numbers, with a row for each channel of each window."""

    centre: Integers
    theta: Integers
    low: Integers
    high: Integers


def staircase(op: Threshold, tensor: Tensor) -> tuple[Staircase | None, str]:
    """Return how levels are counted in 16 bits; or why they are not, or better not."""
    sign, theta, low, high = upright(op.theta, op.flipped, tensor.low, tensor.high)
    too_far = f"16 bits do not hold its thresholds, {op.theta.min()}..{op.theta.max()}"
    stored = _in_windows(theta, low, high, MOST_WINDOWS if tensor.shape[1:] == () else 1)
    if stored is None:
        return None, too_far
    centre = stored.centre.reshape(-1, len(sign))
    each = stored.theta.reshape(*centre.shape, -1)
    comparable = bool((each >= LEAST_THETA).all())
    for number in MOST_LINES:
        levels = -(-each.shape[2] // number)
        if levels > LARGEST_STORED:
            continue
        lines = _on_lines(stored, number)
        if lines is None or (comparable and _line_bytes(lines) > COMPARISON_BYTES * each.size):
            continue
        counted = Storage(Form.INT16, activation_scale(levels))
        return Staircase(sign, centre, each, lines, counted), ""
    if op.levels >= FEWEST_NEAR_LEVELS and fit_line(op, tensor) is not None:
        return None, "no lines are proven with 16 bits, and one and a comparison are in float32"
    return (Staircase(sign, centre, each, None, SUMS), "") if comparable else (None, too_far)


def _in_windows(theta: Integers, low: Integers, high: Integers, most: int) -> _Stored | None:
    """Move sums to where 16 bits hold thresholds, in as few windows as all take, if not too many.

    Each window has as many of a channel's thresholds.
    """
    for count in range(1, most + 1):
        groups = _padded(theta, high, count).reshape(len(theta), count, -1).swapaxes(0, 1)
        ends = (np.tile(end, count) for end in (low, high))
        stored = _store(groups.reshape(count * len(theta), -1), *ends)
        if stored is not None:
            return stored
    return None


def _padded(theta: Integers, high: Integers, count: int) -> Integers:
    """Add thresholds that are never reached, so that groups of equal size can be made."""
    missing = -theta.shape[1] % count
    return np.concatenate((theta, np.repeat(high[:, None] + 1, missing, axis=1)), axis=1)


def _store(theta: Integers, low: Integers, high: Integers) -> _Stored | None:
    """Move sums to where 16 bits hold all thresholds in reach; ``None`` if they do not."""
    in_reach = (theta > low[:, None]) & (theta <= high[:, None])
    some = in_reach.any(axis=1)
    inside = np.clip(0, low, high)  # where no threshold is in reach, all are on its sides
    least = np.where(some, np.where(in_reach, theta, high[:, None]).min(axis=1), inside)
    most = np.where(some, np.where(in_reach, theta, low[:, None]).max(axis=1), inside)
    above, below = most - INT16_LIMIT, least - LEAST_THETA
    if (above > below).any():
        return None
    centre = np.clip(0, above, below)
    low, high = (np.clip(end - centre, -INT16_LIMIT - 1, INT16_LIMIT) for end in (low, high))
    theta = reachable(theta - centre[:, None], low[:, None], high[:, None])
    return _Stored(centre, theta, low, high)


def _on_lines(stored: _Stored, number: int) -> Affine | None:
    """Prove a number of lines for each row; ``None`` if one has no proof."""
    theta = _padded(stored.theta, stored.high, number)
    low, high = (np.repeat(end, number) for end in (stored.low, stored.high))
    return climb(theta.reshape(len(theta) * number, -1), low, high)


def _line_bytes(lines: Affine) -> int:
    return LINE_BYTES * len(lines.bias) + SCALE_BYTES * len(lines.scale)


def climb(theta: Integers, low: Integers, high: Integers) -> Affine | None:
    """Prove a line that gives the levels of every row of thresholds; ``None`` if one has none.

    Parameters
    ----------
    theta, low, high
        Thresholds and range of 16-bit numbers, ``(rows, levels)`` and ``(rows,)``.

    Returns
    -------
    line
        Weights ``(rows, 1, 1, 1)``, biases and scales of products, from numbers with the scale of
        :data:`edgespike.targets.tflite.planning.storage.SUMS` to levels with that of their number.
    """
    step, start = fit(theta, low, high)
    line = start[:, None] + step[:, None] * np.arange(1, theta.shape[1] + 1)
    outside = (line > theta + 1) & (theta <= high[:, None])
    outside |= (line < theta - 2) & (theta > low[:, None])
    if outside.any():  # by more than rounding: the best line misses a threshold, so all do
        return None
    shared = np.full_like(step, np.median(step))
    return _line(theta, low, high, shared, True) or _line(theta, low, high, step, False)


def _line(
    theta: Integers, low: Integers, high: Integers, step: Floats, shared: bool
) -> Affine | None:
    """Prove lines of these steps, with one scale if it is shared.

    The largest weights come first: they leave most room.
    """
    ratio = activation_scale(theta.shape[1]) / SUMS.scale
    weight, bias = np.zeros_like(low), np.zeros_like(low)
    scale = np.zeros(len(weight), np.float32)
    for factor in range(WEIGHT_LIMIT, 0, -1):
        multiplier = short(1 / (factor * step))
        stored = (multiplier * ratio).astype(np.float32)
        offset = best_offset(theta, low, high, factor, multiplier)
        right = proven_in_16_bits(theta, low, high, factor, offset, multiplier)
        right &= proven_in_16_bits(
            theta, low, high, factor, offset, stored.astype(np.float64) / ratio
        )
        new = (right & right.all() if shared else right) & (weight == 0)
        weight[new], bias[new], scale[new] = factor, offset[new], stored[new]
        if weight.all():
            return Affine(weight[:, None, None, None], bias, scale[:1] if shared else scale)
    return None
