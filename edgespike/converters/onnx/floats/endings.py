"""Nodes that may stand only at the end of a net, where they are left out."""

from __future__ import annotations

from edgespike.converters.floats import UnreadableError
from edgespike.converters.onnx.endings import ending_fault
from edgespike.converters.onnx.floats.building import Building
from edgespike.converters.onnx.floats.values import Answer, Value
from edgespike.converters.onnx.model import OnnxNode


def ending(net: Building, node: OnnxNode) -> Answer:
    """Leave out what keeps the order of the classes: Softmax, LogSoftmax, Sigmoid, ArgMax."""
    found = net.found.get(node.inputs[0])
    value, before = (found.value, found.left_out) if isinstance(found, Answer) else (found, ())
    if not isinstance(value, Value) or value.padded or "ArgMax" in before:
        value = net.unpadded(node)
    if fault := ending_fault(node, net.model.shapes[node.inputs[0]]):
        raise UnreadableError(fault)
    return Answer(value, (*before, node.op))
