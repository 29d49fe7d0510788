"""Thresholds and membranes as the native engine computes them."""

from __future__ import annotations

import numpy as np

from edgespike.graph import (
    Comparison,
    Emits,
    Membrane,
    ResetTime,
    Tensor,
    Threshold,
)
from edgespike.graph.ops.threshold import reachable
from edgespike.graph.tensor import Integers
from edgespike.targets.cpu.native.codes import (
    MOST_LEVELS,
    SPLIT_BITS,
    WIDE_LIMIT,
    CellKind,
    Method,
    ResetCode,
    ResetTimeCode,
)
from edgespike.targets.cpu.native.words import INT32, Words
from edgespike.targets.shared.lines import LevelLine, fit_line

COMPARED_LEVELS = 24
"""Most levels of a channel that are compared one by one; more are searched."""

FEW_LEVELS = 8
"""Most levels that are compared even where a line is exact."""


def write_threshold(words: Words, op: Threshold, source: Tensor) -> None:
    """Write thresholds as ``read_threshold`` in ``engine.c`` reads them."""
    theta = reachable(op.theta.T, source.low, source.high).T
    line = fit_line(op, source) if op.levels > FEW_LEVELS else None
    words.add(CellKind.THRESHOLD, op.levels, op.offset, op.unit)
    words.add(method := _method(op, line), bool(op.flipped.any()))
    words.array(-op.flipped.astype(np.int64))
    if line is not None and method in (Method.LINE, Method.NEAR):
        words.reals(np.stack([line.slope, line.offset]))
    match method:
        case Method.LINE:
            pass
        case Method.NEAR:
            assert line is not None
            assert line.following is not None
            words.array(line.following.astype(np.int64))
        case Method.SEARCH:
            words.array(theta)
        case Method.COMPARE:
            words.array(theta.T)


def _method(op: Threshold, line: LevelLine | None) -> Method:
    if line is not None and line.following is None:
        return Method.LINE
    if op.levels <= COMPARED_LEVELS:
        return Method.COMPARE
    return Method.SEARCH if line is None else Method.NEAR


def threshold_fits(op: Threshold, source: Tensor) -> bool:
    """Return whether the engine computes thresholds in 32 bits."""
    low, high = source.bounds
    largest = max(-low, high + 1, abs(op.offset) + op.unit * (op.levels + 1))
    return largest <= INT32 and op.levels <= MOST_LEVELS


def write_membrane(words: Words, op: Membrane, source: Tensor, steps: int) -> None:
    """Write membranes as ``read_membrane`` in ``engine.c`` reads them."""
    numbers = _Numbers(op, source, steps)
    unit, fraction = numbers.unit, 1 << op.fraction_bits
    back = fraction // unit
    biased = bool(np.any(op.bias))
    spikes = op.emits is Emits.SPIKES
    words.add(CellKind.MEMBRANE, not spikes, op.comparison is Comparison.GREATER)
    words.add(ResetCode[op.reset.name], ResetTimeCode[op.reset_time.name])
    words.add(numbers.decays, op.decay_syn is not None, numbers.current_saturates)
    words.add(numbers.saturates, biased, numbers.wide, op.decay_bits)
    words.add(spikes and not biased, numbers.one_product)
    parameters = [
        # A threshold above the range is never reached; just above it, it fits 32 bits.
        np.minimum(op.theta, numbers.most // unit + 1) * unit,
        op.decay_one - np.asarray(op.decay),
        np.zeros((), np.int64) if op.decay_syn is None else op.decay_one - np.asarray(op.decay_syn),
        np.asarray(op.bias) // back,
        numbers.whole(np.asarray(op.least)),
    ]
    per_neuron = len(source.shape) == 3 and any(each.ndim == 3 for each in parameters)
    most_spikes = min(op.max_spikes, INT32)
    highest = int(numbers.whole(np.asarray(op.saturation)))
    # More than 32 bits are not needed: potentials that are emitted fit, times this factor.
    factor = min(back, INT32)
    words.add(per_neuron, unit, factor, most_spikes, min(highest, numbers.limit))
    for each in parameters:
        words.array(_rows(np.clip(each, -numbers.limit, numbers.limit), source, per_neuron))


def membrane_fits(op: Membrane, source: Tensor, steps: int) -> bool:
    """Return whether the engine computes membranes in 64 bits."""
    return _Numbers(op, source, steps).magnitude < WIDE_LIMIT


class _Numbers:
    """How potentials are kept.

    Where nothing in them is a fraction, they are whole numbers: rounded down to one, a potential
    reaches the same thresholds and stays the same as if it were kept in full, whatever fraction its
    floor has (rounded up, if it must exceed its threshold instead of reaching it).
    """

    def __init__(self, op: Membrane, source: Tensor, steps: int) -> None:
        fraction = 1 << op.fraction_bits
        low, high = op.potential_range(source, steps)
        self.decays = bool(np.any(op.decay))
        self.saturates = op.saturates(low, high, steps)
        self.current_saturates = op.current_saturates(source, steps)
        fractional = self.decays or op.decay_syn is not None or np.any(op.bias % fraction)
        if op.emits is Emits.POTENTIAL and self.saturates:
            fractional = True
        self.unit = fraction if fractional else 1
        self._up = op.comparison is Comparison.GREATER
        self._back = fraction // self.unit
        least, self.most = (int(end) // fraction * self.unit for end in (low.min(), high.max()))
        magnitude = max(-least, self.most) + 2 * self.unit
        if op.decay_syn is not None:
            magnitude += max(int(np.abs(end).max()) for end in op.current_range(source, steps))
        magnitude += int(np.abs(op.bias).max()) // self._back
        magnitude += max(abs(bound) for bound in source.bounds) * self.unit
        if op.reset_time is ResetTime.SAME_STEP_RAISED:
            magnitude *= 2
        self.magnitude = magnitude
        kept = op.decay_one - int(np.min(op.decay))
        self.one_product = magnitude * kept <= INT32
        in_parts = op.decay_syn is not None or (self.decays and not self.one_product)
        self.wide = magnitude > INT32 or (in_parts and op.decay_bits > SPLIT_BITS)
        self.limit = WIDE_LIMIT if self.wide else INT32

    def whole(self, values: Integers) -> Integers:
        """Return bounds of potentials in the unit in which they are kept."""
        return -(-values // self._back) if self._up else values // self._back


def _rows(values: Integers, source: Tensor, per_neuron: bool) -> Integers:
    """Return a parameter as a row of all channels, or one for each position."""
    channels, *positions = source.shape
    if values.ndim <= 1:
        row = np.broadcast_to(values, (channels,))
        if not per_neuron:
            return np.asarray(row)
        return np.broadcast_to(row, (*positions, channels))
    return np.moveaxis(values, 0, -1)
