"""Operators at the end of a net that say no more than which class is the largest."""

from __future__ import annotations

from math import prod

from edgespike.converters.onnx.model import OnnxNode

OVER_AN_AXIS = ("Softmax", "LogSoftmax", "ArgMax", "TopK", "QLinearSoftmax")
"""Operators that compare the numbers along an axis; others act on each number by itself."""


def fault_of_ending(node: OnnxNode, shape: tuple[int, ...]) -> str:
    """Return why a node cannot be left out at the end of a net, empty if it can.

    The text goes behind the node's name.

    Parameters
    ----------
    node
        One of the operators in `OVER_AN_AXIS`, or one that rises with each number, as Sigmoid does.
    shape
        Of what it takes, with a batch of 1.
    """
    if node.op in OVER_AN_AXIS:
        axis = node.attributes.get("axis", _default_axis(node, len(shape)))
        if shape[axis] != prod(shape):
            return (
                f"is over axis {axis} of values of shape {shape}; it must hold all classes, and "
                "every other axis be 1"
            )
    if node.attributes.get("select_last_index", 0):
        return "takes the last of equal values; a graph takes the first"
    if not node.attributes.get("largest", 1):
        return "takes the smallest values; a graph's class is the largest"
    return ""


def _default_axis(node: OnnxNode, axes: int) -> int:
    if node.op == "ArgMax":
        return 0
    return 1 if node.version < 13 and node.op in ("Softmax", "LogSoftmax") else axes - 1
