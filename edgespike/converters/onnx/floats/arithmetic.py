"""Sums, constant factors and offsets, and ReLU."""

from __future__ import annotations

from functools import reduce

import numpy as np

from edgespike.converters.floats import UnreadableError
from edgespike.converters.onnx.floats.building import Building, as_reals
from edgespike.converters.onnx.floats.values import Value, in_order
from edgespike.converters.onnx.model import OnnxNode
from edgespike.floats.net import FloatAdd, FloatRelu

_RELU = "use Relu, or Clip with the limits 0 and x"


def add(net: Building, node: OnnxNode) -> Value:
    """Convert ``a + b``, and Sum of any number."""
    dependent = [place for place, name in enumerate(node.inputs) if net.depends(name)]
    constants = [net.reals(node, n, "") for n in range(len(node.inputs)) if n not in dependent]
    if len(node.inputs) == 1:
        return net.unpadded(node)
    if len(dependent) == 1:
        return net.affine(node, net.unpadded(node, dependent[0]), 1.0, reduce(np.add, constants))
    if constants:
        raise UnreadableError("adds several values and constants at once; add them one by one")
    return _sum(net, node, [net.unpadded(node, place) for place in dependent])


def _sum(net: Building, node: OnnxNode, values: list[Value]) -> Value:
    if len({value.shape for value in values}) > 1:
        raise UnreadableError(
            f"adds values of shapes {' and '.join(str(v.shape) for v in values)}; give all the "
            "same shape"
        )
    first = values[0]
    alike = all(
        value.stored == first.stored and np.array_equal(value.elements, first.elements)
        for value in values
    )
    if not alike:
        # In ONNX's order they may still be the same.
        target = next((v.stored for v in values if in_order(v.elements)), first.stored)
        values = [net.stored_as(node, value, target) for value in values]
        first = values[0]
    return net.add(node, FloatAdd(), *values, stored=first.stored, elements=first.elements)


def subtract(net: Building, node: OnnxNode) -> Value:
    """Convert ``a - b``."""
    a, b = (net.depends(name) for name in node.inputs)
    if not b:
        return net.affine(node, net.unpadded(node), 1.0, -net.reals(node, 1, ""))
    if not a:
        return net.affine(node, net.unpadded(node, 1), -1.0, net.reals(node, 0, ""))
    taken = net.unpadded(node, 1)
    return _sum(net, node, [net.unpadded(node), net.affine(node, taken, -1.0, 0.0)])


def multiply(net: Building, node: OnnxNode) -> Value:
    """Convert a product with a constant."""
    a, b = (net.depends(name) for name in node.inputs)
    if a and b:
        raise UnreadableError(
            "multiplies two values of the net, as gates and attention do; a float net is "
            "quantised with constant factors only, so add them or leave the gate out"
        )
    return net.affine(node, net.unpadded(node, int(b)), net.reals(node, int(a), ""), 0.0)


def divide(net: Building, node: OnnxNode) -> Value:
    """Convert a quotient by a constant."""
    if net.depends(node.inputs[1]):
        raise UnreadableError("divides by a value of the net; a graph divides only by constants")
    divisor = net.reals(node, 1, "")
    if (divisor == 0).any():
        raise UnreadableError("divides by 0; give a standard deviation above 0")
    return net.affine(node, net.unpadded(node), 1 / divisor, 0.0)


def negate(net: Building, node: OnnxNode) -> Value:
    """Convert ``-x``."""
    return net.affine(node, net.unpadded(node), -1.0, 0.0)


def relu(net: Building, node: OnnxNode) -> Value:
    """Convert ``max(x, 0)``."""
    return _relu(net, node, net.unpadded(node), None)


def _relu(net: Building, node: OnnxNode, value: Value, maximum: float | None) -> Value:
    op = FloatRelu(maximum)
    return net.add(node, op, value, stored=value.stored, elements=value.elements)


def clip(net: Building, node: OnnxNode) -> Value:
    """Convert ``min(max(x, 0), maximum)``; before version 11 the limits are attributes."""
    low, high = (
        _limit(net, node, place, name) for place, name in enumerate(("min", "max"), start=1)
    )
    unlimited = high is None or high >= _LARGEST
    if low != 0 or not (high is None or high > 0):
        raise UnreadableError(f"limits values to {low}..{high}; {_RELU}")
    return _relu(net, node, net.unpadded(node), None if unlimited else high)


_LARGEST = float(np.finfo(np.float32).max)
"""From here on, a limit from above is none."""


def _limit(net: Building, node: OnnxNode, place: int, name: str) -> float | None:
    found = node.attributes.get(name) if node.version < 11 else net.constant(node, place, name)
    if found is None:
        return None
    limit = np.asarray(found, np.float64)
    if limit.size != 1:
        raise UnreadableError(f"has {limit.size} numbers as {name}; give one")
    return float(limit.item())


def maximum(net: Building, node: OnnxNode) -> Value:
    """Convert ``max(x, 0)`` as some programs write ReLU."""
    dependent = [place for place, name in enumerate(node.inputs) if net.depends(name)]
    constants = [as_reals(net.model.constants[x]) for x in node.inputs if not net.depends(x)]
    if len(dependent) != 1 or any(constant.any() for constant in constants):
        raise UnreadableError(f"takes the largest of several values; {_RELU}")
    value = net.unpadded(node, dependent[0])
    if not constants:
        return value
    if net.shape(node) != value.shape:
        raise UnreadableError(f"makes {net.shape(node)} of {value.shape}; {_RELU}")
    return _relu(net, node, value, None)
