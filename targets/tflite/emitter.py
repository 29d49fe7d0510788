"""Emitting operators and the conversions between the forms that a value can have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.targets.tflite.model import ModelBuilder, Quantisation
from edgespike.targets.tflite.plan import Form
from edgespike.targets.tflite.schema import TENSOR_TYPES, Activation

ACTIVATION_SCALE = 6.0
"""Scale of every integer activation: the largest that RELU6 lets through is then one unit."""

WEIGHT_SCALE = 1.0


@dataclass(frozen=True)
class Value:
    """A tensor that is computed, and how to read it.

    Parameters
    ----------
    index
        The tensor's index in the model.
    shape
        Its shape behind the batch: ``(features,)`` or, channels last,
        ``(height, width, channels)``.
    form
        Its data type.
    zero_point
        The stored integer that stands for 0.
    flattened
        ``(channels, height, width)`` if its features are a flattened image in the order of the
        image, channels last; ``None`` for the graph's own order.
    """

    index: int
    shape: tuple[int, ...]
    form: Form
    zero_point: int = 0
    flattened: tuple[int, int, int] | None = None


class Emitter:
    """Adds operators to a model.

    Samples and steps share the first dimension, so that a layer runs once for all steps; where
    steps must be told apart, tensors are emitted with ``steps=1`` and an axis of steps.
    """

    def __init__(self, name: str, steps: int) -> None:
        self.builder = ModelBuilder(name)
        self.steps = steps
        self._converted: dict[tuple[int, Form], Value] = {}

    def emit(
        self,
        name: str,
        operator: str,
        inputs: list[int],
        shape: tuple[int, ...],
        form: Form = Form.FLOAT,
        zero_point: int = 0,
        steps: int | None = None,
        **options: int,
    ) -> Value:
        """Emit an operator with one output and give that."""
        value = self.declare(name, shape, form, zero_point, steps)
        self.builder.operator(operator, inputs, [value.index], **options)
        return value

    def declare(
        self,
        name: str,
        shape: tuple[int, ...],
        form: Form = Form.FLOAT,
        zero_point: int = 0,
        steps: int | None = None,
    ) -> Value:
        """Add a tensor without the operator that computes it."""
        whole = (self.steps if steps is None else steps, *shape)
        index = self.builder.tensor(name, whole, form.dtype, _quantisation(form, zero_point))
        return Value(index, shape, form, zero_point)

    def elementwise(
        self,
        operator: str,
        left: Value,
        right: Value | NDArray[Any] | float,
        activation: Activation = Activation.NONE,
        steps: int | None = None,
    ) -> Value:
        """Combine float32 values, or a value and a constant that broadcasts to its shape."""
        if not isinstance(right, Value):
            array = np.atleast_1d(np.asarray(right, np.float32))
            other = self.builder.constant("constant", array)
        else:
            other = right.index
        # MINIMUM has no option for an activation.
        options: dict[str, Any] = {"activation": activation} if activation else {}
        inputs = [left.index, other]
        return self.emit(operator.lower(), operator, inputs, left.shape, steps=steps, **options)

    def shape_constant(self, shape: tuple[int, ...]) -> int:
        """Add a constant of whole numbers, such as a shape."""
        return self.builder.constant("shape", np.array(shape, np.int32))

    def reshape(
        self,
        value: Value,
        shape: tuple[int, ...],
        steps: int | None = None,
        name: str = "reshape",
    ) -> Value:
        """Give a value another shape behind the batch."""
        target = self.shape_constant((-1, *shape))
        return self.emit(
            name,
            "RESHAPE",
            [value.index, target],
            shape,
            value.form,
            value.zero_point,
            steps,
        )

    def transpose(self, value: Value, order: tuple[int, int, int]) -> Value:
        """Exchange the three axes behind the batch."""
        permutation = self.shape_constant((0, *(axis + 1 for axis in order)))
        shape = tuple(value.shape[axis] for axis in order)
        return self.emit(
            "transpose",
            "TRANSPOSE",
            [value.index, permutation],
            shape,
            value.form,
            value.zero_point,
        )

    def convert(self, value: Value, form: Form, zero_point: int = 0) -> Value:
        """Give a value in another form.

        To INT8 only where its range fits, to INT16 only from INT8 with zero point 0.
        """
        if value.form is form:
            return value
        key = (value.index, form)
        if key not in self._converted:
            converted = self._convert(value, form, zero_point)
            self._converted[key] = Value(
                converted.index, value.shape, form, converted.zero_point, value.flattened
            )
        return self._converted[key]

    def _convert(self, value: Value, form: Form, zero_point: int) -> Value:
        if form is Form.FLOAT:
            scaled = self.emit("dequantize", "DEQUANTIZE", [value.index], value.shape)
            # float32(1/6) is not 1/6, but 6 v times it rounds to v for every |v| <= 255.
            return self.elementwise("MUL", scaled, 1 / ACTIVATION_SCALE)
        if form is Form.INT16:
            # QUANTIZE would say the same, but tflite-runtime cannot do it from int8.
            types = {
                "from_type": TENSOR_TYPES[value.form.dtype],
                "to_type": TENSOR_TYPES[form.dtype],
            }
            return self.emit("cast", "CAST", [value.index], value.shape, form, **types)
        scaled = self.elementwise("MUL", value, ACTIVATION_SCALE)
        return self.emit("quantize", "QUANTIZE", [scaled.index], value.shape, form, zero_point)


def _quantisation(form: Form, zero_point: int) -> Quantisation | None:
    return None if form is Form.FLOAT else (ACTIVATION_SCALE, zero_point)
