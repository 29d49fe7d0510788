"""Factors and offsets a channel beside a weighted layer: what they make of its weights and bias."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias, TypeVar

import numpy as np

from edgespike.floats.net import FloatConv2d, FloatDense, Reals
from edgespike.graph.tensor import Integers

Weighted: TypeAlias = FloatConv2d | FloatDense
"""A layer of weights."""

Values = TypeVar("Values", Reals, Integers)


def per_output(values: Values, op: Weighted) -> Values:
    """Reshape what is given an output channel so that it broadcasts over a layer's weights."""
    return values.reshape(-1, *(1,) * (op.weight.ndim - 1))


def per_input(values: Reals, op: Weighted) -> Reals:
    """Reshape what is given an input channel so that it broadcasts over a layer's weights.

    Channels of a dense layer may be images that were flattened: each number is repeated.
    """
    if isinstance(op, FloatDense):
        return np.repeat(values, op.weight.shape[1] // len(values))[None]
    of_group = values.reshape(op.groups, -1)
    each = np.repeat(of_group, len(op.weight) // op.groups, axis=0)
    return each[:, :, None, None]


def then_affine(op: Weighted, scale: Reals, offset: Reals) -> Weighted:
    """Return a layer whose sums are ``scale * sums + offset`` of another's, a channel each."""
    return replace(op, weight=op.weight * per_output(scale, op), bias=op.bias * scale + offset)


def sums_of_constants(op: Weighted, inputs: Reals) -> Reals:
    """Return a layer's sums, without its bias, where each input channel has one value everywhere.

    At a border with padding a convolution's sums are others.

    Parameters
    ----------
    inputs
        One value for each input channel.
    """
    terms = op.weight * per_input(inputs, op)
    return np.asarray(terms.reshape(len(terms), -1).sum(axis=1))


def after_affine(op: Weighted, scale: Reals, offset: Reals) -> Weighted:
    """Return a layer that makes of ``x`` what another makes of ``scale * x + offset``.

    At a border with padding that is so only where the offset is 0, see `sums_of_constants`.
    """
    bias = op.bias + sums_of_constants(op, offset) if offset.any() else op.bias
    return replace(op, weight=op.weight * per_input(scale, op), bias=bias)
