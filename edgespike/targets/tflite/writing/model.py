"""Build a TFLite model: tensors, constants, and operators in the order in which they run."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from edgespike.targets.tflite.writing import schema
from edgespike.targets.tflite.writing.flatbuffer import encode_table
from edgespike.targets.tflite.writing.schema import Quantisation

_FLOAT32 = np.dtype(np.float32)


class ModelBuilder:
    """Collects a model and writes it as the bytes of one ``.tflite`` file.

    Tensors that are computed have the batch as their first dimension, stored as 1 and marked as
    dynamic. Equal constants are stored once. A name that is used again gets a number.
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
        self.constant_scales = 0
        """How many scales the constants have in total: one each, or one for each channel."""

    def tensor(
        self,
        name: str,
        shape: tuple[int, ...],
        dtype: DTypeLike,
        quantisation: Quantisation | None = None,
    ) -> int:
        """Add a tensor that is computed and return its index."""
        dtype = np.dtype(dtype)
        self.activation_bytes += math.prod(shape) * dtype.itemsize
        tensor_type = schema.TENSOR_TYPES[dtype]
        return self._add(name, shape, tensor_type, b"", quantisation, dynamic_batch=True)

    def constant(
        self, name: str, array: NDArray[Any], quantisation: Quantisation | None = None
    ) -> int:
        """Add a constant and return its index."""
        content = np.ascontiguousarray(array).tobytes()
        tensor_type = schema.TENSOR_TYPES[array.dtype]
        return self._constant(name, array.shape, tensor_type, content, quantisation)

    def packed(
        self, name: str, array: NDArray[np.int8], bits: int, quantisation: Quantisation
    ) -> int:
        """Add a constant of numbers of 4 bits, two to a byte, or of 2, four to a byte.

        Returns
        -------
        index
            Of the constant.
        """
        each = 8 // bits
        parts = np.zeros(-(-array.size // each) * each, np.uint8)
        parts[: array.size] = array.ravel().view(np.uint8) & (1 << bits) - 1
        places = parts.reshape(-1, each) << np.arange(0, 8, bits, dtype=np.uint8)
        content = np.bitwise_or.reduce(places, axis=1).tobytes()
        return self._constant(name, array.shape, schema.PACKED[bits], content, quantisation)

    def widened(self, name: str, stored: int, shape: tuple[int, ...]) -> int:
        """Add the float32 values of a constant that is stored as integers, and return its index."""
        key = ("widened", stored)
        if key not in self._constants:
            self.activation_bytes += math.prod(shape) * _FLOAT32.itemsize
            index = self._add(f"{name}.widened", shape, schema.TENSOR_TYPES[_FLOAT32], b"", None)
            self.operator("DEQUANTIZE", [stored], [index])
            self._constants[key] = index
        return self._constants[key]

    def operator(self, name: str, inputs: list[int], outputs: list[int], **options: int) -> None:
        """Add an operator, which runs after all earlier ones."""
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

    def finish(
        self,
        inputs: Mapping[str, int],
        outputs: list[int],
        named_outputs: Mapping[str, int],
        description: str,
    ) -> bytes:
        """Return the model's bytes; its signature names all inputs and some of the outputs."""
        return encode_table(
            schema.model(
                [schema.operator_code(name) for name in self._codes],
                schema.subgraph(
                    self._tensors, list(inputs.values()), outputs, self._operators, self._name
                ),
                [schema.buffer(content) for content in self._buffers],
                description,
                schema.signature(inputs, named_outputs),
            ),
            schema.IDENTIFIER,
        )

    def _constant(
        self,
        name: str,
        shape: tuple[int, ...],
        tensor_type: int,
        content: bytes,
        quantisation: Quantisation | None,
    ) -> int:
        key = (shape, tensor_type, content, quantisation)
        if key not in self._constants:
            self._constants[key] = self._add(name, shape, tensor_type, content, quantisation)
            self.constant_scales += len(quantisation.scales) if quantisation else 0
        return self._constants[key]

    def _add(
        self,
        name: str,
        shape: tuple[int, ...],
        tensor_type: int,
        content: bytes,
        quantisation: Quantisation | None,
        dynamic_batch: bool = False,
    ) -> int:
        buffer = self._buffers.setdefault(content, len(self._buffers))
        self._names[name] += 1
        unique = name if self._names[name] == 1 else f"{name}.{self._names[name]}"
        table = schema.tensor(unique, shape, tensor_type, buffer, quantisation, dynamic_batch)
        self._tensors.append(table)
        return len(self._tensors) - 1
