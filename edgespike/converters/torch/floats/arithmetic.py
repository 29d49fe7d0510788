"""Sums, constant factors and offsets, and ReLU."""

from __future__ import annotations

from math import inf
from typing import Any

from edgespike.converters.floats import UnreadableError
from edgespike.converters.torch.constants import floats
from edgespike.converters.torch.floats.building import Building, result_shape
from edgespike.converters.torch.floats.values import Answer, Call, Value
from edgespike.floats.net import FloatAdd, FloatRelu

_RELU = "use ReLU, ReLU6, Hardtanh(0, x) or clamp(0, x)"


def add(net: Building, call: Call) -> Value:
    """Convert ``self + alpha * other``."""
    return _sum(net, call, call["self"], call["other"], call.get("alpha", 1))


def subtract(net: Building, call: Call) -> Value:
    """Convert ``self - alpha * other``."""
    return _sum(net, call, call["self"], call["other"], -call.get("alpha", 1))


def subtract_from(net: Building, call: Call) -> Value:
    """Convert ``other - alpha * self``."""
    return _sum(net, call, call["other"], call["self"], -call.get("alpha", 1))


def _sum(net: Building, call: Call, first: Any, second: Any, factor: float) -> Value:
    if not _depends(second):
        value = call.unpadded("self" if call["self"] is first else "other")
        return net.affine(call, _same_shape(call, value), 1.0, factor * floats(second))
    other = call.unpadded("other" if call["other"] is second else "self")
    if not _depends(first):
        return net.affine(call, _same_shape(call, other), factor, first)
    value = call.unpadded("self" if call["self"] is first else "other")
    if value.shape != other.shape:
        raise UnreadableError(
            f"adds samples of shapes {value.shape} and {other.shape}; give both the same shape"
        )
    if factor != 1:
        other = net.affine(call, other, factor, 0.0)
    return net.add(call, FloatAdd(), value, other)


def multiply(net: Building, call: Call) -> Value:
    """Convert a product with a constant."""
    names = ("self", "other")
    dependent = [name for name in names if _depends(call[name])]
    if len(dependent) == 2:
        raise UnreadableError(
            "multiplies two values of the net, as gates and attention do; a float net is "
            "quantised with constant factors only, so add them or leave the gate out"
        )
    value = call.unpadded(dependent[0])
    constant = call["other" if dependent == ["self"] else "self"]
    return net.affine(call, _same_shape(call, value), constant, 0.0)


def divide(net: Building, call: Call) -> Value:
    """Convert a quotient by a constant."""
    if call.get("rounding_mode") is not None:
        raise UnreadableError("rounds its quotient; leave rounding_mode out")
    if _depends(call["other"]):
        raise UnreadableError("divides by a value of the net; a graph divides only by constants")
    divisor = floats(call["other"])
    if (divisor == 0).any():
        raise UnreadableError("divides by 0; give a standard deviation above 0")
    return net.affine(call, _same_shape(call, call.unpadded("self")), 1 / divisor, 0.0)


def negate(net: Building, call: Call) -> Value:
    """Convert ``-self``."""
    return net.affine(call, call.unpadded("self"), -1.0, 0.0)


def _depends(argument: Any) -> bool:
    return isinstance(argument, Value | Answer)


def _same_shape(call: Call, value: Value) -> Value:
    if result_shape(call) != value.shape:
        raise UnreadableError(
            f"makes samples of shape {result_shape(call)} from {value.shape}; give constants that "
            "do not enlarge them"
        )
    return value


def relu(net: Building, call: Call) -> Value:
    """Convert ``max(self, 0)``."""
    return net.add(call, FloatRelu(), call.unpadded("self"))


def relu6(net: Building, call: Call) -> Value:
    """Convert ``min(max(self, 0), 6)``."""
    return net.add(call, FloatRelu(6.0), call.unpadded("self"))


def clamp(net: Building, call: Call) -> Value:
    """Convert ``min(max(self, 0), maximum)``, under any of torch's names."""
    low = call.get("min", call.get("min_val"))
    high = call.get("max", call.get("max_val"))
    if any(hasattr(limit, "detach") for limit in (low, high)):
        raise UnreadableError(f"has tensors as limits; {_RELU}")
    if low is None or low != 0 or (high is not None and high <= 0):
        raise UnreadableError(f"limits values to {low}..{high}; {_RELU}")
    maximum = None if high is None or high == inf else float(high)
    return net.add(call, FloatRelu(maximum), call.unpadded("self"))
