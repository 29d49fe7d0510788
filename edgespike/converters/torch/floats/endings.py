"""Calls that may stand only at the end of a net, where they are left out."""

from __future__ import annotations

from typing import Any

from edgespike.converters.floats import UnreadableError
from edgespike.converters.torch.floats.building import Building
from edgespike.converters.torch.floats.values import Answer, Call, Value


def ending(net: Building, call: Call) -> Answer:
    """Leave out what keeps the order of the classes: softmax, sigmoid, argmax."""
    given = call["self"]
    value, before = (given.value, given.left_out) if isinstance(given, Answer) else (given, ())
    if not isinstance(value, Value):
        raise UnreadableError("takes a constant; give a value of the net")
    axis: Any = call.get("dim", 1)
    if axis is None or int(axis) % (len(value.shape) + 1) != 1:
        raise UnreadableError(f"is over axis {axis}; give dim=1, the axis of the classes")
    return Answer(value, (*before, call.operator.strip("_")))
