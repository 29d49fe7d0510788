"""Nodes that may stand only at the end of a net, where they are left out."""

from __future__ import annotations

from edgespike.converters.floats import UnreadableError
from edgespike.converters.onnx.endings import ending_fault
from edgespike.converters.onnx.floats.building import Building
from edgespike.converters.onnx.floats.values import Answer, Value
from edgespike.converters.onnx.model import OnnxNode
from edgespike.floats.net import FloatTanh

_KEEPS_ORDER = ("Softmax", "LogSoftmax", "Sigmoid", "Tanh", "ArgMax")
_KEEPS_VALUES = ("Flatten", "Reshape", "Squeeze", "Unsqueeze", "Expand", "Cast")


def ending(net: Building, node: OnnxNode) -> Answer:
    """Leave out what keeps the order of the classes: Softmax, LogSoftmax, Sigmoid, Tanh, ArgMax."""
    found = net.found.get(node.inputs[0])
    value, before = (found.value, found.left_out) if isinstance(found, Answer) else (found, ())
    if not isinstance(value, Value) or value.padded or "ArgMax" in before:
        value = net.unpadded(node)
    if fault := ending_fault(node, net.model.shapes[node.inputs[0]]):
        raise UnreadableError(fault)
    return Answer(value, (*before, node.op))


def squashed(net: Building, node: OnnxNode) -> Value | Answer:
    """Convert tanh, and a sigmoid, which is ``(1 + tanh(x / 2)) / 2``; at the end, leave it out."""
    if _at_end(net, node):
        return ending(net, node)
    value = net.unpadded(node)
    half = 0.5 if node.op == "Sigmoid" else 1.0
    before = value if half == 1 else net.affine(node, value, half, 0.0)
    found = net.add(node, FloatTanh(), before, stored=value.stored, elements=value.elements)
    return found if half == 1 else net.affine(node, found, half, half)


def _at_end(net: Building, node: OnnxNode) -> bool:
    """Return whether only what keeps the order of the classes follows a node."""
    users = [user for user in net.model.nodes if node.outputs[0] in user.inputs]
    known = (*_KEEPS_ORDER, *_KEEPS_VALUES)
    return all(user.op in known and _at_end(net, user) for user in users)
