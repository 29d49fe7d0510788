"""What is known while a QONNX net is walked through: values, the graph so far, what was said."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgespike.converters.builder import GraphBuilder
from edgespike.converters.onnx.model import OnnxModel, OnnxNode
from edgespike.converters.onnx.qonnx.steps import Fractions, Line, Step, with_line
from edgespike.converters.onnx.qonnx.weights import Weights, plain
from edgespike.converters.sums import ConversionStoppedError
from edgespike.graph import Operation
from edgespike.graph.tensor import ALL_CHANNELS_LIMIT, Integers, Tensor


@dataclass(frozen=True, eq=False)
class Activation:
    """A value that depends on the input: functions of a graph node's integers.

    Parameters
    ----------
    node
        Of the graph.
    axes
        The graph's axis that each of the file's holds, the batch left out: ``(0, 1, 2)`` is
        channels, height, width; ``(1, 2, 0)`` has the channels last; ``(0, 2)`` is a length.
    steps
        What becomes of the node's integers.
    order
        Of features that the file counts in another order than the graph: the graph's number of
        each. ``None`` where they agree.
    table
        Near the input: float32 values of all integers that it may hold, ``(1 or channels,
        integers)``, computed as the file does.
    lines
        How many lines its steps were made of.
    """

    node: str
    axes: tuple[int, ...]
    steps: tuple[Step, ...] = ()
    order: Integers | None = None
    table: NDArray[np.float32] | None = None
    lines: int = 0

    @property
    def channel_axis(self) -> int:
        """The file's axis of the channels."""
        return self.axes.index(0) + 1

    def then(self, *steps: Step) -> Activation:
        """Return the value after some more steps, which are no lines."""
        return replace(self, steps=(*self.steps, *steps), table=None)

    def line(self, factor: Fractions, offset: Fractions) -> Activation:
        """Return ``factor * value + offset``."""
        lines = self.lines + 1
        return replace(self, steps=with_line(self.steps, factor, offset), table=None, lines=lines)


Unsure: TypeAlias = Mapping[int, frozenset[int]]
"""Integers by channel."""


@dataclass(frozen=True, eq=False)
class Part:
    """A value of the file that the graph has as well.

    Parameters
    ----------
    path
        What the file calls the node that gives it.
    value
        Its name in the file.
    activation
        Where it is in the graph; its steps are at most one line.
    source
        The graph's node whose integers were quantised.
    unsure
        Integers of each channel of it that float32 may quantise otherwise.
    """

    path: str
    value: str
    activation: Activation
    source: str
    unsure: Unsure = field(default_factory=dict)


Value: TypeAlias = Activation | Weights


TABLE_LIMIT = 2**24
"""Most float32 values that stand for the integers of an input, in all channels."""

CHANNELS_LIMIT = 2**17
"""Most channels or features of a value."""

LINES_LIMIT = 64
"""Most operations of arithmetic in a row."""


@dataclass
class State:
    """A walk through a model.

    Parameters
    ----------
    model
        The model.
    builder
        The graph so far.
    values
        What is known of each value so far, by its name.
    said
        Sentences for the user.
    parts
        Values that can be compared with the file's.
    compared, near
        How many thresholds there are, and how many of them lie so near a sum that float32 may
        round it to either side.
    channels_so_far
        Of all nodes of the graph.
    """

    model: OnnxModel
    builder: GraphBuilder
    values: dict[str, Value] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    compared: int = 0
    near: int = 0
    channels_so_far: int = 0

    @cached_property
    def consumers(self) -> dict[str, list[OnnxNode]]:
        """The nodes that take each value, by its name."""
        found: dict[str, list[OnnxNode]] = defaultdict(list)
        for node in self.model.nodes:
            for name in node.inputs:
                found[name].append(node)
        return found

    def tensor(self, activation: Activation) -> Tensor:
        """Return shape and range of the graph's node."""
        return self.builder.tensors[activation.node]

    def channels(self, activation: Activation) -> int:
        """Return the number of channels or features."""
        return self.tensor(activation).shape[0]

    def append(self, path: str, label: str, op: Operation, *sources: str) -> str:
        """Add a node to the graph and return its name."""
        self.builder.last, *others = sources
        self.builder.append(path, label, op, tuple(others))
        self.channels_so_far += self.builder.tensor.shape[0]
        if self.channels_so_far > ALL_CHANNELS_LIMIT:
            raise ConversionStoppedError(
                f"{path} and what precedes it have more than {ALL_CHANNELS_LIMIT} channels"
            )
        return self.builder.last

    def is_constant(self, name: str) -> bool:
        """Return whether a value does not depend on the input."""
        return name in self.model.constants or isinstance(self.values.get(name), Weights)

    def activation(self, node: OnnxNode, index: int = 0) -> Activation:
        """Return an input of a node that depends on the net's input."""
        found = self.values.get(node.inputs[index])
        if not isinstance(found, Activation):
            raise ConversionStoppedError(
                f"{node.title} is a {node.op} whose input {index + 1} is a constant; compute it "
                "before export"
            )
        return found

    def given(self, node: OnnxNode, index: int) -> bool:
        """Return whether a node has an optional input."""
        return index < len(node.inputs) and node.inputs[index] != ""

    def constant(self, node: OnnxNode, index: int) -> NDArray[Any]:
        """Return an input of a node that must be a constant of the file."""
        name = node.inputs[index] if self.given(node, index) else ""
        if name not in self.model.constants:
            raise ConversionStoppedError(
                f"{node.title} is a {node.op} whose input {index + 1} is no constant of the file; "
                "export it as an initialiser"
            )
        values = self.model.constants[name]
        if values.dtype.kind not in "biuf":
            raise ConversionStoppedError(
                f"{node.title} takes constants of type {values.dtype}; give real numbers"
            )
        return values

    def weights(self, node: OnnxNode, index: int) -> Weights:
        """Return an input of a node that must be weights, quantised or whole numbers."""
        found = self.values.get(node.inputs[index])
        if isinstance(found, Weights):
            return found
        return plain(node.title, self.constant(node, index))

    def exact(self, node: OnnxNode, index: int) -> NDArray[Any]:
        """Return a constant input of a node: fractions, or floats and whole numbers as stored."""
        found = self.values.get(node.inputs[index])
        return found.fractions() if isinstance(found, Weights) else self.constant(node, index)

    def rows(self, node: OnnxNode, values: NDArray[Any], x: Activation) -> NDArray[Any]:
        """Return a constant that is broadcast to an activation: one for all, or one a channel."""
        rank, axis, channels = len(x.axes) + 1, x.channel_axis, self.channels(x)
        shape = (1,) * (rank - values.ndim) + values.shape
        if any(size not in ((1, channels) if i == axis else (1,)) for i, size in enumerate(shape)):
            raise ConversionStoppedError(
                f"{node.title} is a {node.op} with a constant of shape {values.shape} beside "
                f"{channels} channels on axis {axis} of {rank}; give one number, or one a channel"
            )
        return self.in_order(values.reshape(-1), x)

    def in_order(self, values: NDArray[Any], x: Activation) -> NDArray[Any]:
        """Return one entry for each of the file's channels in the order of the graph's."""
        if x.order is None or len(values) == 1:
            return values
        ordered = np.empty_like(values)
        ordered[x.order] = values
        return ordered

    def fractions(self, node: OnnxNode, rows: NDArray[Any], x: Activation) -> Fractions:
        """Return a constant a channel, exactly."""
        if rows.dtype.kind == "f" and not np.isfinite(rows).all():
            raise ConversionStoppedError(
                f"{node.title} has constants that are not finite; export the net again"
            )
        exact = [v if isinstance(v, Fraction) else Fraction(v.item()) for v in rows]
        return tuple(exact) if len(exact) > 1 else (exact[0],) * self.channels(x)

    def check(self, path: str, x: Activation) -> None:
        """Raise an error for a value that takes too long to examine."""
        if (channels := self.channels(x)) > CHANNELS_LIMIT:
            raise ConversionStoppedError(
                f"{path} gives {channels} channels or features; the limit is {CHANNELS_LIMIT}"
            )
        if x.lines > LINES_LIMIT:
            raise ConversionStoppedError(
                f"{path} is the end of {x.lines} operations of arithmetic in a row; the limit is "
                f"{LINES_LIMIT}, so merge them"
            )

    def line_of(self, x: Activation) -> Line | None:
        """Return the line that an activation is of its node; ``None`` if it is not one."""
        channels = self.channels(x)
        match x.steps:
            case ():
                return Line((Fraction(1),) * channels, (Fraction(0),) * channels)
            case (Line() as line,):
                return line
            case _:
                return None


def real(value: Fraction) -> float:
    """Return the nearest float64, which is infinite beyond its range."""
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def every(values: Sequence[Fraction]) -> Fraction | None:
    """Return the value that all entries have; ``None`` if they differ."""
    return values[0] if len(set(values)) == 1 else None
