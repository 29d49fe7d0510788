"""Weights and biases as they are stored, with the thresholds that follow folded in."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import Tensor, Threshold
from edgespike.graph.ops import Weighted
from edgespike.graph.tensor import Integers, per_channel
from edgespike.targets.shared.lines import fit
from edgespike.targets.shared.partial_sums import partial_sum_bounds
from edgespike.targets.shared.thresholds import upright
from edgespike.targets.tflite.limits import SUM_LIMIT, WEIGHT_LIMIT
from edgespike.targets.tflite.planning.requantise import multiplier_and_offset, proven


@dataclass(frozen=True)
class Affine:
    """Weight and bias as they are stored.

    Parameters
    ----------
    weight, bias
        Whole numbers, in the shapes of the graph.
    scale
        Scale of the weights: ``(1,)``, or ``(channels,)`` for one scale per output channel.
    """

    weight: Integers
    bias: Integers
    scale: NDArray[np.float32] = field(default_factory=lambda: np.ones(1, np.float32))

    @property
    def largest_weight(self) -> int:
        """Largest magnitude of a weight."""
        return int(np.abs(self.weight).max())

    def magnitudes(self, source: Tensor) -> NDArray[np.float64]:
        """Bound every partial sum of each output channel, whatever the order of summation."""
        return partial_sum_bounds(self.weight, self.bias, source)


def fold_spikes(
    op: Weighted, threshold: Threshold, accumulator: Tensor, ratio: float = 1.0
) -> Affine:
    """Fold one threshold per channel into the bias: the neuron fires if the sum is at least 1.

    The multiplier is 1, or, if ``ratio``, the scale of the spikes over that of the input, has no
    exact inverse in float32, so close to 1 that sums of 0 and 1 stay 0 and 1.
    """
    sign, theta, _, _ = _upright(threshold, accumulator)
    weight = op.weight * per_channel(sign, op.weight.ndim)
    return Affine(weight, sign * op.bias + 1 - theta[:, 0], np.array([ratio], np.float32))


def fold_levels(
    op: Weighted,
    threshold: Threshold,
    accumulator: Tensor,
    source: Tensor,
    ratio: float,
    limit: int = WEIGHT_LIMIT,
) -> tuple[Affine, NDArray[np.bool_]]:
    """Fold several thresholds per channel into a multiplier and a bias.

    Parameters
    ----------
    op, threshold
        The layer, and the thresholds of its outputs.
    accumulator, source
        Ranges of the layer's output and input.
    ratio
        Scale of the levels over that of the layer's input.
    limit
        Magnitude up to which weights are scaled.

    Returns
    -------
    affine
        Weights as large as the limit permits, which keeps accumulators away from ties.
    proven
        For each channel, whether every kernel computes the right level at every threshold.
    """
    sign, theta, low, high = _upright(threshold, accumulator)
    factor = _factors(op, source, limit)
    step, start = fit(theta, low, high)
    multiplier, offset = multiplier_and_offset(step, start, factor)
    scale = (multiplier * ratio).astype(np.float32)
    weight = op.weight * per_channel(factor * sign, op.weight.ndim)
    affine = Affine(weight, factor * sign * op.bias + offset, scale)
    right = proven(theta, low, high, factor, offset, scale.astype(np.float64) / ratio)
    return affine, right & (affine.magnitudes(source) < SUM_LIMIT)


def _upright(
    threshold: Threshold, accumulator: Tensor
) -> tuple[Integers, Integers, Integers, Integers]:
    return upright(threshold.theta, threshold.flipped, accumulator.low, accumulator.high)


def _factors(op: Weighted, source: Tensor, limit: int) -> Integers:
    """Return the largest factor that weights and sums leave room for, for each output channel."""
    axes = tuple(range(1, op.weight.ndim))
    largest = np.maximum(np.abs(op.weight).max(axis=axes), 1)
    sums = np.maximum(Affine(op.weight, op.bias).magnitudes(source), 1)
    # Thresholds in reach are no larger than the sums, so the bias at most doubles them.
    room = np.minimum(limit // largest, SUM_LIMIT // (4 * sums))
    return np.asarray(np.maximum(room, 1), np.int64)
