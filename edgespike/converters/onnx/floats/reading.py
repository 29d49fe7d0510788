"""From an ONNX net of floats to a net in real numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from edgespike.converters.floats import Shape, Unknown, UnreadableError, stored_shape
from edgespike.converters.onnx.floats.building import Building, MovedError
from edgespike.converters.onnx.floats.operators import HANDLERS, supported
from edgespike.converters.onnx.floats.patterns import instead_of
from edgespike.converters.onnx.floats.values import Answer, Value, in_order, ordered
from edgespike.converters.onnx.model import OnnxModel, OnnxNode
from edgespike.errors import UnsupportedError, named
from edgespike.floats.net import FloatInput, FloatNet, FloatReadout
from edgespike.floats.shapes import shapes_of

WHAT = "model cannot be converted"

REALS = ("float", "double")
"""The types of ONNX whose numbers a net keeps as they are."""

WHOLE = ("uint8", "int8", "uint16", "int16", "int32")
"""Types of an input that a Cast may turn into reals."""


@dataclass(frozen=True, eq=False)
class Reading:
    """What an ONNX net of floats computes.

    Parameters
    ----------
    model
        The ONNX net.
    net
        As a net in real numbers.
    left_out
        Operators behind the net's answers that keep their order: "Softmax", "ArgMax".
    input
        Where the elements of the ONNX net's input lie in the float net's.
    shown
        The ONNX net's value that a node of the float net computes, by the node's name.
    """

    model: OnnxModel
    net: FloatNet
    left_out: tuple[str, ...]
    input: Value
    shown: Mapping[str, tuple[str, Value]]


def read_net(model: OnnxModel) -> Reading:
    """Return what an ONNX net of floats computes, as a net in real numbers.

    An image keeps its channels first; where a layer receives them moved, it is tried whether they
    come last in the input.

    Raises
    ------
    UnsupportedError
        Lists everything that cannot be read, by the names of the nodes.
    """
    first = Reader(model)
    found = first.read()
    if found is None and first.moved:
        found = Reader(model, channels_last=True).read()
    if found is None:
        raise UnsupportedError(WHAT, first.violations)
    return found


class Reader:
    """Turns nodes of ONNX into nodes of a float net, one by one.

    Parameters
    ----------
    channels_last
        Whether the input is ``(batch, height, width, channels)`` or ``(batch, length, channels)``.
    """

    def __init__(self, model: OnnxModel, *, channels_last: bool = False) -> None:
        self._model = model
        self._net = Building(model)
        self._channels_last = channels_last
        self.violations: list[str] = []
        self.moved = False
        self._assumed: list[str] = []

    def read(self) -> Reading | None:
        """Return the net; ``None``, with `violations`, if it cannot be read."""
        start = self._input()
        if start is None:
            return None
        for node in self._model.nodes:
            self._net.found.update(dict.fromkeys(filter(None, node.outputs), Unknown()))
            found = self._result(node)
            if node.outputs[0]:
                self._net.found[node.outputs[0]] = found
        if self.violations:
            self.violations.append(supported())
            return None
        answer = self._net.found[self._model.output]
        left_out = answer.left_out if isinstance(answer, Answer) else ()
        self._finish(answer)
        net = FloatNet(tuple(self._net.nodes), assumed=tuple(self._assumed))
        self.violations += shapes_of(net)[1] if not self.violations else []
        if self.violations:
            return None
        return Reading(self._model, net, left_out, start, self._net.shown)

    def _input(self) -> Value | None:
        name = self._model.input
        shape, kind = self._model.shapes[name], self._model.types.get(name, "")
        if kind not in (*REALS, *WHOLE):
            self.violations.append(f"input {named(name)} is of type {kind}; export in float32")
            return None
        elements = ordered(shape)
        if self._channels_last and len(shape) in (3, 4):
            *size, channels = shape[1:]
            stored: Shape = (channels, *(1, *size)[-2:])
            elements = np.moveaxis(ordered((channels, *size)), 0, -1)[None]
            self._assumed.append(
                f"the file takes samples of shape {shape[1:]}, with the channels last; the graph "
                f"takes them as {stored}"
            )
        else:
            try:
                stored = stored_shape(shape[1:])
            except UnreadableError as error:
                self.violations.append(f"input {named(name)} {error}")
                return None
        node = OnnxNode("input", "Input", "", 0, (), (name,))
        value = self._net.add(node, FloatInput(stored), stored=stored, elements=elements)
        self._net.found[name] = value
        return value

    def _result(self, node: OnnxNode) -> Value | Answer | Unknown:
        before = [self._net.found.get(name) for name in node.inputs]
        if any(isinstance(found, Unknown) for found in before):
            return Unknown()
        try:
            found = self._handled(node)
        except UnreadableError as error:
            self.moved = self.moved or isinstance(error, MovedError)
            self.violations.append(f"{node.title}, a {node.op}, {error}")
            return Unknown()
        if isinstance(found, Value) and found.shape == self._net.shape(node) and not found.pads:
            self._net.shown.setdefault(found.node, (node.outputs[0], found))
        return found

    def _handled(self, node: OnnxNode) -> Value | Answer:
        handler = HANDLERS.get(node.op) if not node.domain else None
        if handler is None:
            raise UnreadableError(f"is not read: {instead_of(node.op)}")
        taken = {name for other in self._model.nodes for name in other.inputs}
        if more := [name for name in node.outputs[1:] if name in taken]:
            raise UnreadableError(f"gives values ({named(more[0])}) that no graph computes")
        kind = self._model.types.get(node.outputs[0], "float")
        if kind not in REALS and node.op not in ("ArgMax", "Cast"):
            raise UnreadableError(f"computes with numbers of type {kind}; export in float32")
        return handler(self._net, node)

    def _finish(self, answer: Value | Answer | Unknown) -> None:
        """Make the answer flat, and append the readout."""
        if isinstance(answer, Answer):
            self._assumed.append(
                f"{' and '.join(answer.left_out)} at the end is left out: the answers are what it "
                "receives, in which the classes have the same order"
            )
            answer = answer.value
        assert isinstance(answer, Value)
        classes = prod(answer.shape)
        if answer.padded or max(answer.shape, default=1) != classes:
            self.violations.append(
                f"the net gives values of shape {answer.shape}; a graph answers with one number "
                "for each class, (batch, classes), so pool or flatten before the last layer"
            )
            return
        if not in_order(answer.elements):
            self.violations.append("the net gives classes in another order than its last layer")
            return
        node = OnnxNode("readout", "Readout", "", 0, (), (self._model.output,))
        flat = self._net.stored_as(node, answer, (classes,))
        self._net.add(node, FloatReadout(), flat, stored=(classes,), elements=ordered((classes,)))
