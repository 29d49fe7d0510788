"""Nodes of a net in real numbers under construction, and factors that wait for a layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgespike.converters.names import Names
from edgespike.converters.spiking.simulator import RefusedError
from edgespike.floats.net import (
    FloatAdd,
    FloatAffine,
    FloatConcatenate,
    FloatConv2d,
    FloatDense,
    FloatInput,
    FloatNode,
    FloatOp,
    FloatPool2d,
    FloatReshape,
    Pooling,
)

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Made:
    """A node of the net, and what is known of its values.

    Parameters
    ----------
    name
        Of the node.
    shape
        Of its values, without samples.
    factor
        What they must be multiplied by: what a graded spike counts, for example.
    """

    name: str
    shape: Shape
    factor: float = 1.0


class Nodes:
    """The net so far, and what cannot be converted.

    Parameters
    ----------
    shape
        Of the input of a step.
    kept
        Names that are kept for neurons.

    Attributes
    ----------
    all
        The nodes, in order.
    faults
        What cannot be converted, so far: sentences that begin with a path.
    """

    def __init__(self, shape: Shape, kept: Sequence[str]) -> None:
        self.all: list[FloatNode] = [FloatNode("input", FloatInput(shape), (), "input")]
        self.faults: list[str] = []
        self.input = Made("input", shape)
        self._names = Names("input", *kept)

    def add(self, op: FloatOp, inputs: Sequence[Made], shape: Shape, path: str) -> Made:
        """Add a node under a name that is made of its path."""
        name = self._names.new(path)
        self.all.append(FloatNode(name, op, tuple(made.name for made in inputs), path))
        return Made(name, shape)

    def plain(self, made: Made, path: str) -> Made:
        """Return a node whose values need no factor."""
        if made.factor == 1:
            return made
        channels = made.shape[0]
        op = FloatAffine(np.full(channels, made.factor), np.zeros(channels))
        return self.add(op, [made], made.shape, f"{path}.factor")

    def layer(self, op: FloatOp, made: Made, shape: Shape, path: str) -> Made:
        """Add an operation on one node, into which the node's factor is folded where it can be."""
        factor = made.factor
        match op:
            case FloatDense() | FloatConv2d():
                return self.add(replace(op, weight=op.weight * factor), [made], shape, path)
            case FloatAffine():
                return self.add(replace(op, scale=op.scale * factor), [made], shape, path)
            case FloatPool2d(Pooling.MAX) if factor < 0:
                return self.add(op, [self.plain(made, path)], shape, path)
            case FloatReshape() | FloatPool2d():
                return replace(self.add(op, [made], shape, path), factor=factor)
            case _:
                return self.add(op, [self.plain(made, path)], shape, path)

    def join(
        self, op: FloatAdd | FloatConcatenate, inputs: Sequence[Made], shape: Shape, path: str
    ) -> Made:
        """Add an operation on several nodes."""
        if len({made.factor for made in inputs}) == 1:
            return replace(self.add(op, inputs, shape, path), factor=inputs[0].factor)
        return self.add(op, [self.plain(made, path) for made in inputs], shape, path)

    def refuse(self, path: str, refused: RefusedError) -> None:
        """Note what is wrong with a part."""
        self.faults += [
            fault for reason in refused.reasons if (fault := f"{path} {reason}") not in self.faults
        ]
