"""The inputs of a weighted layer as rows: what each of its sums is a sum of."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edgespike.floats.net import FloatConv2d, FloatDense, Reals
from edgespike.floats.shapes import shape_after
from edgespike.quantise.rounding import WHOLE, rounded

MOST_ROWS = 2**14
"""Places of a convolution that rounding looks at, drawn with a fixed seed."""


def rounded_layer(op: FloatConv2d | FloatDense, weight: Reals, x: WHOLE, most: int) -> WHOLE:
    """Round a layer's weights for the levels that it receives.

    Parameters
    ----------
    op
        The layer; only its geometry is used.
    weight
        In units of the accumulator, in the layer's shape.
    x
        ``(samples, *shape)``: what it receives.
    most
        Whole weights are in ``-most..most``.
    """
    flat = weight.reshape(len(weight), -1)
    if isinstance(op, FloatDense):
        return rounded(flat, x.astype(np.float32), most)
    outputs = len(flat) // op.groups
    parts = [
        rounded(flat[group * outputs : (group + 1) * outputs], rows, most)
        for group, rows in enumerate(windows(op, x))
    ]
    return np.concatenate(parts).reshape(weight.shape)


def windows(op: FloatConv2d, x: WHOLE) -> Iterator[NDArray[np.float32]]:
    """Yield for each group the inputs of some of its windows, ``(rows, inputs)``."""
    _, height, width = shape_after(op, [x.shape[1:]])
    padded = np.pad(x.astype(np.float32), ((0, 0), (0, 0), *op.sides))
    places = _sampled(len(x) * height * width)
    sample, y, z = np.unravel_index(places, (len(x), height, width))
    y, z = y * op.stride[0], z * op.stride[1]
    per_group = op.weight.shape[1]
    for group in range(op.groups):
        of_group = padded[:, group * per_group : (group + 1) * per_group]
        rows = np.empty((len(places), *op.weight.shape[1:]), np.float32)
        for ky, kx in np.ndindex(*op.weight.shape[2:]):
            down, right_by = y + ky * op.dilation[0], z + kx * op.dilation[1]
            rows[:, :, ky, kx] = of_group[sample, :, down, right_by]
        yield rows.reshape(len(places), -1)


def _sampled(count: int) -> NDArray[np.int64]:
    if count <= MOST_ROWS:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, MOST_ROWS, replace=False))
