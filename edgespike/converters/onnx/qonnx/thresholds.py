"""The integers at which a quantiser's code changes, of a value's node."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from edgespike.converters.onnx.model import OnnxNode
from edgespike.converters.onnx.qonnx.quantisers import Quantiser
from edgespike.converters.onnx.qonnx.state import Activation, State, Unsure
from edgespike.converters.onnx.qonnx.steps import (
    Clip,
    Half,
    Line,
    OverRoot,
    Pool,
    Reached,
    Step,
    pull_back,
)
from edgespike.converters.sums import ConversionStoppedError
from edgespike.graph.tensor import FLOAT32_LIMIT, Integers, Tensor

THRESHOLD_LIMIT = 2**22
"""Most thresholds of a layer."""

NEAR = 2.0**-20
"""How near a sum is to a threshold, relative to itself, where float32 may err."""


Found = tuple[int, Integers, NDArray[np.bool_], Unsure]
"""The lowest code, thresholds ``(channels, codes above it)``, which channels are flipped, and the
integers that float32 may quantise otherwise."""


def find(state: State, node: OnnxNode, x: Activation, quantiser: Quantiser) -> Found:
    """Return the thresholds of a quantiser on a value, for the integers of its node."""
    if x.table is not None:
        return _of_table(state, node, x, quantiser)
    return _of_steps(state, node, x, quantiser)


def _of_table(state: State, node: OnnxNode, x: Activation, quantiser: Quantiser) -> Found:
    """Return the thresholds between integers whose float32 values have different codes."""
    tensor, table = state.tensor(x), x.table
    assert table is not None
    with np.errstate(all="ignore"):
        codes = quantiser.codes(table).astype(np.int64)
    change = np.diff(codes, axis=1)
    flipped: NDArray[np.bool_] = np.any(change < 0, axis=1)
    if np.any(np.any(change > 0, axis=1) & flipped):
        raise ConversionStoppedError(f"{node.title} is not monotone in float32; widen its scale")
    lowest = int(codes.min())
    highest = max(int(codes.max()), lowest + 1)  # a node has at least one threshold
    check_size(node.title, len(tensor.low), highest - lowest)
    rows = np.where(flipped[:, None], codes[:, ::-1], codes)
    first = [np.searchsorted(row, np.arange(lowest + 1, highest + 1)) for row in rows]
    low = int(tensor.low.min())
    theta = low + np.stack(first)
    # The number of integers that reach a code, counted from the top of a flipped channel.
    theta = np.where(flipped[:, None], low + codes.shape[1] - np.stack(first), theta)
    channels = len(tensor.low)
    theta = np.broadcast_to(np.sort(theta, axis=1), (channels, theta.shape[1]))
    return lowest, theta, np.broadcast_to(flipped, (channels,)).copy(), {}


def _of_steps(state: State, node: OnnxNode, x: Activation, quantiser: Quantiser) -> Found:
    """Return the thresholds that follow from the steps in fractions."""
    tensor = state.tensor(x)
    groups = _alike(x, tensor, quantiser)

    def reached(channel: int, code: int) -> Reached:
        if quantiser.high is not None and code > quantiser.high:
            return False
        return pull_back(x.steps, channel, quantiser.start(code, channel))

    ends = [
        _code_at(partial(reached, group[0]), int(end[group[0]]), quantiser)
        for group in groups
        for end in (tensor.low, tensor.high)
    ]
    lowest = min(ends)
    highest = max(*ends, lowest + 1)  # a node has at least one threshold
    check_size(node.title, len(tensor.low), highest - lowest)
    theta = np.empty((len(tensor.low), highest - lowest), np.int64)
    flipped = np.zeros(len(tensor.low), np.bool_)
    exact = _is_exact(state, x, quantiser)
    unsure: dict[int, frozenset[int]] = {}
    for group in groups:
        halves = [reached(group[0], code) for code in range(lowest + 1, highest + 1)]
        falls = any(isinstance(half, Half) and half.rest for half in halves)
        low, above = int(tensor.low[group[0]]), int(tensor.high[group[0]]) + 1
        flipped[group] = falls
        theta[group] = sorted(_first(half, low, above, falls=falls) for half in halves)
        near = [] if exact else [_near(half, low, above - 1) for half in halves]
        state.near += len(group) * sum(map(bool, near))
        if any(near):
            unsure.update(dict.fromkeys(group, frozenset().union(*near)))
    state.compared += theta.size
    return lowest, theta, flipped, unsure


def _alike(x: Activation, tensor: Tensor, quantiser: Quantiser) -> list[list[int]]:
    """Return the channels in groups of equal thresholds."""
    found: dict[Any, list[int]] = defaultdict(list)
    for channel, ends in enumerate(zip(tensor.low.tolist(), tensor.high.tolist(), strict=True)):
        constants = [_constants(step, channel) for step in x.steps]
        own = channel if quantiser.rows > 1 else 0
        found[(*ends, *constants, own)].append(channel)
    return list(found.values())


def _constants(step: Step, channel: int) -> tuple[Fraction, ...]:
    match step:
        case Line(factor, offset):
            return factor[channel], offset[channel]
        case OverRoot(square):
            return (square[channel],)
        case Clip() | Pool():
            return ()
        case _:
            assert_never(step)


def check_size(path: str, channels: int, levels: int) -> None:
    """Raise an error for a layer of more thresholds than the limit."""
    if channels * levels > THRESHOLD_LIMIT:
        raise ConversionStoppedError(
            f"{path} has {levels + 1} levels that can be reached in {channels} channels; the "
            f"limit is {THRESHOLD_LIMIT} thresholds, so use fewer bits"
        )


def _code_at(reached: Callable[[int], Reached], number: int, quantiser: Quantiser) -> int:
    """Return the code of one integer."""

    def holds(code: int) -> bool:
        half = reached(code)
        return half if isinstance(half, bool) else half.holds(Fraction(number))

    low, high = quantiser.low, quantiser.high
    if low is None or high is None:
        low, high = -1, 1
        while not holds(low):
            low *= 2
        while holds(high):
            high *= 2
        high -= 1
    while low < high:  # holds(low), and not holds(high + 1)
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low


def _first(half: Reached, low: int, above: int, *, falls: bool) -> int:
    if isinstance(half, bool):
        return low if half != falls else above
    return min(max(half.first, low), above)


def _near(half: Reached, low: int, high: int) -> frozenset[int]:
    """Return the integers within a range that are as near a bound as float32 may err."""
    if isinstance(half, bool):
        return frozenset()
    bound, error = half.near
    within = [number for number in (half.first - 1, half.first) if low <= number <= high]
    return frozenset(n for n in within if abs(bound - n) - error <= NEAR * max(abs(n), 1))


def _is_exact(state: State, x: Activation, quantiser: Quantiser) -> bool:
    """Return whether float32 holds everything that the comparison computes."""
    line = state.line_of(x)
    if line is None or not all(map(_is_power, (*line.factor, *quantiser.factor))):
        return False
    tensor = state.tensor(x)
    largest = max(abs(end) for end in tensor.bounds)
    shifts = (offset / factor for factor, offset in zip(line.factor, line.offset, strict=True))
    return all((largest + abs(shift)) * shift.denominator < FLOAT32_LIMIT for shift in shifts)


def _is_power(value: Fraction) -> bool:
    """Return whether a value is a power of two, or minus one."""
    return all(n & (n - 1) == 0 and n for n in (abs(value.numerator), value.denominator))
