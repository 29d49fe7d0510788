"""How a graph file stores arrays: as digits of few states, the narrowest integers, or unchanged.

An array of integers ``low + step * digit`` with ``digit`` below n, 2 <= n <= 16, is stored as
base-n digits: as many per byte as fit, the first in the highest place, zeros after the last.

====== =============== ==============
states digits per byte bits per value
====== =============== ==============
2      8               1
3      5               1.6
4      4               2
5, 6   3               2.67
7..16  2               4
====== =============== ==============

Booleans are base-2 digits too, and take no bytes if all are true, for example if no trained weight
was zero. Three states need ``log2(3) = 1.585`` bits, so that 1.6 bits waste 1 %.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.errors import shown
from edgespike.graph.ops.base import every
from edgespike.graph.tensor import ARRAYS_LIMIT, Integers

STATE_LIMIT = 16
"""Most states of a digit; with more, two digits do not fit into a byte."""

Note = list[int] | dict[str, Any] | None
"""The JSON description's note on a stored array: nothing, a shape (booleans), or a packing."""


def pack(array: NDArray[Any]) -> tuple[NDArray[Any], Note]:
    """Return an array as a graph file stores it, and the note for the file's description.

    Parameters
    ----------
    array
        bool, int64 or float64, as in a graph. Integers become digits if that takes fewer bytes
        than the narrowest signed type that holds them.
    """
    if array.dtype == np.bool_:
        if array.size and array.all():
            return np.zeros(0, np.uint8), {"shape": list(array.shape), "every": 1}
        return _to_digits(array.ravel(), 2), list(array.shape)
    if array.dtype == np.float64:
        return array, None
    narrow = array.astype(_narrowest(array))
    values, _ = distinct(array)
    found = _levels(values[: STATE_LIMIT + 1].tolist())
    if found is None:
        return narrow, None
    low, step, states = found
    packed = _to_digits(_digits(array, low, step), states)
    if packed.nbytes >= narrow.nbytes:
        return narrow, None
    return packed, {"shape": list(array.shape), "low": low, "step": step, "states": states}


COUNTED_SPAN = 2**16
"""If the range of integers is smaller than this, they are counted, not sorted."""

BLOCK_SIZE = 2**18
"""Integers that are processed together; it keeps temporary arrays small."""


def distinct(array: Integers) -> tuple[Integers, Integers]:
    """Return the different values of an array, ascending, and how often each occurs."""
    low, high = int(array.min(initial=0)), int(array.max(initial=0))
    if high - low >= COUNTED_SPAN:
        values, counts = np.unique(array, return_counts=True)
        return values, counts
    counts = np.zeros(high - low + 1, np.int64)
    for block in _blocks(array):
        counts += np.bincount(block - low, minlength=len(counts))
    (places,) = np.nonzero(counts)
    return places + low, counts[places]


def _blocks(array: Integers) -> Iterator[Integers]:
    flat = array.reshape(-1)
    return (flat[start : start + BLOCK_SIZE] for start in range(0, flat.size, BLOCK_SIZE))


def unpacked_bytes(stored: NDArray[Any], note: Any) -> int:
    """Return the bytes that a stored array takes in a graph, all of its elements counted.

    Nothing is expanded: the answer is cheap whatever the note declares.

    Raises
    ------
    ValueError, TypeError
        The note does not declare a shape.
    """
    if note is None:
        return stored.size * (1 if stored.dtype == np.bool_ else 8)
    if not isinstance(note, Mapping):
        return math.prod(_shape(note))
    return math.prod(_shape(note.get("shape"))) * (1 if "every" in note else 8)


def unpack(stored: NDArray[Any], note: Any) -> NDArray[Any]:
    """Undo :func:`pack`.

    Raises
    ------
    ValueError, TypeError, OverflowError
        The note is not one that :func:`pack` writes, or the stored bytes do not fit it.
    """
    if note is None:
        return stored
    if not isinstance(note, Mapping):
        shape = _shape(note)
        return _from_digits(stored, 2, math.prod(shape)).astype(np.bool_).reshape(shape)
    if note.keys() == {"shape", "every"}:
        if stored.size or note["every"] != 1:
            raise ValueError(
                f"{stored.size} bytes, and every boolean {shown(note['every'])}; 0 and 1"
            )
        # Takes no memory for the elements: a small file cannot claim much.
        return every(True, _shape(note["shape"]))
    if note.keys() != {"shape", "low", "step", "states"}:
        raise ValueError(
            f"a packing says {shown(sorted(note))}; it has shape, low, step and states"
        )
    shape = _shape(note["shape"])
    low, step, states = (typed(note[name], int) for name in ("low", "step", "states"))
    if not 2 <= states <= STATE_LIMIT or step < 1:
        raise ValueError(
            f"{shown(states)} states in steps of {shown(step)}; 2..{STATE_LIMIT} in steps from 1"
        )
    # Python's integers do not wrap around; what int64 cannot hold is an OverflowError.
    levels = np.array([low + step * digit for digit in range(states)], dtype=np.int64)
    return levels[_from_digits(stored, states, math.prod(shape))].reshape(shape)


_WORDS = {
    bool: "a truth value",
    dict: "a table",
    float: "a number",
    int: "a whole number",
    list: "a list",
    str: "a text",
    type(None): "nothing",
}


def typed(value: Any, kind: type) -> Any:
    """Return a JSON value that has the expected type.

    Parameters
    ----------
    kind
        ``dict``, ``list``, ``str``, ``int``, or ``float``, which accepts integers too.

    Raises
    ------
    TypeError
        The value has another type, or is a boolean.
    """
    fits = isinstance(value, (int, float) if kind is float else kind)
    if isinstance(value, bool) or not fits:
        raise TypeError(f"found {shown(value)}, {_WORDS[type(value)]}; expected {_WORDS[kind]}")
    return value


def _shape(sizes: Any) -> list[int]:
    shape: list[int] = [typed(size, int) for size in typed(sizes, list)]
    if min(shape, default=0) < 0 or math.prod(shape) > ARRAYS_LIMIT:
        raise ValueError(f"shape {shown(shape)} does not have 0 to {ARRAYS_LIMIT} elements")
    return shape


def _narrowest(array: Integers) -> np.dtype[Any]:
    ends = (int(array.min(initial=0)), int(array.max(initial=0)))
    return np.result_type(*(np.min_scalar_type(min(end, -1 - end)) for end in ends))


def _levels(values: list[int]) -> tuple[int, int, int] | None:
    """Return low, step and states of ascending values; ``None`` if there are none or too many."""
    if not 1 <= len(values) <= STATE_LIMIT:
        return None
    if len(values) == 1:  # with zero, since the next number may not fit into int64
        values = sorted({0, *values}) if values[0] else [0, 1]
    low, high = values[0], values[-1]
    step = math.gcd(*(value - low for value in values))
    states = (high - low) // step + 1
    return (low, step, states) if states <= STATE_LIMIT else None


def _digits(array: Integers, low: int, step: int) -> NDArray[np.uint8]:
    """Return ``(value - low) / step`` of each value; all are below :data:`STATE_LIMIT`."""
    # Modulo 2**64, in which no difference of two 64-bit integers wraps around.
    first, unit = np.uint64(low % 2**64), np.uint64(step)
    digits = [
        ((block.view(np.uint64) - first) // unit).astype(np.uint8) for block in _blocks(array)
    ]
    return np.concatenate(digits)


def _place_values(states: int) -> NDArray[np.uint8]:
    """Return the weight of each digit of a byte, from the highest down to 1."""
    places = max(k for k in range(1, 9) if states**k <= 256)
    return np.array([states**place for place in reversed(range(places))], np.uint8)


def _to_digits(digits: NDArray[Any], states: int) -> NDArray[np.uint8]:
    if states == 2:
        return np.packbits(digits.astype(np.bool_, copy=False))
    values = _place_values(states)
    padded = np.zeros((-(-digits.size // values.size), values.size), np.uint8)
    padded.reshape(-1)[: digits.size] = digits
    packed: NDArray[np.uint8] = padded @ values
    return packed


def _from_digits(packed: NDArray[Any], states: int, count: int) -> NDArray[np.uint8]:
    values = _place_values(states)
    if packed.dtype != np.uint8 or packed.shape != (-(-count // values.size),):
        raise ValueError(
            f"{packed.dtype} of shape {packed.shape} does not hold {count} digits, "
            f"{values.size} a byte"
        )
    if packed.size and int(packed.max()) >= states**values.size:
        raise ValueError(f"byte {packed.max()} is not {values.size} digits of {states} states")
    digits = (packed[:, None] // values % np.uint8(states)).reshape(-1)
    if digits[count:].any():
        raise ValueError(f"there are digits after the last of {count}")
    return digits[:count]
