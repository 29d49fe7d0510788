"""Layers of torch without a state, as operations on real numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np

from edgespike.converters.spiking.simulator import RefusedError
from edgespike.converters.torch.constants import floats, normalisation
from edgespike.converters.torch.geometry import adaptive_window, convolution_sides, pair
from edgespike.floats.net import (
    FloatAffine,
    FloatConv2d,
    FloatDense,
    FloatOp,
    FloatPool2d,
    FloatReshape,
    Pooling,
    Reals,
)
from edgespike.graph.ops.windows import same_sides, window_counts

Shape = tuple[int, ...]
Layer = Callable[[Any, Shape, Shape], FloatOp | None]


def reals(tensor: Any) -> Reals:
    """Return a torch tensor's values as float64.

    Raises
    ------
    RefusedError
        They are not finite, or on the meta device.
    """
    if tensor.is_meta:
        raise RefusedError("is on the meta device, which holds no values; load trained ones")
    values = floats(tensor)
    if not np.isfinite(values).all():
        bad = int((~np.isfinite(values)).sum())
        raise RefusedError(f"has {bad} parameters that are not finite; load an earlier checkpoint")
    return values


def dense(layer: Any, shape: Shape, _: Shape = ()) -> FloatOp:
    """Return a Linear."""
    if len(shape) != 1:
        raise RefusedError(
            f"gets values of shape {shape}, without samples; flatten them before a Linear"
        )
    return FloatDense(reals(layer.weight), bias_of(layer, len(layer.weight)))


def bias_of(layer: Any, outputs: int) -> Reals:
    """Return the bias of a weighted layer, zeros if it has none."""
    return np.zeros(outputs) if layer.bias is None else reals(layer.bias)


def conv2d(layer: Any, shape: Shape, _: Shape = ()) -> FloatOp:
    """Return a Conv2d."""
    if layer.padding_mode != "zeros":
        raise RefusedError(f"pads with padding_mode {layer.padding_mode!r}; use 'zeros'")
    sides = convolution_sides(layer.padding, layer.kernel_size, layer.dilation)
    (top, bottom), (left, right) = sides
    return FloatConv2d(
        reals(layer.weight),
        bias_of(layer, layer.out_channels),
        tuple(layer.stride),
        (top, bottom, left, right),
        tuple(layer.dilation),
        layer.groups,
    )


def batch_norm(layer: Any, shape: Shape, _: Shape) -> FloatOp:
    """Return a batch normalisation in evaluation mode."""
    if layer.running_mean is None:
        raise RefusedError("keeps no running statistics; set track_running_stats=True")
    weight, bias = (None if x is None else reals(x) for x in (layer.weight, layer.bias))
    mean, variance = reals(layer.running_mean), reals(layer.running_var)
    return FloatAffine(*normalisation(mean, variance, layer.eps, weight, bias))


def max_pool(layer: Any, shape: Shape, out: Shape) -> FloatOp:
    """Return a MaxPool2d."""
    if pair(layer.dilation) != (1, 1):
        raise RefusedError(f"has dilation {layer.dilation}; use 1")
    return _pool(Pooling.MAX, layer, shape, out)


def average_pool(layer: Any, shape: Shape, out: Shape) -> FloatOp:
    """Return an AvgPool2d."""
    if pair(layer.padding) != (0, 0) and not layer.count_include_pad:
        raise RefusedError("does not count padding; use count_include_pad=True, or no padding")
    if layer.divisor_override is not None:
        raise RefusedError(f"has divisor_override {layer.divisor_override}; leave it out")
    return _pool(Pooling.AVERAGE, layer, shape, out)


def _pool(pooling: Pooling, layer: Any, shape: Shape, out: Shape) -> FloatOp:
    kernel = pair(layer.kernel_size)
    stride = pair(layer.stride if layer.stride is not None else kernel)
    padding = pair(layer.padding)
    if window_counts(shape, kernel, stride, same_sides(*padding)) != out[1:]:
        raise RefusedError("has windows that stick out; use ceil_mode=False")
    return FloatPool2d(pooling, kernel, stride, (padding[0], padding[0], padding[1], padding[1]))


def _adaptive(pooling: Pooling) -> Layer:
    def convert(layer: Any, shape: Shape, out: Shape) -> FloatOp:
        down, across = (
            adaptive_window(size, count) for size, count in zip(shape[1:], out[1:], strict=True)
        )
        if down is None or across is None:
            raise RefusedError(
                f"makes {out[1:]} of {shape[1:]}, with windows that differ in size or distance; "
                "use sizes that divide"
            )
        return FloatPool2d(pooling, (down[0], across[0]), (down[1], across[1]))

    return convert


def reshape(layer: Any, shape: Shape, out: Shape) -> FloatOp | None:
    """Return a Flatten or Unflatten that leaves the axis of samples alone."""
    return None if shape == out else FloatReshape(out)


def nothing(layer: Any, shape: Shape, _: Shape) -> None:
    """Leave out a layer without effect in evaluation mode."""


@cache
def torch_layers() -> Mapping[type, Layer]:
    """Return how each supported type of layer is read; torch is imported."""
    from torch import nn

    return {
        nn.Linear: dense,
        nn.Conv2d: conv2d,
        nn.BatchNorm1d: batch_norm,
        nn.BatchNorm2d: batch_norm,
        nn.MaxPool2d: max_pool,
        nn.AvgPool2d: average_pool,
        nn.AdaptiveMaxPool2d: _adaptive(Pooling.MAX),
        nn.AdaptiveAvgPool2d: _adaptive(Pooling.AVERAGE),
        nn.Flatten: reshape,
        nn.Unflatten: reshape,
        nn.Identity: nothing,
        nn.Dropout: nothing,
        nn.Dropout1d: nothing,
        nn.Dropout2d: nothing,
        nn.AlphaDropout: nothing,
    }
