"""The base of all operations: fields, a check, and a rule for shape and range."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from enum import Enum
from functools import cache
from operator import index
from typing import Any, ClassVar, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from edgespike.errors import GraphError, shown
from edgespike.graph.tensor import Tensor


@dataclass(frozen=True, eq=False, repr=False)
class Op(ABC):
    """What all operations have in common. Its fields describe an operation completely.

    An operation is a class, ``@final`` and ``@dataclass(frozen=True, eq=False, repr=False)``, that
    is listed in :data:`edgespike.graph.ops.Operation`. A field's value is converted to the declared
    type: lists become arrays or tuples, numpy integers become Python integers, strings become
    members of an Enum. Arrays are read-only. Array fields are stored as tensors in a graph file,
    all other fields in its JSON description.
    """

    kind: ClassVar[str]
    """The operation's name in files and messages."""

    arity: ClassVar[int | None] = 1
    """Number of inputs; ``None`` for two or more."""

    has_neurons: ClassVar[bool] = False
    """Whether each element of its output is a neuron, which computes once per step."""

    free: ClassVar[str | None] = None
    """Why it costs nothing of its own; ``None`` for an operation that is counted."""

    channel_fields: ClassVar[tuple[str, ...]] = ()
    """Fields that are arrays whose first axis is the output channel, or one number for all."""

    def __post_init__(self) -> None:
        hints, faults = field_types(type(self)), []
        for field in fields(self):
            value = getattr(self, field.name)
            try:
                object.__setattr__(self, field.name, _normal(value, hints[field.name]))
            except (TypeError, ValueError, OverflowError) as error:
                faults.append(f"{field.name} is {shown(value)}: {error}")
        if faults:
            raise GraphError(f"{self.kind} cannot be created", faults)

    @property
    def emits_events(self) -> bool:
        """Whether it creates events, rather than passing them on or absorbing them."""
        return False

    @property
    def range_fraction_bits(self) -> int:
        """Fractional bits of the numbers that :meth:`range_in_use` bounds."""
        return 0

    @property
    def array_bytes(self) -> int:
        """Memory of its arrays, in bytes; an array that repeats one byte counts in full."""
        values = (getattr(self, field.name) for field in fields(self))
        return sum(value.nbytes for value in values if isinstance(value, np.ndarray))

    @property
    def file_version(self) -> int:
        """First version of graph files that can hold its fields' values."""
        return 1

    @abstractmethod
    def check(self, inputs: Sequence[Tensor]) -> Iterator[str]:
        """Yield one sentence for each violation: value, limit and way out."""

    @abstractmethod
    def infer(self, inputs: Sequence[Tensor], steps: int) -> Tensor:
        """Return shape, proven range and meaning of the output; called only if checks passed."""

    def range_in_use(self, inputs: Sequence[Tensor], output: Tensor, steps: int) -> tuple[int, int]:
        """Bound all numbers that it computes or keeps, in units of ``2**-range_fraction_bits``.

        An operation that keeps a state with another range than its output's overrides this.
        """
        return output.bounds

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return all(
            same(getattr(self, field.name), getattr(other, field.name)) for field in fields(self)
        )

    def __repr__(self) -> str:
        """Return all fields, and of a large array its dtype, shape and range alone."""
        parts = (f"{field.name}={_brief(getattr(self, field.name))}" for field in fields(self))
        return f"{type(self).__name__}({', '.join(parts)})"

    def __hash__(self) -> int:
        return hash((self.kind, tuple(field.name for field in fields(self))))


@dataclass(frozen=True)
class Since:
    """When a field was added to graph files.

    Parameters
    ----------
    version
        The first version of graph files that has the field.
    before
        The field's value in older files.
    """

    version: int
    before: Any


def added_in(version: int, *, before: Any) -> dict[str, Since]:
    """Return the metadata of a field that a version of graph files added, see :class:`Since`."""
    return {"since": Since(version, before)}


@cache
def field_types(op: type[Op]) -> dict[str, Any]:
    """Return the declared type of each field of an operation."""
    return get_type_hints(op)


def array_kind(declared: Any) -> type[np.generic] | None:
    """Return the element type of an array field, optional or not; ``None`` if not an array."""
    parts = get_args(declared)
    if not parts:
        is_kind = isinstance(declared, type) and issubclass(declared, np.generic)
        return declared if is_kind else None
    # What NDArray expands to depends on numpy's version, but the element type is always in it.
    return next(filter(None, map(array_kind, parts)), None)


def _normal(value: Any, declared: Any) -> Any:
    """Convert a field's value to the one type that it has in every graph; check it later."""
    if value is None and type(None) in get_args(declared):
        return None
    if declared is float:
        return _real(value)
    if declared is int or (takes_number(declared) and np.ndim(value) == 0):
        return _whole(value.item() if isinstance(value, np.ndarray) else value)
    if get_origin(declared) is tuple:
        return tuple(_whole(item) for item in value)
    if isinstance(declared, type) and issubclass(declared, Enum):
        return member(value, declared)
    array = _frozen(np.asarray(value), array_kind(declared))
    if takes_number(declared) and array.size and (array == array.flat[0]).all():
        return _whole(array.flat[0])  # one number for all: the same graph, the same file
    return array


def takes_number(declared: Any) -> bool:
    """Return whether a field holds one integer for all, or an array."""
    return array_kind(declared) is not None and int in get_args(declared)


def member(value: Any, choices: type[Enum]) -> Enum:
    """Return the member of an Enum with a value.

    Raises
    ------
    ValueError
        There is no such member.
    """
    try:
        return choices(value)
    except ValueError:
        values = ", ".join(repr(choice.value) for choice in choices)
        raise ValueError(f"give one of {values}") from None


def _real(value: Any) -> float:
    if isinstance(value, (bool, np.bool_, str, bytes)):
        raise TypeError("give a number")
    return float(value)


def _whole(value: Any) -> int:
    """Return a whole number of any type as a Python integer that fits into 64 bits."""
    if isinstance(value, bool):
        raise TypeError("give a whole number")
    number = index(value)
    if not -(2**63) <= number < 2**63:
        raise OverflowError("whole numbers in a graph are within -2**63..2**63 - 1")
    return number


def _frozen(array: NDArray[Any], declared: type[np.generic] | None) -> NDArray[Any]:
    """Return a read-only copy of an array in the dtype that graphs use for such numbers."""
    if array.dtype == np.uint64 and array.size and int(array.max()) > np.iinfo(np.int64).max:
        raise OverflowError("values above 2**63 - 1 do not fit into a graph")
    if array.dtype.kind not in ("biuf" if declared is np.bool_ else "iuf"):
        raise TypeError(f"dtype {array.dtype} is not numeric")
    if array.dtype == np.bool_ and array.size and not any(array.strides):
        return every(bool(array[(0,) * array.ndim]), array.shape)
    copy: NDArray[Any] = np.array(array, dtype=_kept_type(array, declared), order="C")
    copy.flags.writeable = False
    return copy


def _kept_type(array: NDArray[Any], declared: type[np.generic] | None) -> type[np.generic]:
    if array.dtype == np.bool_:
        return np.bool_
    if array.dtype.kind == "f" or declared is np.float64:
        return np.float64
    return np.int64


def every(value: bool, shape: Sequence[int]) -> NDArray[np.bool_]:
    """Return a read-only array of equal booleans that takes one byte, whatever its shape.

    A few bytes of a graph file can declare such an array; expanding it only to refuse it could
    take all memory.
    """
    one = np.array(value)
    one.flags.writeable = False
    return np.broadcast_to(one, tuple(shape))


_SHOWN_ELEMENTS = 8
"""Most elements of an array that an operation's ``repr`` shows one by one."""


def _brief(value: object) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    if not isinstance(value, np.ndarray):
        return repr(value)
    if value.size <= _SHOWN_ELEMENTS:
        return repr(value.tolist())
    if value.dtype == np.bool_:
        found = f"{np.count_nonzero(value)} true"
    else:
        found = f"{value.min().item()!r}..{value.max().item()!r}"
    return f"<{value.dtype} {value.shape}, {found}>"


def same(left: object, right: object) -> bool:
    """Return whether two values of a field are equal; arrays must have the same dtype."""
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        return left.dtype == right.dtype and bool(np.array_equal(left, right))
    return type(left) is type(right) and left == right


def check_whole(name: str, array: NDArray[Any], ndim: int) -> Iterator[str]:
    """Yield why an array is not a non-empty array of whole numbers with ``ndim`` axes."""
    if array.ndim != ndim or array.size == 0:
        yield f"{name} has shape {array.shape}; give a non-empty array of {ndim} dimensions"
    if not np.issubdtype(array.dtype, np.integer):
        yield f"{name} has dtype {array.dtype}; give integers"
