"""Thresholds: comparisons, a table of levels, or a search, whichever is cheapest and exact."""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from edgespike.graph import Node, Tensor, Threshold
from edgespike.graph.ops.threshold import reachable
from edgespike.graph.tensor import Integers
from edgespike.targets.onnx.emitter import (
    BYTE,
    INT32,
    INT64,
    Emitter,
    Storage,
    Value,
    integer_type,
    per_row,
    storage_for,
)
from edgespike.targets.onnx.guesses import Guess, emit_guess, exact_guess
from edgespike.targets.onnx.limits import COMPARED_LEVELS, FITTED_THRESHOLDS, TABLE_ENTRIES


def levels_storage(op: Threshold) -> Storage:
    """Return how the values of thresholds are stored."""
    return storage_for(op.offset, op.offset + op.unit * op.levels)


class Method(Enum):
    """How thresholds are counted."""

    COMPARE = "compare"
    """With one after the other."""

    TABLE = "table"
    """By what a table holds for each value."""

    SEARCH = "search"
    """By halving, again and again, the thresholds that may be the next one."""


def method(op: Threshold, source: Tensor) -> Method | Guess:
    """Return the fastest exact way to count thresholds of a range of values."""
    if op.levels <= COMPARED_LEVELS:
        return Method.COMPARE
    if op.theta.size > FITTED_THRESHOLDS:
        return Method.SEARCH
    if table_entries(op, source) <= TABLE_ENTRIES:
        return Method.TABLE
    if guess := exact_guess(op, source):
        return guess
    return Method.SEARCH


def table_entries(op: Threshold, source: Tensor) -> float:
    """Return how many entries a table of levels would have, in float64, which cannot overflow."""
    rows, _ = _distinct(_within(op, source), op.flipped)
    return float(_windows(rows[:, :-1]).sum(dtype=np.float64))


def threshold_type(source: Tensor) -> np.dtype[Any]:
    """Return the type in which values are compared."""
    return integer_type(max(abs(end) for end in source.bounds))


def emit_threshold(emitter: Emitter, node: Node, op: Threshold, x: Value, source: Tensor) -> Value:
    """Count the thresholds that are reached and return the values that stand for the numbers."""
    name, axes, theta = node.name, len(source.shape) - 1, _within(op, source)
    dtype = threshold_type(source)
    given = emitter.plain(x, dtype, name)
    chosen = method(op, source)
    match chosen:
        case Method.COMPARE:
            count = _compared(emitter, name, op, given, dtype, theta, axes)
            return from_counts(emitter, name, op, count)
        case Method.TABLE:
            return _looked_up(emitter, name, op, given, theta, axes)
        case Guess():
            level = emit_guess(emitter, name, chosen, given, dtype, axes)
            return from_counts(emitter, name, op, Value(level, Storage(INT64)))
        case Method.SEARCH:
            count = _searched(emitter, name, op, given, dtype, theta, axes)
            return from_counts(emitter, name, op, count)
        case _:
            assert_never(chosen)


def _within(op: Threshold, source: Tensor) -> Integers:
    return reachable(op.theta, source.low[:, None], source.high[:, None])


def _compared(
    emitter: Emitter,
    name: str,
    op: Threshold,
    x: str,
    dtype: np.dtype[Any],
    theta: Integers,
    axes: int,
) -> Value:
    """Compare with one level after the other."""
    if op.levels == 1:
        return _single(emitter, name, op, x, dtype, theta, axes)
    count = ""
    for level in range(op.levels):
        limit = emitter.constant(per_row(theta[:, level], axes), dtype, f"{name}/theta")
        reached = emitter.emit("GreaterOrEqual", [x, limit], f"{name}/reached")
        one = emitter.cast(reached, INT32, name)  # ONNX Runtime 1.20 cannot add bytes
        last = level == op.levels - 1
        count = (
            emitter.emit("Add", [count, one], name if last else f"{name}/count") if count else one
        )
    return Value(_turned(emitter, name, op, count, INT32, axes), Storage(INT32))


def _single(
    emitter: Emitter,
    name: str,
    op: Threshold,
    x: str,
    dtype: np.dtype[Any],
    theta: Integers,
    axes: int,
) -> Value:
    limit = emitter.constant(per_row(theta[:, 0], axes), dtype, f"{name}/theta")
    reached = emitter.emit("GreaterOrEqual", [x, limit], f"{name}/reached")
    if op.flipped.any():
        flipped = emitter.constant(per_row(op.flipped, axes), bool, f"{name}/flipped")
        reached = emitter.emit("Xor", [reached, flipped], f"{name}/turned")
    return Value(emitter.cast(reached, BYTE, name), Storage(BYTE))


def _turned(
    emitter: Emitter, name: str, op: Threshold, count: str, dtype: np.dtype[Any], axes: int
) -> str:
    """Count what is not reached in flipped channels."""
    if not op.flipped.any():
        return count
    most = emitter.constant(op.levels, dtype, name)
    rest = emitter.emit("Sub", [most, count], f"{name}/rest")
    if op.flipped.all():
        return rest
    flipped = emitter.constant(per_row(op.flipped, axes), bool, f"{name}/flipped")
    return emitter.emit("Where", [flipped, rest, count], f"{name}/turned")


def from_counts(emitter: Emitter, name: str, op: Threshold, count: Value) -> Value:
    """Turn numbers of thresholds into the values ``offset + unit * count``."""
    storage = levels_storage(op)
    if op.unit == 1 and op.offset + storage.zero_point == 0:
        return Value(emitter.convert(count, Storage(storage.dtype), name).name, storage)
    dtype = integer_type(max(abs(op.offset), abs(op.offset + op.unit * op.levels), op.unit))
    x = emitter.plain(count, dtype, name)
    if op.unit > 1:
        x = emitter.emit("Mul", [x, emitter.constant(op.unit, dtype, name)], f"{name}/unit")
    return emitter.convert(Value(x, Storage(dtype, -op.offset)), storage, name)


def _windows(theta: Integers) -> Integers:
    """Return over how many values each channel's levels change."""
    return np.asarray(theta[:, -1] - theta[:, 0] + 2, np.int64)


def _distinct(theta: Integers, flipped: NDArray[np.bool_]) -> tuple[Integers, Integers]:
    """Return rows of thresholds, each followed by whether it is flipped, and each channel's row."""
    rows, places = np.unique(np.column_stack([theta, flipped]), axis=0, return_inverse=True)
    return rows, places.ravel()


def _looked_up(
    emitter: Emitter, name: str, op: Threshold, x: str, theta: Integers, axes: int
) -> Value:
    """Take each value's level from a table that begins just below the first threshold.

    Channels with the same thresholds share a part of it.
    """
    storage = levels_storage(op)
    rows, places = _distinct(theta, op.flipped)
    widths = _windows(rows[:, :-1])
    base = (np.cumsum(widths) - widths)[places]
    first, last = theta[:, 0] - 1, theta[:, -1]
    entries = []
    for row, width in zip(rows, widths, strict=True):
        count = np.searchsorted(row[:-1], row[0] - 1 + np.arange(width), side="right")
        count = op.levels - count if row[-1] else count
        entries.append(op.offset + op.unit * count + storage.zero_point)
    x = emitter.cast(x, INT64, name)
    for extreme, ends in ((emitter.larger, first), (emitter.smaller, last)):
        end = emitter.constant(per_row(ends, axes), INT64, f"{name}/end")
        x = extreme(x, end, f"{name}/cut")
    start = emitter.constant(per_row(base - first, axes), INT64, f"{name}/start")
    place = emitter.emit("Add", [x, start], f"{name}/place")
    table = emitter.constant(np.concatenate(entries), storage.dtype, f"{name}/table")
    return Value(emitter.emit("Gather", [table, place], name), storage)


def _searched(
    emitter: Emitter,
    name: str,
    op: Threshold,
    x: str,
    dtype: np.dtype[Any],
    theta: Integers,
    axes: int,
) -> Value:
    """Search each value's place among its channel's thresholds, halving what is left of them."""
    half = 1 << op.levels.bit_length() - 1
    rows = np.arange(len(theta)) * (2 * half - 1)
    missing = 2 * half - 1 - op.levels
    never = np.iinfo(dtype).max  # no value is as large
    padded = np.pad(theta, ((0, 0), (0, missing)), constant_values=never)
    sorted_theta = emitter.constant(padded.ravel(), dtype, f"{name}/theta")
    before = emitter.constant(per_row(rows, axes), INT32, f"{name}/rows")
    place, count = before, ""
    while half:
        step = emitter.constant(half, INT32, name)
        shift = emitter.constant(half - 1, INT32, name)
        tried = emitter.emit("Add", [place, shift], f"{name}/tried")
        limit = emitter.emit("Gather", [sorted_theta, tried], f"{name}/limit")
        reached = emitter.emit("GreaterOrEqual", [x, limit], f"{name}/reached")
        moved = emitter.emit("Mul", [emitter.cast(reached, INT32, name), step], f"{name}/moved")
        place = emitter.emit("Add", [place, moved], f"{name}/place")
        half //= 2
    count = emitter.emit("Sub", [place, before], name)
    count = _turned(emitter, name, op, count, INT32, axes)
    return Value(count, Storage(INT32))
