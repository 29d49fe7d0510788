"""Nodes that may stand only at the end of a net, where they are left out."""

from __future__ import annotations

from edgespike.converters.onnx.floats.building import Building
from edgespike.converters.onnx.floats.values import Answer, UnreadableError, Value
from edgespike.converters.onnx.model import OnnxNode


def ending(net: Building, node: OnnxNode) -> Answer:
    """Leave out what keeps the order of the classes: Softmax, LogSoftmax, Sigmoid, ArgMax."""
    found = net.found.get(node.inputs[0])
    value, before = (found.value, found.left_out) if isinstance(found, Answer) else (found, ())
    if not isinstance(value, Value) or value.padded or "ArgMax" in before:
        value = net.unpadded(node)
    shape = value.shape
    if node.op != "Sigmoid":
        axis = node.attributes.get("axis", _default_axis(node, len(shape)))
        if shape[axis] != value.elements.size:
            raise UnreadableError(
                f"is over axis {axis} of values of shape {shape}; it must hold all classes, and "
                "every other axis be 1"
            )
    if node.attributes.get("select_last_index", 0):
        raise UnreadableError("takes the last of equal values; a graph takes the first")
    return Answer(value, (*before, node.op))


def _default_axis(node: OnnxNode, axes: int) -> int:
    if node.op == "ArgMax":
        return 0
    return 1 if node.version < 13 else axes - 1
