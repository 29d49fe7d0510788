"""Operators and constants of an ONNX graph under construction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgespike.targets.onnx.limits import INT32_LIMIT

if TYPE_CHECKING:
    import onnx

BYTE = np.dtype(np.uint8)
INT32 = np.dtype(np.int32)
INT64 = np.dtype(np.int64)


@dataclass(frozen=True)
class Storage:
    """How whole numbers are stored: a value is the stored number minus the zero point."""

    dtype: np.dtype[Any]
    zero_point: int = 0

    def stored(self, value: int) -> int:
        """Return the number that stands for a value."""
        return value + self.zero_point


@dataclass(frozen=True)
class Value:
    """A tensor of the model."""

    name: str
    storage: Storage


def integer_type(largest: float) -> np.dtype[Any]:
    """Return the type in which numbers up to a magnitude are computed, int32 or int64."""
    return INT32 if largest <= INT32_LIMIT else INT64


def storage_for(low: int, high: int) -> Storage:
    """Return how a range is stored: in a byte if it fits beside zero, which padding needs."""
    if max(high, 0) - min(low, 0) <= np.iinfo(BYTE).max:
        return Storage(BYTE, max(-low, 0))
    return Storage(integer_type(max(-low, high)))


class Emitter:
    """Collects the operators and constants of one ONNX graph.

    Names of tensors and of operators that are not nodes of the edgespike graph contain ``:`` or
    ``/``, which names of its nodes cannot.
    """

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, NDArray[Any]] = {}
        self._taken: set[str] = set()

    def emit(
        self, kind: str, inputs: Sequence[str], name: str, output: str = "", **attributes: Any
    ) -> str:
        """Add an operator and return the name of its output.

        Parameters
        ----------
        kind
            Type of the operator.
        inputs
            Names of tensors; empty for one that is left out.
        name
            The operator's name; made unique if it contains ``/``.
        output
            Name of its output; by default its own name, followed by ``:0``.
        attributes
            Of the operator.
        """
        from onnx import helper

        name = self._unique(name)
        output = output or f"{name}:0"
        self.nodes.append(helper.make_node(kind, inputs, [output], name=name, **attributes))
        return output

    def larger(self, x: str, y: str, name: str) -> str:
        """Return the larger of two integers, element by element.

        Not by Max: ONNX Runtime 1.23 computes it wrongly for int64 of more than 32 bits.
        """
        greater = self.emit("Greater", [x, y], f"{name}/greater")
        return self.emit("Where", [greater, x, y], name)

    def smaller(self, x: str, y: str, name: str) -> str:
        """Return the smaller of two integers, as :meth:`larger` does."""
        greater = self.emit("Greater", [x, y], f"{name}/greater")
        return self.emit("Where", [greater, y, x], name)

    def constant(self, values: Any, dtype: Any, name: str) -> str:
        """Add a constant and return its name; equal small ones are stored once."""
        array = np.asarray(values).astype(dtype)
        if array.size == 1:
            name = "/".join(map(str, ("constant", array.dtype, *array.shape, array.item())))
            self.constants[name] = array
            return name
        name = self._unique(name if "/" in name else f"{name}/constant")
        self.constants[name] = array
        return name

    def cast(self, x: str, dtype: np.dtype[Any], name: str) -> str:
        """Add a conversion of whole numbers to another type."""
        from onnx import helper

        return self.emit("Cast", [x], f"{name}/cast", to=helper.np_dtype_to_tensor_dtype(dtype))

    def first(self, x: str, count: int, axis: int, name: str) -> str:
        """Return the first numbers along an axis."""
        ends = [self.constant([number], np.int64, name) for number in (0, count, axis)]
        return self.emit("Slice", [x, *ends], f"{name}/first")

    def convert(self, x: Value, storage: Storage, name: str) -> Value:
        """Return a value that is stored in another way, which holds its range."""
        if x.storage == storage:
            return x
        shift = storage.zero_point - x.storage.zero_point
        found = x.name
        wide = storage.dtype if storage.dtype != BYTE else x.storage.dtype
        wide = INT32 if wide.itemsize == 1 else wide
        if x.storage.dtype != wide:
            found = self.cast(found, wide, name)
        if shift:
            found = self.emit("Add", [found, self.constant(shift, wide, name)], f"{name}/shift")
        if storage.dtype != wide:
            found = self.cast(found, storage.dtype, name)
        return Value(found, storage)

    def plain(self, x: Value, dtype: np.dtype[Any], name: str) -> str:
        """Return the tensor of a value in int32 or int64, without a zero point."""
        return self.convert(x, Storage(dtype), name).name

    def named(self, x: Value, name: str) -> Value:
        """Return a value after an operator of a name, one that copies it if there is none yet.

        ONNX Runtime leaves such copies out.
        """
        if name in self._taken:
            return x
        return Value(self.emit("Identity", [x.name], name), x.storage)

    def _unique(self, name: str) -> str:
        found, index = name, 1
        while found in self._taken:
            index += 1
            found = f"{name}{index}" if "/" in name else f"{name}/{index}"
        self._taken.add(found)
        return found


def per_row(values: NDArray[Any], axes: int) -> NDArray[Any]:
    """Reshape one number for each channel so that it broadcasts over ``axes`` further axes."""
    return values.reshape(values.shape + (1,) * axes)
