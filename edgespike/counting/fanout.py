"""Fan-out: how many synapses leave each neuron, exactly.

A neuron near a border, or one that a stride skips, reaches fewer synapses than one in the middle.
The fan-out is the transposed convolution of an all-ones output with the kernel's existing
synapses: for each place of the kernel, it adds to the inputs that this place is applied to.
"""

from __future__ import annotations

from enum import Enum

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from edgespike.graph import Conv2d, Dense
from edgespike.graph.ops import Weighted
from edgespike.graph.ops.windows import padded_size
from edgespike.graph.tensor import Integers


class Convention(str, Enum):
    """Which synapses exist."""

    __hash__ = str.__hash__  # that of Enum runs in Python

    EVERY = "every"
    """Every synapse of the layer, whatever its weight."""

    NONZERO = "nonzero"
    """Synapses whose trained float weight is not zero."""

    QUANTISED = "quantised"
    """Synapses whose integer weight is not zero: those that a target holds."""


def existing(op: Weighted, convention: Convention) -> NDArray[np.bool_]:
    """Return which weights count as synapses, booleans in the weight's shape."""
    if convention is Convention.EVERY:
        return np.ones(op.weight.shape, np.bool_)
    if convention is Convention.NONZERO:
        return op.trained_nonzero
    return np.asarray(op.weight != 0)


def fan_out(op: Dense | Conv2d, shape: tuple[int, ...], convention: Convention) -> Integers:
    """Count the synapses that leave each element of a weighted layer's input.

    Parameters
    ----------
    op
        The weighted layer.
    shape
        Shape of the layer's input, without sample and step axes.
    convention
        Which synapses exist.

    Returns
    -------
    count
        int64, of ``shape``.
    """
    mask = existing(op, convention)
    match op:
        case Dense():
            return np.asarray(mask.sum(axis=0, dtype=np.int64))
        case Conv2d():
            return _fan_out_conv2d(op, mask, shape)
        case _:
            assert_never(op)


def _fan_out_conv2d(op: Conv2d, mask: NDArray[np.bool_], shape: tuple[int, ...]) -> Integers:
    height, width = op.output_size(shape)
    step_y, step_x = op.stride
    padded = np.zeros((shape[0], *padded_size(shape, op.sides)), np.int64)
    grouped = mask.reshape(op.groups, -1, *mask.shape[1:])
    leaving = grouped.sum(axis=1, dtype=np.int64).reshape(shape[0], *mask.shape[2:])
    for ky, kx in np.ndindex(*mask.shape[2:]):
        top, left = ky * op.dilation[0], kx * op.dilation[1]
        below, right = top + height * step_y, left + width * step_x
        padded[:, top:below:step_y, left:right:step_x] += leaving[:, ky, kx, None, None]
    (before_y, _), (before_x, _) = op.sides
    inside = padded[:, before_y : before_y + shape[1], before_x : before_x + shape[2]]
    return np.ascontiguousarray(inside)


def dense_connections(op: Dense | Conv2d, shape: tuple[int, ...]) -> int:
    """Count all synapses of a layer, whatever their weight: its dense operations."""
    return int(fan_out(op, shape, Convention.EVERY).sum())
