"""Pools of every kind, as windows over ``(channels, height, width)``."""

from __future__ import annotations

from typing import Any

from edgespike.converters.floats import UnreadableError
from edgespike.converters.torch.floats.building import Building, result_shape
from edgespike.converters.torch.floats.values import Call, Value
from edgespike.converters.torch.geometry import Pair, adaptive_window, pair
from edgespike.floats.net import FloatPool2d, Pooling
from edgespike.graph.ops.windows import Padding, padded_twice


def max_pool(net: Building, call: Call) -> Value:
    """Convert the largest value of each window."""
    kernel, stride, padding = _geometry(call)
    if set(_pair(call["dilation"])) != {1}:
        raise UnreadableError("has windows with gaps; use dilation 1")
    value = call.value("self")
    if any(value.padding):
        # Zeros take part in the largest value, what a pool pads itself does not.
        raise UnreadableError("is a max pool of padded values; give the pool the padding instead")
    more = _beyond(call, value, kernel, stride, padding)
    top, bottom, left, right = padding
    padding = (top, bottom + more[0], left, right + more[1])
    return net.add(call, FloatPool2d(Pooling.MAX, kernel, stride, padding), value)


def max_pool_with_indices(net: Building, call: Call) -> tuple[Value, None]:
    """Convert the largest value of each window; nothing may use where it stood."""
    return max_pool(net, call), None


def average_pool(net: Building, call: Call) -> Value:
    """Convert the mean of each window."""
    kernel, stride, padding = _geometry(call)
    value = call.value("self")
    if any(_beyond(call, value, kernel, stride, padding)):
        raise UnreadableError(
            "has ceil_mode, which makes windows that reach beyond the border; set ceil_mode=False"
        )
    if any(padding) and not call["count_include_pad"]:
        raise UnreadableError(
            "divides windows at the border by fewer values; set count_include_pad=True, or use "
            "padding 0"
        )
    padding = padded_twice(padding, value.padding)
    divisor = call.get("divisor_override")
    kind = Pooling.AVERAGE if divisor is None else Pooling.SUM
    pooled = net.add(call, FloatPool2d(kind, kernel, stride, padding), value)
    return pooled if divisor is None else net.affine(call, pooled, 1 / int(divisor), 0.0)


def _geometry(call: Call) -> tuple[Pair, Pair, Padding]:
    """Return kernel, stride and padding; a pool over a length has one row."""
    rows = _axes(call, call.value("self")) == 1
    kernel = _pair(call["kernel_size"], rows=rows)
    stride = _pair(call["stride"], rows=rows) if call["stride"] else kernel
    down, right = _pair(call["padding"], rows=rows, neutral=0)
    return kernel, stride, (down, down, right, right)


def _axes(call: Call, value: Value) -> int:
    """Return over how many axes a pool goes; torch takes samples without the axis of channels."""
    axes = 1 if "1d" in call.operator else 2
    if len(value.shape) != axes + 1:
        raise UnreadableError(f"receives samples of shape {value.shape}; give the axis of channels")
    return axes


def _pair(numbers: Any, *, rows: bool = False, neutral: int = 1) -> Pair:
    return (neutral, pair(numbers)[1]) if rows else pair(numbers)


def _beyond(call: Call, value: Value, kernel: Pair, stride: Pair, padding: Padding) -> Pair:
    """Return how far torch's windows reach beyond the padding, which ``ceil_mode`` lets them."""
    counts = (1, *result_shape(call)[1:])[-2:]
    size = value.stored[1:]
    sides = [a + b for a, b in zip(value.padding, padding, strict=True)]
    wholes = (size[0] + sides[0] + sides[1], size[1] + sides[2] + sides[3])
    down, right = (
        max((count - 1) * step + window - whole, 0)
        for count, step, window, whole in zip(counts, stride, kernel, wholes, strict=True)
    )
    return down, right


def adaptive_max_pool(net: Building, call: Call) -> tuple[Value, None]:
    """Convert the largest values over windows that follow from the size of the output."""
    return _adaptive(net, call, Pooling.MAX), None


def adaptive_average_pool(net: Building, call: Call) -> Value:
    """Convert means over windows that follow from the size of the output."""
    return _adaptive(net, call, Pooling.AVERAGE)


def _adaptive(net: Building, call: Call, kind: Pooling) -> Value:
    value = call.unpadded("self")
    _axes(call, value)
    wanted = (1, *result_shape(call)[1:])[-2:]
    (high, down), (wide, right) = (
        _window(*axis) for axis in zip(value.stored[1:], wanted, strict=True)
    )
    return net.add(call, FloatPool2d(kind, (high, wide), (down, right)), value)


def _window(size: int, count: int) -> Pair:
    """Return kernel and stride along an axis."""
    window = adaptive_window(size, count)
    if window is None:
        raise UnreadableError(
            f"divides {size} values into {count} windows that differ in size or distance; give an "
            f"output size that divides {size}"
        )
    return window


def mean(net: Building, call: Call) -> Value:
    """Convert a mean over height or width or both."""
    return _over_axes(net, call, Pooling.AVERAGE)


def total(net: Building, call: Call) -> Value:
    """Convert a sum over height or width or both."""
    return _over_axes(net, call, Pooling.SUM)


def largest(net: Building, call: Call) -> Value:
    """Convert the largest value over height or width or both."""
    return _over_axes(net, call, Pooling.MAX)


def _over_axes(net: Building, call: Call, kind: Pooling) -> Value:
    value = call.unpadded("self")
    axes = len(value.shape) + 1
    given = call.get("dim")
    named = [] if given is None else [given] if isinstance(given, int) else given
    over = {int(axis) % axes for axis in named}
    if not over or over & {0, 1}:
        raise UnreadableError(
            f"goes over axes {sorted(over) or 'of all kinds'}; a graph pools height and width, the "
            "last two axes"
        )
    first = axes - 2 if len(value.shape) == 3 else axes - 1
    high, wide = (
        size if axis in over else 1
        for axis, size in zip((first, axes - 1), value.stored[1:], strict=True)
    )
    kept = tuple(1 if n + 1 in over else size for n, size in enumerate(value.shape))
    op = FloatPool2d(kind, (high, wide), (high, wide))
    return net.reshaped(call, net.add(call, op, value, shape=kept), result_shape(call))
