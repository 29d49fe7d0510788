"""What the events of a net in real numbers stand for: a straight line of whole numbers.

Inputs and spikes are whole numbers. Normalising, averaging and adding them changes only what one
of them is worth, so a graph carries the whole numbers on, and weights take the worth in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from edgespike.errors import shown
from edgespike.floats.net import (
    FloatAdd,
    FloatAffine,
    FloatConcatenate,
    FloatConv2d,
    FloatDelay,
    FloatDense,
    FloatInput,
    FloatNet,
    FloatNeurons,
    FloatNode,
    FloatPool2d,
    FloatReadout,
    FloatReshape,
    Pooling,
    Reals,
)
from edgespike.quantise.dyadic import exact_product


class NoLineError(Exception):
    """Events are not the same straight line of whole numbers for a whole channel."""


@dataclass(frozen=True, eq=False)
class Line:
    """The real values of events, ``scale * q + offset`` for whole numbers ``q``.

    Parameters
    ----------
    scale, offset
        One for each channel, ``(channels,)``.
    exact
        Whether no product was rounded when they were computed.
    """

    scale: Reals
    offset: Reals
    exact: bool = True

    @classmethod
    def identity(cls, channels: int, scale: float = 1.0) -> Line:
        """Return the line of events that are worth ``scale`` each."""
        return cls(np.full(channels, scale), np.zeros(channels))

    def scaled(self, scale: Reals, offset: Reals) -> Line:
        """Return the line of ``scale * value + offset``."""
        exact = exact_product(self.scale, scale)
        if self.offset.any():
            exact = False  # a sum of two products: not worth a proof
        return Line(self.scale * scale, self.offset * scale + offset, self.exact and exact)


def line_after(node: FloatNode, lines: Sequence[Line], shapes: Sequence[tuple[int, ...]]) -> Line:
    """Return the line of the events that an operation passes on.

    Parameters
    ----------
    lines, shapes
        Of its inputs.

    Raises
    ------
    NoLineError
        It mixes events of different lines.
    """
    match node.op:
        case FloatAffine(scale, offset):
            return lines[0].scaled(scale, offset)
        case FloatPool2d() as op:
            return _pooled(node, op, lines[0])
        case FloatAdd():
            return _added(node, lines)
        case FloatConcatenate():
            return Line(
                np.concatenate([line.scale for line in lines]),
                np.concatenate([line.offset for line in lines]),
                all(line.exact for line in lines),
            )
        case FloatReshape(shape):
            new_scale = along_reshape(lines[0].scale, shapes[0], shape)
            new_offset = along_reshape(lines[0].offset, shapes[0], shape)
            if new_scale is None or new_offset is None:
                raise NoLineError(
                    f"{node.path} puts channels that are worth {shown(lines[0].scale.tolist())} "
                    "into one; keep the channels, or normalise them alike"
                )
            return Line(new_scale, new_offset, lines[0].exact)
        case _:
            return lines[0]


def _pooled(node: FloatNode, op: FloatPool2d, line: Line) -> Line:
    if op.pooling is Pooling.MAX:
        if (line.scale < 0).any() or line.offset.any():
            raise NoLineError(
                f"{node.path} takes the largest of normalised events; pool before the normalisation"
            )
        return line
    if line.offset.any() and any(op.padding):
        raise NoLineError(
            f"{node.path} pads normalised events with zeros; pool without padding, or before the "
            "normalisation"
        )
    area = prod(op.kernel)
    if op.pooling is Pooling.SUM:
        return Line(line.scale, line.offset * area, line.exact)
    exact = line.exact and area & (area - 1) == 0
    return Line(line.scale / area, line.offset, exact)


def _added(node: FloatNode, lines: Sequence[Line]) -> Line:
    first = lines[0]
    if any(not np.array_equal(line.scale, first.scale) for line in lines):
        worth = ", ".join(f"{float(line.scale[0]):g}" for line in lines)
        raise NoLineError(
            f"{node.path} adds events that are worth {worth}; give both the same worth, or add "
            "what weighted layers make of them"
        )
    return Line(
        first.scale,
        np.sum([line.offset for line in lines], axis=0),
        all(line.exact for line in lines),
    )


def along_reshape(values: Reals, before: tuple[int, ...], after: tuple[int, ...]) -> Reals | None:
    """Carry one value for each channel through a reshape; ``None`` if new channels mix them."""
    each = np.repeat(values, prod(before[1:])).reshape(after[0], -1)
    return each[:, 0].copy() if (each == each[:, :1]).all() else None


class Lines:
    """The lines of all events of a net, found when they are asked for.

    Parameters
    ----------
    net, shapes
        The net, and the shapes of its nodes' values by name.
    input_scale
        Real value of one unit of the input.
    """

    def __init__(
        self, net: FloatNet, shapes: Mapping[str, tuple[int, ...]], input_scale: float
    ) -> None:
        self.by_name = {node.name: node for node in net.nodes}
        self.shapes, self.input_scale = shapes, input_scale
        self.found: dict[str, Line] = {}

    def of(self, name: str, above: tuple[str, ...] = ()) -> Line:
        """Return what the events of a source node stand for.

        Raises
        ------
        NoLineError
            They are no line, or go round a loop in which nothing fires.
        """
        if name in self.found:
            return self.found[name]
        node = self.by_name[name]
        if name in above:
            raise NoLineError(
                f"{node.path or name}: a loop without neurons; a delay must lead to neurons"
            )
        if isinstance(node.op, FloatInput):
            line = Line.identity(self.shapes[name][0], self.input_scale)
        elif isinstance(node.op, FloatNeurons):
            line = Line.identity(self.shapes[name][0])
        else:
            lines = [self.of(source, (*above, name)) for source in node.inputs]
            line = line_after(node, lines, [self.shapes[source] for source in node.inputs])
        self.found[name] = line
        return line

    def are_events(self, name: str) -> bool:
        """Return whether a source node, which may come later, has events as its values."""
        node = self.by_name[name]
        match node.op:
            case FloatInput() | FloatDelay():
                return True
            case FloatNeurons() as op:
                return not op.emits_potential
            case FloatDense() | FloatConv2d() | FloatReadout():
                return False
            case _:
                return all(self.are_events(source) for source in node.inputs)
