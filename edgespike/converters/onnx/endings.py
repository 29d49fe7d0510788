"""Operators at the end of a net that are left out, since the largest class stays the largest."""

from __future__ import annotations

from math import prod

from edgespike.converters.onnx.model import OnnxNode


def ending_fault(node: OnnxNode, shape: tuple[int, ...]) -> str:
    """Return why a Softmax, Sigmoid, ArgMax or TopK changes the answer; empty if it does not.

    Parameters
    ----------
    shape
        Of what it takes, with the batch.
    """
    if node.attributes.get("select_last_index", 0):
        return "takes the last of equal values; a graph takes the first"
    if not node.attributes.get("largest", 1):
        return "takes the smallest values; a graph takes the largest"
    if node.op.endswith("Sigmoid"):
        return ""
    axis = node.attributes.get("axis", _default_axis(node))
    flattens = node.attributes.get("opset", node.version) < 13 and node.op.endswith("Softmax")
    over = shape[axis:] if flattens else shape[axis : axis + 1 or None]
    if prod(over) == prod(shape):
        return ""
    return (
        f"is over axis {axis} of values of shape {shape}; it must hold all classes, and every "
        "other axis be 1"
    )


def _default_axis(node: OnnxNode) -> int:
    if node.op == "ArgMax":
        return 0
    before_13 = node.version < 13 and not node.domain
    return 1 if before_13 and node.op.endswith("Softmax") else -1
