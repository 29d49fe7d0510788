"""What every operation of a graph has: fields, a check, and a rule for shape and range."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from enum import Enum
from functools import cache
from operator import index
from typing import Any, ClassVar, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from edgespike.errors import GraphError
from edgespike.graph.tensor import Tensor


@dataclass(frozen=True, eq=False)
class Op(ABC):
    """One operation. Its fields are all there is to know of it; arrays are read-only.

    A subclass is a frozen dataclass. Values are given the type that the field is declared with:
    lists become arrays or tuples, numpy's integers Python's, words members of an Enum. Array
    fields are stored as tensors in a graph file, all other fields in its JSON description.
    """

    kind: ClassVar[str]
    """The operation's name in files and in text."""

    arity: ClassVar[int | None] = 1
    """How many inputs it takes; ``None`` for two or more."""

    emits_events: ClassVar[bool] = False
    """Whether new events arise at it, rather than pass through it or end in it."""

    has_neurons: ClassVar[bool] = False
    """Whether each element of its output is a neuron, which computes once a step."""

    def __post_init__(self) -> None:
        hints = _hints(type(self))
        for field in fields(self):
            value = _normal(self.kind, field.name, getattr(self, field.name), hints[field.name])
            object.__setattr__(self, field.name, value)

    @abstractmethod
    def check(self, inputs: Sequence[Tensor]) -> Iterator[str]:
        """Yield one sentence for each thing that does not fit: value, limit and way out."""

    @abstractmethod
    def infer(self, inputs: Sequence[Tensor], steps: int) -> Tensor:
        """Give shape, proven range and meaning of the output; only called when checks passed."""

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return all(
            _same(getattr(self, field.name), getattr(other, field.name)) for field in fields(self)
        )

    def __hash__(self) -> int:
        return hash((self.kind, tuple(field.name for field in fields(self))))


@cache
def _hints(op: type[Op]) -> dict[str, Any]:
    return get_type_hints(op)


def _normal(kind: str, name: str, value: Any, hint: Any) -> Any:
    """Give a field's value the one type that it has in every graph; check what it holds later."""
    try:
        if value is None:
            return None
        if hint is float:
            return float(value)
        if isinstance(hint, type) and issubclass(hint, Enum):
            return hint(value)
        if hint is int:
            return index(value)
        if get_origin(hint) is tuple:
            return tuple(index(item) for item in value)
        return _frozen(np.asarray(value))
    except (TypeError, ValueError, OverflowError) as error:
        raise GraphError(f"{kind} cannot be made", [f"{name} is {value!r}: {error}"]) from error


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Copy an array to the one dtype that graphs use for its sort of number, read-only."""
    if array.dtype == np.uint64 and array.size and int(array.max()) > np.iinfo(np.int64).max:
        raise OverflowError("values above 2**63 - 1 have no place in a graph")
    if array.dtype.kind not in "biuf":
        raise TypeError(f"dtype {array.dtype} is not one of numbers")
    if array.dtype == bool:
        dtype: type = np.bool_
    elif np.issubdtype(array.dtype, np.floating):
        dtype = np.float64
    else:
        dtype = np.int64
    copy: NDArray[Any] = np.array(array, dtype=dtype, order="C")
    copy.flags.writeable = False
    return copy


def _same(left: object, right: object) -> bool:
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        return left.dtype == right.dtype and bool(np.array_equal(left, right))
    return type(left) is type(right) and left == right


def check_whole(name: str, array: NDArray[Any], ndim: int) -> Iterator[str]:
    """Yield what keeps an array from being a non-empty block of whole numbers."""
    if array.ndim != ndim or array.size == 0:
        yield f"{name} has shape {array.shape}; give a non-empty array of {ndim} dimensions"
    if not np.issubdtype(array.dtype, np.integer):
        yield f"{name} has dtype {array.dtype}; give integers"
