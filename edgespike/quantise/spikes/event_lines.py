"""What the events of a net in real numbers stand for, from its input and neurons onwards.

Inputs and spikes are whole numbers. A graph carries them on, and weights take in what they are
worth, see :mod:`edgespike.quantise.lines`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
)
from edgespike.quantise.lines import Line, added, concatenated


class NoLineError(Exception):
    """Events are not the same straight line of whole numbers for a whole channel."""


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
            return lines[0].then_affine(scale, offset)
        case FloatPool2d() as op:
            return _pooled(node, op, lines[0])
        case FloatAdd():
            return _added(node, lines)
        case FloatConcatenate():
            return concatenated(lines)
        case FloatReshape(shape):
            line = lines[0].then_reshape(shapes[0], shape)
            if line is None:
                raise NoLineError(
                    f"{node.title} puts channels that are worth {shown(lines[0].scale.tolist())} "
                    "into one; keep the channels, or normalise them alike"
                )
            return line
        case _:
            return lines[0]


def _pooled(node: FloatNode, op: FloatPool2d, line: Line) -> Line:
    if op.pooling is Pooling.MAX:
        if (line.scale < 0).any() or not line.through_zero:
            raise NoLineError(
                f"{node.title} takes the largest of normalised events; pool before the "
                "normalisation"
            )
        return line
    if not line.through_zero and any(op.padding):
        raise NoLineError(
            f"{node.title} pads normalised events with zeros; pool without padding, or before the "
            "normalisation"
        )
    return line.then_sums(op)


def _added(node: FloatNode, lines: Sequence[Line]) -> Line:
    line = added(lines)
    if line is None:
        worth = ", ".join(f"{float(each.scale[0]):g}" for each in lines)
        raise NoLineError(
            f"{node.title} adds events that are worth {worth}; give both the same worth, or add "
            "what weighted layers make of them"
        )
    return line


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
        self.net, self.shapes, self.input_scale = net, shapes, input_scale
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
        node = self.net.by_name[name]
        if name in above:
            raise NoLineError(f"{node.title}: a loop without neurons; a delay must lead to neurons")
        if isinstance(node.op, FloatInput):
            line = Line.of(self.shapes[name][0], self.input_scale)
        elif isinstance(node.op, FloatNeurons):
            line = Line.of(self.shapes[name][0])
        else:
            lines = [self.of(source, (*above, name)) for source in node.inputs]
            line = line_after(node, lines, [self.shapes[source] for source in node.inputs])
        self.found[name] = line
        return line

    def are_events(self, name: str) -> bool:
        """Return whether a source node, which may come later, has events as its values."""
        node = self.net.by_name[name]
        match node.op:
            case FloatInput() | FloatDelay():
                return True
            case FloatNeurons() as op:
                return not op.emits_potential
            case FloatDense() | FloatConv2d() | FloatReadout():
                return False
            case _:
                return all(self.are_events(source) for source in node.inputs)
