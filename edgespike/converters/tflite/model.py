"""What a TFLite file holds: tensors, and the operators that compute one from the other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.errors import FileFormatError, named

NUMBERS: dict[str, np.dtype[Any]] = {
    "FLOAT32": np.dtype("<f4"),
    "INT8": np.dtype("i1"),
    "UINT8": np.dtype("u1"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
}
"""The types whose constants are read."""


@dataclass(frozen=True, eq=False)
class TfliteTensor:
    """A tensor of a file.

    Parameters
    ----------
    number
        Its place in the file.
    name
        As the file says it.
    shape
        With the batch, as stored: open sizes are 1.
    kind
        Its type, as the schema calls it: "INT8".
    content
        The bytes of a constant, else ``None``.
    scales, zero_points, axis
        Of a quantised tensor, one for all or one for each index along the axis; empty else.
    faults
        Why it cannot be used: it is sparse, a variable, its bytes are elsewhere.
    """

    number: int
    name: str
    shape: tuple[int, ...]
    kind: str
    content: memoryview | None
    scales: NDArray[np.float32]
    zero_points: NDArray[np.int64]
    axis: int
    faults: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What messages call it."""
        return (
            f"tensor {self.number} ({named(self.name)})" if self.name else f"tensor {self.number}"
        )

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def zero_point(self) -> int:
        """The zero point of a tensor that has one for all; 0 where the file leaves it out."""
        return int(self.zero_points[0]) if len(self.zero_points) else 0

    @cached_property
    def values(self) -> NDArray[Any]:
        """The numbers of a constant of one of the types in `NUMBERS`, ``(*shape)``.

        Raises
        ------
        FileFormatError
            The file holds fewer or more bytes than the shape needs.
        """
        assert self.content is not None
        dtype = NUMBERS[self.kind]
        if len(self.content) != self.size * dtype.itemsize:
            raise FileFormatError(
                f"{self.title} of {self.shape} has {len(self.content)} bytes; {self.kind} needs "
                f"{self.size * dtype.itemsize}; the file is damaged, get it again"
            )
        return np.frombuffer(self.content, dtype).reshape(self.shape)


@dataclass(frozen=True, eq=False)
class TfliteOperator:
    """An operator of a file.

    Parameters
    ----------
    number
        Its place in the order in which they run.
    kind
        As the schema calls it, "CONV_2D"; of a custom one "CUSTOM" and its name.
    inputs, outputs
        Numbers of tensors; -1 for an input that is left out.
    options
        Of the operators in :data:`edgespike.converters.tflite.schema.OPTIONS`, by name.
    """

    number: int
    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, Any]

    @property
    def title(self) -> str:
        """What messages call it."""
        return f"operator {self.number} ({self.kind})"


@dataclass(frozen=True, eq=False)
class TfliteModel:
    """The one graph of a file.

    Parameters
    ----------
    content
        The whole file.
    tensors, operators
        In the file's order, which is that in which operators run.
    inputs, outputs
        Numbers of the tensors that the graph takes and gives.
    outputs_place
        Where in the file the reference to the list of outputs is.
    """

    content: bytes
    tensors: tuple[TfliteTensor, ...]
    operators: tuple[TfliteOperator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    outputs_place: int

    @cached_property
    def consumers(self) -> Mapping[int, list[TfliteOperator]]:
        """The operators that read a tensor, by its number."""
        found: dict[int, list[TfliteOperator]] = {}
        for operator in self.operators:
            for number in dict.fromkeys(operator.inputs):
                found.setdefault(number, []).append(operator)
        return found

    @cached_property
    def producers(self) -> Mapping[int, TfliteOperator]:
        """The operator that computes a tensor, by its number."""
        return {number: each for each in self.operators for number in each.outputs}
