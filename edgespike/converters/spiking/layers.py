"""Layers of torch without a state, as operations on real numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.converters.spiking.simulator import RefusedError
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
    values: NDArray[np.float64] = np.asarray(tensor.detach().double().cpu().numpy())
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
    return FloatConv2d(
        reals(layer.weight),
        bias_of(layer, layer.out_channels),
        tuple(layer.stride),
        _sides(layer),
        tuple(layer.dilation),
        layer.groups,
    )


def _sides(layer: Any) -> tuple[int, int, int, int]:
    """Return a convolution's padding, also where it says 'same' or 'valid'."""
    if layer.padding == "same":  # as torch: an odd element more goes to the end
        totals = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
        (top, bottom), (left, right) = ((total // 2, total - total // 2) for total in totals)
        return top, bottom, left, right
    height, width = (0, 0) if layer.padding == "valid" else layer.padding
    return height, height, width, width


def batch_norm(layer: Any, shape: Shape, _: Shape) -> FloatOp:
    """Return a batch normalisation in evaluation mode."""
    if layer.running_mean is None:
        raise RefusedError("keeps no running statistics; set track_running_stats=True")
    mean, variance = reals(layer.running_mean), reals(layer.running_var)
    scale = (1 if layer.weight is None else reals(layer.weight)) / np.sqrt(variance + layer.eps)
    return FloatAffine(scale, (0 if layer.bias is None else reals(layer.bias)) - mean * scale)


def max_pool(layer: Any, shape: Shape, out: Shape) -> FloatOp:
    """Return a MaxPool2d."""
    if _pair(layer.dilation) != (1, 1):
        raise RefusedError(f"has dilation {layer.dilation}; use 1")
    return _pool(Pooling.MAX, layer, shape, out)


def average_pool(layer: Any, shape: Shape, out: Shape) -> FloatOp:
    """Return an AvgPool2d."""
    if _pair(layer.padding) != (0, 0) and not layer.count_include_pad:
        raise RefusedError("does not count padding; use count_include_pad=True, or no padding")
    if layer.divisor_override is not None:
        raise RefusedError(f"has divisor_override {layer.divisor_override}; leave it out")
    return _pool(Pooling.AVERAGE, layer, shape, out)


def _pool(pooling: Pooling, layer: Any, shape: Shape, out: Shape) -> FloatOp:
    kernel = _pair(layer.kernel_size)
    stride = _pair(layer.stride if layer.stride is not None else kernel)
    padding = _pair(layer.padding)
    whole = tuple(
        (size + 2 * p - k) // s + 1
        for size, p, k, s in zip(shape[1:], padding, kernel, stride, strict=True)
    )
    if whole != out[1:]:
        raise RefusedError("has windows that stick out; use ceil_mode=False")
    return FloatPool2d(pooling, kernel, stride, (padding[0], padding[0], padding[1], padding[1]))


def _adaptive(pooling: Pooling) -> Layer:
    def convert(layer: Any, shape: Shape, out: Shape) -> FloatOp:
        if any(size % wanted for size, wanted in zip(shape[1:], out[1:], strict=True)):
            raise RefusedError(
                f"makes {out[1:]} of {shape[1:]}, with windows of several sizes; use sizes that "
                "divide"
            )
        kernel = (shape[1] // out[1], shape[2] // out[2])
        return FloatPool2d(pooling, kernel, kernel)

    return convert


def reshape(layer: Any, shape: Shape, out: Shape) -> FloatOp | None:
    """Return a Flatten or Unflatten that leaves the axis of samples alone."""
    return None if shape == out else FloatReshape(out)


def nothing(layer: Any, shape: Shape, _: Shape) -> None:
    """Leave out a layer without effect in evaluation mode."""


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


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
