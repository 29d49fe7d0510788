"""Layers that folding puts in where events must become sums, or where an offset has no place."""

from __future__ import annotations

import numpy as np

from edgespike.floats.net import FloatConv2d, FloatDense, FloatNeurons, FloatOp, Reals
from edgespike.floats.shapes import Shape
from edgespike.floats.weighted import Weighted
from edgespike.graph import Reset
from edgespike.quantise.lines import Line

IDENTITY_LIMIT = 4096
"""Most events that become sums through a dense layer that changes nothing."""


def identity(line: Line, shape: Shape) -> Weighted | None:
    """Return a layer whose sums are the values that events stand for, one event each.

    It is ``None`` where a dense layer of more than :data:`IDENTITY_LIMIT` inputs would be needed.
    """
    if len(shape) == 3:
        return FloatConv2d(line.scale[:, None, None, None], line.offset, groups=shape[0])
    if shape[0] <= IDENTITY_LIMIT:
        return FloatDense(np.diag(line.scale), line.offset)
    return None


def offset_plane(op: FloatConv2d, channels: int, terms: Reals) -> tuple[tuple[str, FloatOp], ...]:
    """Return layers, one behind the other, that add what zero stands for in a convolution.

    No whole number stands for the zeros of the padding where events have an offset. So one plane of
    neurons that always fire carries the offset: it ends where the image does.

    Parameters
    ----------
    op
        The convolution, of whose padding the zeros are.
    channels
        Of its input.
    terms
        Its weights, each times the offset of its input channel.

    Returns
    -------
    layers
        A label and an operation each.
    """
    one = FloatConv2d(np.zeros((1, channels, 1, 1)), np.ones(1))
    fire = FloatNeurons(np.full(1, 0.5), np.zeros(1), reset=Reset.NONE)
    offset = FloatConv2d(
        terms.sum(axis=1, keepdims=True), 0 * op.bias, op.stride, op.padding, op.dilation
    )
    return ("ones", one), ("plane", fire), ("offset", offset)
