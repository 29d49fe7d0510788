"""Calls that give the same elements, in another shape or side by side, or zeros around them."""

from __future__ import annotations

from typing import Any

from edgespike.converters.floats import UnreadableError
from edgespike.converters.torch.floats.building import Building, result_shape
from edgespike.converters.torch.floats.values import Answer, Call, Value
from edgespike.floats.net import FloatConcatenate


def same(net: Building, call: Call) -> Any:
    """Convert a call that gives what it receives."""
    return call[next(iter(call.arguments))]


def asserted(net: Building, call: Call) -> None:
    """Leave out what torch.export writes before a cast: the type that it saw."""


def cast(net: Building, call: Call) -> Any:
    """Convert a cast from one float to another; a net's values are real numbers."""
    import torch

    dtype = call.get("dtype")
    if dtype not in (None, torch.float32, torch.float64):
        raise UnreadableError(
            f"casts to {str(dtype).removeprefix('torch.')}, which rounds values; keep float32 or "
            "float64"
        )
    return call[next(iter(call.arguments))]


def reshape(net: Building, call: Call) -> Value:
    """Convert a change of shape that keeps the order of the elements."""
    return net.reshaped(call, call.unpadded("self"), result_shape(call))


def permute(net: Building, call: Call) -> Value:
    """Convert a change of axes that moves no element: only axes of size 1 change places."""
    value = call.unpadded("self")
    axes = _axes(call, len(value.shape) + 1)
    moved = [axis for axis in axes if axis == 0 or value.shape[axis - 1] > 1]
    if axes[0] != 0 or moved != sorted(moved):
        raise UnreadableError(
            f"moves elements: axes {tuple(axes)} of samples of shape {value.shape}; keep "
            "(channels, height, width) throughout, and give the samples in this order"
        )
    return net.reshaped(call, value, result_shape(call))


def _axes(call: Call, count: int) -> list[int]:
    if "dims" in call.arguments:
        return [int(axis) % count for axis in call["dims"]]
    axes = list(range(count))
    first, second = int(call["dim0"]) % count, int(call["dim1"]) % count
    axes[first], axes[second] = axes[second], axes[first]
    return axes


def expand(net: Building, call: Call) -> Value:
    """Convert an expansion that repeats nothing."""
    value = call.unpadded("self")
    if result_shape(call) != value.shape:
        raise UnreadableError(
            f"repeats values: {value.shape} become {result_shape(call)}; a graph repeats nothing"
        )
    return value


def part(net: Building, call: Call) -> Value:
    """Convert a slice that takes all there is."""
    value = call.unpadded("self")
    if call.shape is None or call.shape[1:] != value.shape or call["step"] != 1:
        raise UnreadableError(
            "takes a part of the values; a graph passes on all of them, so build the branches "
            "from layers of their own (a convolution of fewer channels)"
        )
    result_shape(call)
    return value


def concatenate(net: Building, call: Call) -> Value:
    """Convert values side by side along the channels."""
    values = [_plain(each) for each in call["tensors"]]
    axis = int(call["dim"]) % (len(values[0].shape) + 1)
    if axis != 1:
        raise UnreadableError(f"concatenates along axis {axis}; use axis 1, that of the channels")
    return values[0] if len(values) == 1 else net.add(call, FloatConcatenate(), *values)


def _plain(each: Any) -> Value:
    if isinstance(each, Answer) or not isinstance(each, Value):
        raise UnreadableError("concatenates constants or a softmax; give values of the net")
    if any(each.padding):
        raise UnreadableError("concatenates padded values; pad only before a convolution or a pool")
    return each


def pad(net: Building, call: Call) -> Value:
    """Remember zeros that the next convolution or pool adds."""
    value, amounts = call.value("self"), [int(x) for x in call["pad"]]
    if call.get("mode", "constant") != "constant" or call.get("value") not in (None, 0):
        raise UnreadableError("pads with other values than zeros; use zeros")
    beyond = amounts[4:] if len(value.shape) == 3 else amounts[2:]
    if min(amounts) < 0 or any(beyond):
        raise UnreadableError(f"pads by {amounts}; give at least 0, for height and width alone")
    left, right, top, bottom = (*amounts, 0, 0, 0, 0)[:4]
    before = value.padding
    padding = (before[0] + top, before[1] + bottom, before[2] + left, before[3] + right)
    return Value(value.node, value.shape, value.stored, padding)
