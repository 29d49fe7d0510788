"""A net in real numbers, as converters read it from a source, whatever the source's framework.

A converter of a float model makes a :class:`FloatNet`; :mod:`edgespike.quantise` makes an integer
graph of it, exactly where its numbers allow that. Parameters are float64 numpy arrays, so neither
the net nor its quantisation needs the source's framework.

Values have the shape ``(features,)`` or ``(channels, height, width)``, as in a graph. A sample is
``steps`` steps; neurons and delays keep a state between them, everything else is stateless.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import Comparison, ReadoutMode, Reset, ResetTime
from edgespike.graph.ops.windows import Padding, Sides, sides_of

Reals = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FloatInput:
    """The input of a step, real numbers of one shape."""

    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class FloatAffine:
    """``scale * x + offset`` for each channel: a batch normalisation, mean and std of an input.

    Parameters
    ----------
    scale, offset
        ``(channels,)``.
    """

    scale: Reals
    offset: Reals


@dataclass(frozen=True, eq=False)
class FloatDense:
    """``weight @ x + bias``; weight ``(outputs, inputs)``, bias ``(outputs,)``."""

    weight: Reals
    bias: Reals


@dataclass(frozen=True, eq=False)
class FloatConv2d:
    """A convolution with zero padding.

    Parameters
    ----------
    weight
        ``(outputs, inputs / groups, height, width)``.
    bias
        ``(outputs,)``.
    stride, dilation
        Down and to the right.
    padding
        ``(top, bottom, left, right)``.
    groups
        Number of groups of channels.
    """

    weight: Reals
    bias: Reals
    stride: tuple[int, int] = (1, 1)
    padding: Padding = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    @property
    def sides(self) -> Sides:
        """The padding as ``((top, bottom), (left, right))``."""
        return sides_of(self.padding)


@dataclass(frozen=True, eq=False)
class FloatRelu:
    """``min(max(x, 0), maximum)``; ``maximum`` is ``None`` if nothing bounds it from above."""

    maximum: float | None = None


class Pooling(str, Enum):
    """What a pool makes of a window."""

    MAX = "max"
    SUM = "sum"
    AVERAGE = "average"
    """The sum divided by the size of the kernel, padded places included."""


@dataclass(frozen=True, eq=False)
class FloatPool2d:
    """A pool over windows; ``padding`` is ``(top, bottom, left, right)``."""

    pooling: Pooling
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: Padding = (0, 0, 0, 0)

    @property
    def sides(self) -> Sides:
        """The padding as ``((top, bottom), (left, right))``."""
        return sides_of(self.padding)


@dataclass(frozen=True, eq=False)
class FloatAdd:
    """The element-wise sum of two or more inputs."""


@dataclass(frozen=True, eq=False)
class FloatConcatenate:
    """The channels of two or more inputs, one input after the other."""


@dataclass(frozen=True, eq=False)
class FloatReshape:
    """The same elements in row-major order under another shape."""

    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class FloatDelay:
    """The source's value of the previous step, zeros at the first; it may close a loop.

    Parameters
    ----------
    shape
        Of the source's value.
    """

    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class FloatNeurons:
    """Spiking neurons, or leaky integrators that never fire, in real numbers.

    With ``x`` the input of a step::

        i = alpha * i + x                                  (i = x if alpha is None)
        v = beta * v + gain * i + bias
        v = v reset, if it fired at the previous step      only with NEXT_STEP
        v = max(v, floor)
        n = how many of threshold, 2 threshold, ... max_spikes threshold does v exceed (or equal)
        v = v reset, if n > 0                              only with SAME_STEP

    ``i`` and ``v`` are zero when a sample starts. See :class:`edgespike.graph.Membrane` for the
    reset and its time.

    Parameters
    ----------
    threshold, beta, alpha, gain, bias, floor
        One number for each channel, ``(channels,)``, or for each neuron, the shape of the value.
        ``beta`` and ``alpha`` are the factors that are kept, 0 to 1.
    reset, reset_time, comparison, max_spikes
        As in :class:`edgespike.graph.Membrane`.
    emits_potential
        Give ``v``, before a SAME_STEP reset, instead of spikes.
    """

    threshold: Reals
    beta: Reals
    alpha: Reals | None = None
    gain: Reals | None = None
    bias: Reals | None = None
    floor: Reals | None = None
    reset: Reset = Reset.SUBTRACT
    reset_time: ResetTime = ResetTime.NEXT_STEP
    comparison: Comparison = Comparison.GREATER
    max_spikes: int = 1
    emits_potential: bool = False


@dataclass(frozen=True, eq=False)
class FloatReadout:
    """The answer after the last step: its input summed over the steps, the last, or the largest."""

    mode: ReadoutMode = ReadoutMode.SUM


FloatOp: TypeAlias = (
    FloatInput
    | FloatAffine
    | FloatDense
    | FloatConv2d
    | FloatRelu
    | FloatPool2d
    | FloatAdd
    | FloatConcatenate
    | FloatReshape
    | FloatDelay
    | FloatNeurons
    | FloatReadout
)
"""Any operation of a net in real numbers."""


@dataclass(frozen=True, eq=False)
class FloatNode:
    """An operation, where it stands in the source's model, and where its inputs come from.

    Parameters
    ----------
    name
        Unique in the net; fit for a graph's node.
    op
        What it computes.
    inputs
        Names of the nodes whose values it takes. All but a delay's come earlier in the net.
    path
        What the user calls it: the module's path, the node's name in a file.
    """

    name: str
    op: FloatOp
    inputs: tuple[str, ...] = ()
    path: str = ""

    @property
    def title(self) -> str:
        """What messages call it: its path, or its name if it has none."""
        return self.path or self.name


@dataclass(frozen=True, eq=False)
class FloatNet:
    """A net in real numbers.

    Parameters
    ----------
    nodes
        The first is the only input, the last the only readout.
    steps
        Of a sample.
    assumed
        What the source does not say and was assumed, one sentence each; shown to the user.
    """

    nodes: tuple[FloatNode, ...]
    steps: int = 1
    assumed: tuple[str, ...] = field(default=())

    def of_type(self, kind: type) -> Iterator[FloatNode]:
        """Yield the nodes whose operation is of a type."""
        return (node for node in self.nodes if isinstance(node.op, kind))

    @cached_property
    def by_name(self) -> Mapping[str, FloatNode]:
        """The nodes by name."""
        return {node.name: node for node in self.nodes}

    @cached_property
    def users(self) -> Mapping[str, tuple[FloatNode, ...]]:
        """Who takes each node's values, by the node's name; twice, if it takes them twice."""
        found: dict[str, list[FloatNode]] = {node.name: [] for node in self.nodes}
        for node in self.nodes:
            for name in node.inputs:
                found[name].append(node)
        return {name: tuple(users) for name, users in found.items()}
