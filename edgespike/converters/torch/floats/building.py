"""A float net under construction."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from edgespike.converters.floats import Shape, UnreadableError, stored_shape
from edgespike.converters.names import Names
from edgespike.converters.torch.constants import ConstantError, floats, per_channel
from edgespike.converters.torch.floats.values import BATCH, Call, Value
from edgespike.floats.net import FloatAffine, FloatNode, FloatOp, FloatReshape, Reals


@dataclass
class Building:
    """The nodes so far.

    Parameters
    ----------
    nodes
        In the order of execution.
    violations
        What cannot be converted, so far.
    assumed
        See :class:`edgespike.floats.net.FloatNet`.
    """

    nodes: list[FloatNode] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)
    _names: Names = field(default_factory=Names)

    def add(self, call: Call, op: FloatOp, *inputs: Value, shape: Shape | None = None) -> Value:
        """Append a node, and return its value.

        Parameters
        ----------
        shape
            In torch, without the axis of the batch; by default that of the call's result.
        """
        shape = result_shape(call) if shape is None else shape
        name = self._names.new(".".join(filter(None, (call.path, call.operator))))
        sources = tuple(value.node for value in inputs)
        self.nodes.append(FloatNode(name, op, sources, call.label))
        return Value(name, shape, stored_shape(shape))

    def reshaped(self, call: Call, value: Value, shape: Shape) -> Value:
        """Return the same elements under another shape of torch, in the same order.

        A shape that no net has, on the way to one that it has, needs no node.
        """
        try:
            stored = stored_shape(shape)
        except UnreadableError:
            stored = value.stored
        if stored == value.stored:
            return Value(value.node, shape, stored, value.padding)
        if value.padding != (0, 0, 0, 0):
            raise UnreadableError("reshapes padded values; pad only before a convolution or a pool")
        if prod(stored) != prod(value.stored):
            raise UnreadableError(f"makes {shape} of {value.shape}, which has other elements")
        return self.add(call, FloatReshape(stored), value, shape=shape)

    def stored_as(self, call: Call, value: Value, stored: Shape) -> Value:
        """Return a value under the shape that an operation of the net needs."""
        return value if value.stored == stored else self.reshaped(call, value, stored)

    def affine(self, call: Call, value: Value, scale: Any, offset: Any) -> Value:
        """Append ``scale * value + offset``; both broadcast as in torch.

        Raises
        ------
        UnreadableError
            They differ within a channel.
        """
        op = FloatAffine(a_channel(scale, value), a_channel(offset, value))
        return self.add(call, op, value, shape=value.shape)


def result_shape(call: Call) -> Shape:
    """Return the shape of a call's result, without the axis of the batch.

    Raises
    ------
    UnreadableError
        It has no such axis: the samples were mixed.
    """
    if call.shape is None or call.shape[:1] != (BATCH,):
        raise UnreadableError(
            "mixes the samples of a batch, or takes one of them; keep the first axis, that of the "
            "samples, as it is"
        )
    return call.shape[1:]


def a_channel(numbers: Any, value: Value) -> Reals:
    """Return one number for each channel of a value from what torch broadcasts to it.

    Raises
    ------
    UnreadableError
        There is more than one for a channel, they make the value larger, or are not finite.
    """
    array = floats(numbers)
    if not np.isfinite(array).all():
        raise UnreadableError("combines samples with constants that are not finite; replace them")
    try:
        return per_channel(array, value.shape, value.stored[0])
    except ConstantError as error:
        raise UnreadableError(str(error)) from None
