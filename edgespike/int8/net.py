"""A net whose tensors are whole numbers with a scale and a zero point, as files of it say.

A stored number ``q`` stands for ``scale * (q - zero_point)``. The converters of TFLite and ONNX
files make an :class:`Int8Net`, with the rounding of the runtime that they are asked for;
:mod:`edgespike.int8.lowering` makes an equal graph of it.

Values have the shape ``(features,)`` or ``(channels, height, width)``, as in a graph; a converter
of files with channels last moves the axes, and the columns of a dense layer that follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgespike.graph.ops.windows import Padding
from edgespike.graph.tensor import Integers

PerChannel: TypeAlias = Callable[[Integers], Integers]
"""From sums, ``(channels, ...)``, to the numbers that are stored, each channel by its own rule.

It is monotone in each channel: the larger the sum, the larger the number, or the smaller.
"""

OfTwo: TypeAlias = Callable[[Integers, Integers], Integers]
"""From the stored numbers of two tensors, broadcast, to those of a third."""

OfMean: TypeAlias = Callable[[Integers, int], Integers]
"""From the sum of stored numbers, zero points included, and their count, to a stored number."""


@dataclass(frozen=True)
class Stored:
    """How a tensor is stored: whole numbers in ``low..high`` that stand for real ones.

    Parameters
    ----------
    scale
        Real value of one unit, positive.
    zero_point
        The number that stands for 0.
    low, high
        Smallest and largest number of the type: -128 and 127 for int8, 0 and 255 for uint8.
    """

    scale: float
    zero_point: int
    low: int = -128
    high: int = 127

    def clipped(self, numbers: Integers) -> Integers:
        """Return whole numbers within the type's range."""
        return np.asarray(np.clip(numbers, self.low, self.high))


@dataclass(frozen=True, eq=False)
class Int8Input:
    """The input of a net."""

    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Int8Dense:
    """``finish(weight @ (q - zero point) + bias)``.

    Parameters
    ----------
    weight
        ``(outputs, inputs)``, zero points taken off.
    bias
        ``(outputs,)``.
    finish
        From sums ``(outputs, ...)`` to stored numbers, fused activation included; ``None`` if the
        readout takes the sums.
    """

    weight: Integers
    bias: Integers
    finish: PerChannel | None


@dataclass(frozen=True, eq=False)
class Int8Conv2d:
    """A convolution, padded with the zero point.

    Parameters
    ----------
    weight
        ``(outputs, inputs / groups, height, width)``, zero points taken off.
    bias, finish
        As in :class:`Int8Dense`.
    stride, dilation
        Down and to the right.
    padding
        ``(top, bottom, left, right)``.
    groups
        Number of groups of channels; as many as inputs in a depthwise convolution.
    """

    weight: Integers
    bias: Integers
    finish: PerChannel | None
    stride: tuple[int, int] = (1, 1)
    padding: Padding = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1


@dataclass(frozen=True, eq=False)
class Int8Add:
    """The sum of two tensors of one shape: ``combine(q1, q2)``, whatever their scales."""

    combine: OfTwo


@dataclass(frozen=True, eq=False)
class Int8MaxPool:
    """The largest of each window; ``padding`` is ``(top, bottom, left, right)``, left out."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: Padding = (0, 0, 0, 0)


@dataclass(frozen=True, eq=False)
class Int8AveragePool:
    """The mean of each window, padded places left out: ``finish(sum of q, count)``."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    finish: OfMean
    padding: Padding = (0, 0, 0, 0)


@dataclass(frozen=True, eq=False)
class Int8Function:
    """A function of each number, which ascends or descends: another scale, a clip, a ReLU."""

    function: Callable[[Integers], Integers]


@dataclass(frozen=True, eq=False)
class Int8Pad:
    """Zero points around the image, ``(top, bottom, left, right)``."""

    padding: Padding


@dataclass(frozen=True, eq=False)
class Int8Concatenate:
    """The channels of two or more inputs of one scale and zero point, one after the other."""


@dataclass(frozen=True, eq=False)
class Int8Reshape:
    """The same elements in row-major order (channels first) under another shape."""

    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Int8Readout:
    """The answer: real numbers, ``scale * (q - zero point)`` of the last tensor.

    Parameters
    ----------
    scale
        Of each class, ``(classes,)``, where they differ; else that of the tensor.
    """

    scale: NDArray[np.float64] | None = None


Int8Op: TypeAlias = (
    Int8Input
    | Int8Dense
    | Int8Conv2d
    | Int8Add
    | Int8MaxPool
    | Int8AveragePool
    | Int8Function
    | Int8Pad
    | Int8Concatenate
    | Int8Reshape
    | Int8Readout
)
"""Any operation of such a net."""


@dataclass(frozen=True, eq=False)
class Int8Node:
    """An operation, how its result is stored, and where its inputs come from.

    Parameters
    ----------
    name
        Unique in the net; fit for a graph's node.
    op
        What it computes.
    stored
        How its result is stored.
    inputs
        Names of earlier nodes.
    path
        What the file calls it.
    """

    name: str
    op: Int8Op
    stored: Stored
    inputs: tuple[str, ...] = ()
    path: str = ""

    @property
    def title(self) -> str:
        """What messages call it: its path, or its name if it has none."""
        return self.path or self.name


@dataclass(frozen=True, eq=False)
class Int8Net:
    """A net of stored whole numbers.

    Parameters
    ----------
    nodes
        The first is the only input, the last the only readout.
    said
        What was found and decided on the way; sentences for the user.
    """

    nodes: tuple[Int8Node, ...]
    said: tuple[str, ...] = field(default=())

    def of_type(self, kind: type) -> Iterator[Int8Node]:
        """Yield the nodes whose operation is of a type."""
        return (node for node in self.nodes if isinstance(node.op, kind))

    @cached_property
    def by_name(self) -> Mapping[str, Int8Node]:
        """The nodes by name."""
        return {node.name: node for node in self.nodes}
