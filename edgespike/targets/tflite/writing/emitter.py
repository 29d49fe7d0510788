"""Emit operators and the conversions between the forms that a value can have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.targets.tflite.limits import CONCATENATED
from edgespike.targets.tflite.planning.plan import Plan
from edgespike.targets.tflite.planning.storage import (
    FLOAT32,
    LARGEST_IN_16_BITS,
    Form,
    Storage,
    widens_exactly,
)
from edgespike.targets.tflite.writing.model import ModelBuilder
from edgespike.targets.tflite.writing.schema import TENSOR_TYPES, Activation, Quantisation


@dataclass(frozen=True)
class Value:
    """A tensor that is computed, and how to read it.

    Parameters
    ----------
    index
        The tensor's index in the model.
    shape
        Its shape without the batch: ``(features,)`` or, channels last,
        ``(height, width, channels)``.
    storage
        How it is stored.
    flattened
        ``(channels, height, width)`` if its features are an image that was flattened with channels
        last; ``None`` if they are in the graph's order.
    largest
        Bound on the magnitude of its whole numbers, if it is less than that of 16 bits.
    """

    index: int
    shape: tuple[int, ...]
    storage: Storage
    flattened: tuple[int, int, int] | None = None
    largest: int = LARGEST_IN_16_BITS

    @property
    def form(self) -> Form:
        """Its data type."""
        return self.storage.form

    @property
    def zero_point(self) -> int:
        """The stored integer that stands for 0."""
        return self.storage.zero_point


class Emitter:
    """Adds operators to a model.

    Samples and steps share the first dimension, so a layer runs once for all steps. Where steps are
    treated separately, tensors are emitted with ``steps=1`` and an axis of steps.
    """

    def __init__(self, plan: Plan, steps: int) -> None:
        self.builder = ModelBuilder(plan.graph.name)
        self.steps = steps
        self.weight_bits = plan.weight_bits
        self.sixteen = plan.sixteen
        self._converted: dict[tuple[int, Storage], Value] = {}

    def emit(
        self,
        name: str,
        operator: str,
        inputs: list[int],
        shape: tuple[int, ...],
        storage: Storage = FLOAT32,
        steps: int | None = None,
        **options: int,
    ) -> Value:
        """Emit an operator with one output and return that output."""
        value = self.declare(name, shape, storage, steps)
        self.builder.operator(operator, inputs, [value.index], **options)
        return value

    def declare(
        self,
        name: str,
        shape: tuple[int, ...],
        storage: Storage = FLOAT32,
        steps: int | None = None,
    ) -> Value:
        """Add a tensor without the operator that computes it."""
        whole = (self.steps if steps is None else steps, *shape)
        index = self.builder.tensor(name, whole, storage.form.dtype, _quantisation(storage))
        return Value(index, shape, storage)

    def elementwise(
        self,
        operator: str,
        left: Value,
        right: Value | NDArray[Any] | float,
        activation: Activation = Activation.NONE,
        steps: int | None = None,
        name: str | None = None,
    ) -> Value:
        """Combine float32 values, or a value and a constant that broadcasts to its shape."""
        if not isinstance(right, Value):
            array = np.atleast_1d(np.asarray(right, np.float32))
            other = self.builder.constant("constant", array)
        else:
            other = right.index
        # MINIMUM and MAXIMUM have no option for an activation.
        options: dict[str, Any] = {"activation": activation} if activation else {}
        inputs = [left.index, other]
        name = name or operator.lower()
        return self.emit(name, operator, inputs, left.shape, steps=steps, **options)

    def shape_constant(self, shape: tuple[int, ...]) -> int:
        """Add an int32 constant, such as a shape."""
        return self.builder.constant("shape", np.array(shape, np.int32))

    def reshape(
        self,
        value: Value,
        shape: tuple[int, ...],
        steps: int | None = None,
        name: str = "reshape",
    ) -> Value:
        """Return a value in another shape; the batch stays first."""
        target = self.shape_constant((-1, *shape))
        return self.emit(name, "RESHAPE", [value.index, target], shape, value.storage, steps)

    def split(self, value: Value, count: int, steps: int | None = None) -> list[Value]:
        """Cut a value into equal parts along the axis after the batch."""
        if count == 1:
            return [value]
        first, *rest = value.shape
        shape = (first // count, *rest)
        parts = [self.declare("part", shape, value.storage, steps) for _ in range(count)]
        axis = self.builder.constant("axis", np.array(1, np.int32))
        outputs = [part.index for part in parts]
        self.builder.operator("SPLIT", [axis, value.index], outputs, num_splits=count)
        return parts

    def concatenate(
        self, name: str, values: Sequence[Value], axis: int = -1, steps: int | None = None
    ) -> Value:
        """Put values in one storage side by side, by default along their channels.

        ``axis`` counts the axes after the batch. Many values are joined in parts first.
        """
        while len(values) > CONCATENATED:
            starts = range(0, len(values), CONCATENATED)
            parts = [values[start : start + CONCATENATED] for start in starts]
            values = [self._concatenate(name, part, axis, steps) for part in parts]
        return self._concatenate(name, values, axis, steps)

    def _concatenate(
        self, name: str, values: Sequence[Value], axis: int, steps: int | None
    ) -> Value:
        first, *others = values
        if not others:
            return first
        shape = list(first.shape)
        axis %= len(shape)
        shape[axis] = sum(value.shape[axis] for value in values)
        inputs = [value.index for value in values]
        whole = tuple(shape)
        return self.emit(name, "CONCATENATION", inputs, whole, first.storage, steps, axis=axis + 1)

    def transpose(self, value: Value, order: tuple[int, int, int]) -> Value:
        """Permute the three axes after the batch."""
        permutation = self.shape_constant((0, *(axis + 1 for axis in order)))
        shape = tuple(value.shape[axis] for axis in order)
        inputs = [value.index, permutation]
        return self.emit("transpose", "TRANSPOSE", inputs, shape, value.storage)

    def convert(self, value: Value, storage: Storage) -> Value:
        """Return a value in another storage.

        To an integer type only if its range fits. From int8 to int16, the scale must be the same,
        and without :attr:`edgespike.targets.tflite.planning.plan.Plan.sixteen` the zero point.
        From int16 to float32, the scale must widen exactly, see
        :func:`edgespike.targets.tflite.planning.storage.widens_exactly`.

        Raises
        ------
        ValueError
            It does not.
        """
        if value.form is storage.form:
            return value
        key = (value.index, storage)
        if key not in self._converted:
            converted = self._convert(value, storage)
            self._converted[key] = replace(converted, flattened=value.flattened)
        return self._converted[key]

    def in_units_of(self, value: Value, storage: Storage, steps: int | None = None) -> Value:
        """Emit what gives an int8 value another scale and zero point, which hold its range too.

        A product with the stored integer 1 changes the unit but not the stored integers.
        """
        ratio = Quantisation((float(np.float32(storage.scale / value.storage.scale)),))
        unit = self.builder.constant("unit", np.ones(1, np.int8), ratio)
        return self.emit("units", "MUL", [value.index, unit], value.shape, storage, steps)

    def _convert(self, value: Value, storage: Storage) -> Value:
        if storage.form is Form.FLOAT:
            scale = value.storage.scale
            if value.form is Form.INT16 and not widens_exactly(scale, value.largest):
                raise ValueError(
                    f"numbers up to {value.largest} with the scale {scale:g} are not whole in "
                    "float32; give them units of 1 first"
                )
            widened = self.emit("dequantize", "DEQUANTIZE", [value.index], value.shape)
            # Activations have scales for which this yields whole numbers again.
            return widened if scale == 1 else self.elementwise("MUL", widened, 1 / scale)
        if value.form is Form.INT8 and self.sixteen and storage.scale == value.storage.scale:
            # The multiplier is the quotient of two equal scales, exactly 1.
            return self.emit("widened", "QUANTIZE", [value.index], value.shape, storage)
        if value.form is Form.INT8:
            types = {
                "from_type": TENSOR_TYPES[value.form.dtype],
                "to_type": TENSOR_TYPES[storage.form.dtype],
            }
            return self.emit("cast", "CAST", [value.index], value.shape, storage, **types)
        scaled = self.elementwise("MUL", value, storage.scale)
        return self.emit("quantize", "QUANTIZE", [scaled.index], value.shape, storage)


def _quantisation(storage: Storage) -> Quantisation | None:
    if storage.form is Form.FLOAT:
        return None
    return Quantisation((storage.scale,), storage.zero_point)
