"""Pools of every kind, as windows over ``(channels, height, width)``."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from edgespike.converters.onnx.floats.building import Building
from edgespike.converters.onnx.floats.values import UnreadableError, Value
from edgespike.converters.onnx.floats.windows import Pair, Windows, windows_of
from edgespike.converters.onnx.model import OnnxNode
from edgespike.floats.net import FloatAffine, FloatPool2d, FloatReshape, Pooling
from edgespike.floats.run import pool2d


def max_pool(net: Building, node: OnnxNode) -> Value:
    """Convert the largest value of each window."""
    value = net.value(node)
    if value.padded:
        # Zeros take part in the largest value, what a pool pads itself does not.
        raise UnreadableError("is a max pool of padded values; give the pool the padding instead")
    windows = _windows(node, value)
    image = net.image(node, value)
    down, right = _beyond(net, node, image, windows)
    top, bottom, left, right_side = windows.padding
    padding = (top, bottom + down, left, right_side + right)
    return _pooled(net, node, image, FloatPool2d(Pooling.MAX, *_steps(windows), padding))


def average_pool(net: Building, node: OnnxNode) -> Value:
    """Convert the mean of each window, with or without the zeros that the pool adds."""
    value = net.value(node)
    windows = _windows(node, value)
    image = net.image(node, value)
    if any(_beyond(net, node, image, windows)):
        raise UnreadableError(
            "has ceil_mode, which makes windows that reach beyond the border; leave it out"
        )
    op = FloatPool2d(Pooling.AVERAGE, *_steps(windows), windows.padding)
    if not any(windows.own) or node.attributes.get("count_include_pad", 0):
        return _pooled(net, node, image, op)
    return _by_what_is_there(net, node, image, replace(op, pooling=Pooling.SUM), windows)


def _by_what_is_there(
    net: Building, node: OnnxNode, image: Value, op: FloatPool2d, windows: Windows
) -> Value:
    """Divide the sum of each window by how many of its values are none of the pool's own zeros."""
    top, bottom, left, right = windows.before
    there = np.ones((1, 1, image.stored[1] + top + bottom, image.stored[2] + left + right))
    counts = pool2d(replace(op, padding=windows.own), there)
    if (counts == 0).any():
        raise UnreadableError("has windows of zeros alone; give less padding")
    pooled = _pooled(net, node, image, op)
    if (counts == prod(op.kernel)).all():
        return net.affine(node, pooled, 1 / prod(op.kernel), 0.0)
    # Each place has a factor of its own, so each is a channel for a moment.
    factors = np.broadcast_to(1 / counts[0], pooled.stored).reshape(-1)
    flat = net.stored_as(node, pooled, (factors.size,))
    affine = FloatAffine(factors.copy(), np.zeros(factors.size))
    scaled = net.add(node, affine, flat, stored=flat.stored)
    return net.add(node, FloatReshape(pooled.stored), scaled, stored=pooled.stored)


def _windows(node: OnnxNode, value: Value) -> Windows:
    windows = windows_of(node, value, node.attributes["kernel_shape"])
    if windows.dilation != (1, 1):
        raise UnreadableError("has windows with gaps; use dilation 1")
    return windows


def _steps(windows: Windows) -> tuple[Pair, Pair]:
    return windows.kernel, windows.stride


def _pooled(net: Building, node: OnnxNode, image: Value, op: FloatPool2d) -> Value:
    channels, *size = net.shape(node)[1:]
    height, width = (1, *size)[-2:]
    return net.add(node, op, image, stored=(channels, height, width))


def _beyond(net: Building, node: OnnxNode, image: Value, windows: Windows) -> Pair:
    """Return how far windows reach beyond the padding, which ``ceil_mode`` lets them."""
    counts = (1, *net.shape(node)[2:])[-2:]
    top, bottom, left, right = windows.padding
    wholes = (image.stored[1] + top + bottom, image.stored[2] + left + right)
    down, along = (
        max((count - 1) * step + window - whole, 0)
        for count, step, window, whole in zip(
            counts, windows.stride, windows.kernel, wholes, strict=True
        )
    )
    return down, along


def global_average(net: Building, node: OnnxNode) -> Value:
    """Convert the mean of each channel."""
    return _over_axes(net, node, Pooling.AVERAGE, tuple(range(2, len(net.unpadded(node).shape))))


def global_maximum(net: Building, node: OnnxNode) -> Value:
    """Convert the largest value of each channel."""
    return _over_axes(net, node, Pooling.MAX, tuple(range(2, len(net.unpadded(node).shape))))


def mean(net: Building, node: OnnxNode) -> Value:
    """Convert a mean over axes."""
    return _over_axes(net, node, Pooling.AVERAGE, _axes(net, node, since=18))


def total(net: Building, node: OnnxNode) -> Value:
    """Convert a sum over axes."""
    return _over_axes(net, node, Pooling.SUM, _axes(net, node, since=13))


def largest(net: Building, node: OnnxNode) -> Value:
    """Convert the largest value over axes."""
    return _over_axes(net, node, Pooling.MAX, _axes(net, node, since=18))


def _axes(net: Building, node: OnnxNode, since: int) -> tuple[int, ...]:
    """Return which axes a node goes over; since a version, they are an input."""
    count = len(net.unpadded(node).shape)
    given: Any = node.attributes.get("axes")
    if node.version >= since:
        given = net.constant(node, 1, "axes")
    if given is None or not np.size(given):
        if node.attributes.get("noop_with_empty_axes", 0):
            return ()
        given = range(count)
    return tuple(sorted(int(axis) % count for axis in given))


def _over_axes(net: Building, node: OnnxNode, kind: Pooling, axes: tuple[int, ...]) -> Value:
    """Append a pool over whole axes, whose elements must lie side by side."""
    value = net.unpadded(node)
    kept = [axis for axis in range(len(value.shape)) if axis not in axes]
    channels = prod(value.shape[axis] for axis in kept)
    over = prod(value.shape[axis] for axis in axes)
    if channels == 1 and over == value.elements.size > 1:
        raise UnreadableError(
            f"goes over all axes of values of shape {value.shape}; keep that of the channels"
        )
    rows = value.elements.transpose(*kept, *axes).reshape(channels, over)
    moved = Value(value.node, value.stored, rows)
    same = len(value.stored) == 3 and value.stored[0] == channels
    image = net.stored_as(node, moved, value.stored if same else (channels, 1, over))
    op = FloatPool2d(kind, image.stored[1:], image.stored[1:])  # type: ignore[arg-type]
    elements = np.arange(channels).reshape(net.shape(node))
    return net.add(node, op, image, stored=(channels, 1, 1), elements=elements)
