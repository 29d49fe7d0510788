"""Pools of every kind, as windows over ``(channels, height, width)``."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from edgespike.converters.floats import UnreadableError
from edgespike.converters.onnx.floats.building import Building
from edgespike.converters.onnx.floats.values import Value, in_order
from edgespike.converters.onnx.floats.windows import PaddedWindows, windows_of
from edgespike.converters.onnx.model import OnnxNode
from edgespike.converters.onnx.windows import Pair
from edgespike.floats.net import FloatPool2d, Pooling
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
    return _pooled(
        net, node, image, FloatPool2d(Pooling.MAX, windows.own.kernel, windows.own.stride, padding)
    )


def average_pool(net: Building, node: OnnxNode) -> Value:
    """Convert the mean of each window, with or without the zeros that the pool adds."""
    value = net.value(node)
    windows = _windows(node, value)
    image = net.image(node, value)
    if any(_beyond(net, node, image, windows)):
        raise UnreadableError(
            "has ceil_mode, which makes windows that reach beyond the border; leave it out"
        )
    own = windows.own
    op = FloatPool2d(Pooling.AVERAGE, own.kernel, own.stride, windows.padding)
    counted = node.attributes.get("count_include_pad", 0) or not any(own.padding)
    if not counted and not _all_full(image, op, windows):
        raise UnreadableError(
            "divides windows at the border by fewer values; set count_include_pad to 1, or use "
            "pads 0"
        )
    return _pooled(net, node, image, op)


def _all_full(image: Value, op: FloatPool2d, windows: PaddedWindows) -> bool:
    """Return whether no window holds zeros that the pool adds itself."""
    top, bottom, left, right = windows.before
    there = np.ones((1, 1, image.stored[1] + top + bottom, image.stored[2] + left + right))
    return bool((pool2d(replace(op, padding=windows.own.padding), there) == 1).all())


def _windows(node: OnnxNode, value: Value) -> PaddedWindows:
    windows = windows_of(node, value, node.attributes["kernel_shape"])
    if windows.own.dilation != (1, 1):
        raise UnreadableError("has windows with gaps; use dilation 1")
    return windows


def _pooled(net: Building, node: OnnxNode, image: Value, op: FloatPool2d) -> Value:
    channels, *size = net.shape(node)[1:]
    height, width = (1, *size)[-2:]
    return net.add(node, op, image, stored=(channels, height, width))


def _beyond(net: Building, node: OnnxNode, image: Value, windows: PaddedWindows) -> Pair:
    """Return how far windows reach beyond the padding, which ``ceil_mode`` lets them.

    Raises
    ------
    UnreadableError
        The last window begins beyond the image: onnx counts it, ONNX Runtime does not.
    """
    counts = (1, *net.shape(node)[2:])[-2:]
    top, bottom, left, right = windows.padding
    far = []
    for count, step, window, size, (before, behind) in zip(
        counts,
        windows.own.stride,
        windows.own.kernel,
        image.stored[1:],
        ((top, bottom), (left, right)),
        strict=True,
    ):
        if count > 1 and (count - 1) * step >= before + size:
            raise UnreadableError(
                "has a last window that begins beyond the border of the image; leave ceil_mode "
                "out, or use a stride that fits"
            )
        far.append(max((count - 1) * step + window - (before + size + behind), 0))
    return far[0], far[1]


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
    """Append a pool over whole axes."""
    value = net.unpadded(node)
    if all(size == 1 for axis, size in enumerate(value.shape) if axis not in axes):
        raise UnreadableError(
            f"goes over all axes of values of shape {value.shape}; keep that of the channels"
        )
    image, kernel = _over_image(net, node, value, axes) or _over_rows(net, node, value, axes)
    channels, high, wide = image.stored
    stored = (channels, high // kernel[0], wide // kernel[1])
    elements = np.arange(prod(stored)).reshape(net.shape(node))
    op = FloatPool2d(kind, kernel, kernel)
    return net.add(node, op, image, stored=stored, elements=elements)


def _over_image(
    net: Building, node: OnnxNode, value: Value, axes: tuple[int, ...]
) -> tuple[Value, Pair] | None:
    """Return an image, and the windows over its height or width or both; ``None`` if it is none."""
    is_image = len(value.shape) in (3, 4) and value.shape[0] == 1 and in_order(value.elements)
    if not is_image or min(axes, default=0) < 2:
        return None
    sizes = [size if axis in axes else 1 for axis, size in enumerate(value.shape)]
    return net.image(node, value), ((1, *sizes[2:])[-2], sizes[-1])


def _over_rows(
    net: Building, node: OnnxNode, value: Value, axes: tuple[int, ...]
) -> tuple[Value, Pair]:
    """Return what is kept as channels of an image, and the windows over all of it.

    Raises
    ------
    MovedError
        What a window takes does not lie side by side.
    """
    kept = [axis for axis in range(len(value.shape)) if axis not in axes]
    channels, over = (prod(value.shape[axis] for axis in some) for some in (kept, axes))
    rows = value.elements.transpose(*kept, *axes).reshape(channels, over)
    moved = Value(value.node, value.stored, rows)
    size = (1, over)
    if len(value.stored) == 3 and value.stored[0] == channels:
        size = value.stored[1:]
    return net.stored_as(node, moved, (channels, *size)), size
