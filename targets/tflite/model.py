"""Building a TFLite model: tensors, constants and operators in the order in which they run."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from edgespike.targets.tflite import schema
from edgespike.targets.tflite.flatbuffer import encode
from edgespike.targets.tflite.schema import Quantisation


class ModelBuilder:
    """Collects a model and writes it as the bytes of one ``.tflite`` file.

    Tensors that are computed have the batch as their first dimension, stored as 1 and marked as
    dynamic. Equal constants are stored once. Where a name is used again, a number is
    added to it.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._tensors: list[schema.Table] = []
        self._operators: list[schema.Table] = []
        self._buffers: dict[bytes, int] = {b"": 0}
        self._codes: dict[str, int] = {}
        self._names: Counter[str] = Counter()
        self._constants: dict[tuple[Any, ...], int] = {}
        self.activation_bytes = 0
        """Bytes of all tensors that are computed, for a batch of one."""

    def tensor(
        self,
        name: str,
        shape: tuple[int, ...],
        dtype: DTypeLike,
        quantisation: Quantisation | None = None,
    ) -> int:
        """Add a tensor that is computed and give its index."""
        return self._add(name, shape, np.dtype(dtype), b"", quantisation, dynamic_batch=True)

    def constant(
        self, name: str, array: NDArray[Any], quantisation: Quantisation | None = None
    ) -> int:
        """Add a constant and give its index."""
        content = np.ascontiguousarray(array).tobytes()
        key = (array.shape, array.dtype, content, quantisation)
        if key not in self._constants:
            self._constants[key] = self._add(
                name, array.shape, array.dtype, content, quantisation, dynamic_batch=False
            )
        return self._constants[key]

    def widened(self, name: str, stored: int, shape: tuple[int, ...]) -> int:
        """Add the float32 values of a constant that is stored as integers, and give its index."""
        key = ("widened", stored)
        if key not in self._constants:
            index = self._add(
                f"{name}.widened", shape, np.dtype(np.float32), b"", None, dynamic_batch=False
            )
            self.operator("DEQUANTIZE", [stored], [index])
            self._constants[key] = index
        return self._constants[key]

    def operator(self, name: str, inputs: list[int], outputs: list[int], **options: int) -> None:
        """Add an operator that runs after all that were added before."""
        index = self._codes.setdefault(name, len(self._codes))
        self._operators.append(schema.operator_call(name, index, inputs, outputs, options))

    @property
    def operator_names(self) -> list[str]:
        """The kinds of operators in use, in alphabetical order."""
        return sorted(self._codes)

    @property
    def tensor_count(self) -> int:
        """How many tensors there are, constants included."""
        return len(self._tensors)

    def finish(self, inputs: list[int], outputs: list[int], description: str) -> bytes:
        """Write the model."""
        return encode(
            schema.model(
                [schema.operator_code(name) for name in self._codes],
                schema.subgraph(self._tensors, inputs, outputs, self._operators, self._name),
                [schema.buffer(content) for content in self._buffers],
                description,
            ),
            schema.IDENTIFIER,
        )

    def _add(
        self,
        name: str,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        content: bytes,
        quantisation: Quantisation | None,
        dynamic_batch: bool,
    ) -> int:
        if not content:
            self.activation_bytes += math.prod(shape) * dtype.itemsize
        buffer = self._buffers.setdefault(content, len(self._buffers))
        self._names[name] += 1
        unique = name if self._names[name] == 1 else f"{name}.{self._names[name]}"
        table = schema.tensor(unique, shape, dtype, buffer, quantisation, dynamic_batch)
        self._tensors.append(table)
        return len(self._tensors) - 1
