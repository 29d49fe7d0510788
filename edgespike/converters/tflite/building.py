"""The net of a file under construction: its nodes so far, and what could not be read."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from edgespike.converters.names import Names
from edgespike.converters.sums import ConversionStoppedError
from edgespike.converters.tflite.kernels import Kernels
from edgespike.converters.tflite.layout import Value, plain
from edgespike.converters.tflite.model import TfliteModel, TfliteOperator, TfliteTensor
from edgespike.converters.tflite.precision import not_of_kinds
from edgespike.converters.tflite.scales import stored_of, usable, weight_scales
from edgespike.converters.tflite.schema import Activation
from edgespike.int8.net import Int8Node, Int8Op, Int8Reshape, Stored

WEIGHTS_LIMIT = 2**26
"""Most weights of all layers together: layers may share the file's bytes, but not a graph's."""

CHANNELS_LIMIT = 2**17
"""Most channels of all operators together: each may get 255 thresholds."""

VALUES_LIMIT = 2**24
"""Most numbers of a tensor that is computed."""

SHAPE_KINDS = ("SHAPE", "STRIDED_SLICE", "PACK")
"""Operators that compute shapes, where the batch is open; what they give is in the file as well."""


@dataclass
class NetBuilder:
    """Adds a file's operators to a net.

    Parameters
    ----------
    model
        The file.
    kernels
        Whose arithmetic the net has.
    nodes
        The net so far.
    values
        Where each tensor of the file is in it, by number.
    operator_nodes
        The node that has an operator's output, by the operator's number.
    violations
        What cannot be converted.
    """

    model: TfliteModel
    kernels: Kernels
    nodes: list[Int8Node] = field(default_factory=list)
    values: dict[int, Value] = field(default_factory=dict)
    operator_nodes: dict[int, str] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    names: Names = field(default_factory=Names)
    _weights: int = 0
    _channels: int = 0

    def stop(self, text: str) -> ConversionStoppedError:
        """Return what ends the reading of an operator; its tensors are unknown from there on."""
        return ConversionStoppedError(text)

    def add(self, op: Int8Op, stored: Stored, inputs: tuple[str, ...], path: str, name: str) -> str:
        """Add a node and return its name."""
        new = self.names.new(name)
        self.nodes.append(Int8Node(new, op, stored, inputs, path))
        return new

    def compute(
        self,
        operator: TfliteOperator,
        op: Int8Op,
        inputs: tuple[Value, ...],
        shape: tuple[int, ...] | None = None,
    ) -> None:
        """Add an operator whose output has an image's or a row's plain order.

        Parameters
        ----------
        shape
            What the inputs make of it, in the file; compared with what the file says.
        """
        result = self.output(operator)
        self.check_shape(result, shape)
        found = plain(result.shape[1:])
        assert found is not None
        self.give(operator, op, inputs, Value("", self.stored(result), result.shape[1:], *found))

    def give(
        self, operator: TfliteOperator, op: Int8Op, inputs: tuple[Value, ...], like: Value
    ) -> None:
        """Add an operator, whose output is laid out like a value."""
        result = self.output(operator)
        stored = self.stored(result)
        self._channels += like.shape[0]
        if self._channels > CHANNELS_LIMIT:
            raise self.stop(
                f"all operators up to it have {self._channels} channels; the limit is "
                f"{CHANNELS_LIMIT}, use fewer or narrower layers"
            )
        sources = tuple(each.node for each in inputs)
        name = f"{operator.kind.lower()}_{operator.number}"
        node = self.add(op, stored, sources, operator.title, name)
        self.values[result.number] = replace(like, node=node, stored=stored)
        self.operator_nodes[operator.number] = node

    def output(self, operator: TfliteOperator) -> TfliteTensor:
        """Return an operator's only output."""
        if len(operator.outputs) != 1:
            raise self.stop(f"it has {len(operator.outputs)} outputs; one is expected")
        return usable(self.model.tensors[operator.outputs[0]])

    def value(self, operator: TfliteOperator, place: int) -> Value:
        """Return an operator's computed input."""
        number = operator.inputs[place] if place < len(operator.inputs) else -1
        if number < 0:
            raise self.stop(f"its input {place} is missing")
        if number in self.values:
            return self.values[number]
        tensor = usable(self.model.tensors[number])
        self.stored(tensor)
        if tensor.content is not None:
            raise self.stop(
                f"its input {tensor.title} is a constant; fold it into the layer before"
            )
        raise UnknownValueError

    def is_shape(self, operator: TfliteOperator, place: int) -> bool:
        """Return whether an input is a shape that is computed from others when the model runs."""
        number = operator.inputs[place] if place < len(operator.inputs) else -1
        producer = self.model.producers.get(number)
        return producer is not None and producer.kind in SHAPE_KINDS

    def constant(
        self, operator: TfliteOperator, place: int, what: str, kinds: tuple[str, ...]
    ) -> TfliteTensor | None:
        """Return an operator's constant input of one of some types; ``None`` if it is left out."""
        number = operator.inputs[place] if place < len(operator.inputs) else -1
        if number < 0:
            return None
        tensor = usable(self.model.tensors[number])
        if tensor.kind not in kinds:
            raise self.stop(f"its {what} {tensor.title} {not_of_kinds(tensor, kinds)}")
        if number in self.values or number in self.model.producers or tensor.content is None:
            raise self.stop(f"its {what} {tensor.title} is computed; it must be a constant")
        return tensor

    def stored(self, tensor: TfliteTensor, kinds: tuple[str, ...] = ("INT8",)) -> Stored:
        """Return how a computed tensor's numbers are stored."""
        return stored_of(tensor, kinds)

    def image(self, operator: TfliteOperator, place: int) -> Value:
        """Return an input as an image, ``(channels, height, width)`` in the net."""
        value = self.value(operator, place)
        if len(value.file_shape) != 3:
            raise self.stop(
                f"its input has shape {(1, *value.file_shape)}; (1, height, width, channels) is "
                "expected"
            )
        return self.laid_out(operator, value)

    def laid_out(self, operator: TfliteOperator, value: Value) -> Value:
        """Return a value in the net's plain shape for its shape in the file."""
        found = plain(value.file_shape)
        if found is None or found[1] != value.order:
            raise self.stop(
                f"its input of shape {(1, *value.file_shape)} is a reshape that mixes channels "
                "with height and width, which has no form with channels first; reshape only to "
                "flatten an image, to undo that, or to add and remove axes of size 1"
            )
        return self.reshaped(operator, value, found[0])

    def reshaped(self, operator: TfliteOperator, value: Value, shape: tuple[int, ...]) -> Value:
        """Return a value under another shape of the net."""
        if shape == value.shape:
            return value
        name = f"{operator.kind.lower()}_{operator.number}_shape"
        node = self.add(Int8Reshape(shape), value.stored, (value.node,), operator.title, name)
        return replace(value, node=node, shape=shape)

    def check_shape(self, result: TfliteTensor, shape: tuple[int, ...] | None) -> None:
        """Check that a tensor's batch is 1, and compare its shape with the one it should have."""
        if result.shape[:1] != (1,):
            raise self.stop(f"{result.title} has shape {result.shape}; its batch must be 1")
        if result.size > VALUES_LIMIT:
            raise self.stop(
                f"{result.title} has {result.size} numbers; the limit is {VALUES_LIMIT}"
            )
        if shape is not None and result.shape[1:] != shape:
            raise self.stop(
                f"{result.title} has shape {result.shape}, its inputs make {(1, *shape)} of it; "
                "the file is damaged, or was resized; convert the model again"
            )

    def check_same(self, source: Value, result: Stored) -> None:
        """Refuse an output that is stored in another way than the input."""
        if result != source.stored:
            raise self.stop(
                "its output has another scale or zero point than its input; convert the model "
                "again, or put QUANTIZE behind it"
            )

    def activation(self, operator: TfliteOperator) -> Activation:
        """Return an operator's fused activation."""
        number = operator.options["activation"]
        if number not in (0, 1, 2, 3):
            names = {each.value: each.name for each in Activation}
            raise self.stop(
                f"its fused activation is {names.get(number, number)}; use RELU, RELU6 or none"
            )
        return Activation(number)

    def weights(self, tensor: TfliteTensor, outputs: int, axis: int) -> NDArray[np.float32]:
        """Return the scales of a layer's weights, and check these.

        Parameters
        ----------
        outputs, axis
            How many outputs the layer has, and the axis of its weights that tells them apart.
        """
        self._weights += tensor.size
        if self._weights > WEIGHTS_LIMIT:
            raise self.stop(
                f"all layers up to it have {self._weights} weights; the limit is {WEIGHTS_LIMIT}"
            )
        return weight_scales(tensor, outputs, axis)

    def bias(self, operator: TfliteOperator, outputs: int) -> NDArray[np.int64]:
        """Return a layer's bias, zeros if it has none."""
        tensor = self.constant(operator, 2, "bias", ("INT32",))
        if tensor is None:
            return np.zeros(outputs, np.int64)
        if tensor.size != outputs:
            raise self.stop(f"{tensor.title} has {tensor.size} elements; {outputs} are expected")
        return np.asarray(tensor.values, np.int64).reshape(-1)


class UnknownValueError(Exception):
    """A tensor that an operator needs could not be read; that has been said where it arises."""
