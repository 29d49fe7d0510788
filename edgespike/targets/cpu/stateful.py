"""Fast kernels of the operations that carry state from step to step.

They take arrays ``(steps, batch, *shape)``, channels last, where a first axis of 1 stands for the
same values at every step, and the state after the previous step, ``None`` at the start of a sample.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from typing_extensions import assert_never

from edgespike.graph import (
    Comparison,
    Delay,
    Emits,
    Membrane,
    Readout,
    ReadoutMode,
    Reset,
    ResetTime,
    Tensor,
)
from edgespike.graph.tensor import Integers
from edgespike.targets.cpu.stateless import Array
from edgespike.targets.shared.number_types import narrow_type, sum_type

State = Any
StatefulKernel = Callable[[Array, State, int], tuple[Array, State]]
"""From values, state and number of steps to values and state."""


def prepare_membrane(
    op: Membrane, source: Tensor, output: Tensor, graph_steps: int
) -> StatefulKernel:
    """Step integrate-and-fire neurons, in floating point where their range is exact there.

    Where nothing in them is a fraction, potentials are whole numbers; else they are counted in
    units of ``2**-fraction_bits``. ``graph_steps`` is the number of steps of a sample, which the
    range depends on.
    """
    numbers = _Numbers.of(op, source, graph_steps)
    unit, dtype = numbers.unit, numbers.dtype
    fraction = 1 << op.fraction_bits
    most = numbers.most
    # A threshold above the range is never reached; just above it, it fits the type.
    theta = _at_each_neuron(np.minimum(op.theta, most // unit + 1) * unit, output, dtype)
    kept = _kept(op, op.decay, output, dtype) if np.any(op.decay) else None
    kept_syn = None if op.decay_syn is None else _kept(op, op.decay_syn, output, dtype)
    back = fraction // unit  # divided by at once: multiplied by the unit first, they may wrap
    bias = _at_each_neuron(op.bias // back, output, dtype)
    least = _at_each_neuron(np.asarray(op.least) // back, output, dtype)
    highest = op.saturation // back
    spike_type = narrow_type(0, op.max_spikes)
    most_spikes = min(op.max_spikes, most)
    compare = np.greater if op.comparison is Comparison.GREATER else np.greater_equal
    emits_spikes = op.emits is Emits.SPIKES
    raised = op.reset_time is ResetTime.SAME_STEP_RAISED

    def fire(v: Array, theta: Array, spikes: Array) -> None:
        if op.max_spikes == 1:
            compare(v, theta, out=spikes.view(np.bool_))
            return
        enough = v if compare is np.greater_equal else v - 1
        np.clip(enough // theta, 0, most_spikes, out=spikes, casting="unsafe")

    def reset(v: Array, spikes: Array) -> None:
        if op.reset is Reset.ZERO:
            v *= spikes == 0
        elif op.reset is Reset.SUBTRACT:
            v -= np.multiply(spikes, theta, dtype=dtype)

    def run(x: Array, state: State, steps: int) -> tuple[Array, State]:
        rows = x.reshape(*x.shape[:2], -1)  # the operations below are fastest on long rows
        shape = rows.shape[1:]
        fired = np.empty((steps if emits_spikes else 1, *shape), spike_type)
        out = fired if emits_spikes else np.empty((steps, *shape), narrow_type(*output.bounds))
        v, i, spikes = state or (
            np.zeros(shape, dtype),
            None if kept_syn is None else np.zeros(shape, dtype),
            np.zeros(shape, spike_type),
        )
        for step in range(steps):
            reached = theta * (1 + compare(v, theta)) if raised else theta
            if kept is not None:
                v = _decay(v, kept, op.decay_bits)
            current = _scaled(rows[step % len(rows)], unit, dtype)
            if kept_syn is not None and i is not None:
                i = _decay(i, kept_syn, op.decay_bits)
                i += current
                if numbers.current_saturates:
                    np.clip(i, -highest, highest, out=i)
                current = i
            v += current
            if numbers.biased:
                v += bias
            if op.reset_time is ResetTime.NEXT_STEP:
                reset(v, spikes)
            if numbers.saturates:  # what is within the range before it saturates fits the type
                np.clip(v, least, highest, out=v)
            if not emits_spikes:
                np.multiply(v, back, out=out[step], casting="unsafe")
            spikes = fired[step if emits_spikes else 0]
            fire(v, reached, spikes)
            if op.reset_time is not ResetTime.NEXT_STEP:
                reset(v, spikes)
        return out.reshape(steps, *x.shape[1:]), (v, i, spikes.copy())

    return run


@dataclass(frozen=True)
class _Numbers:
    """How a membrane's potentials are kept.

    Parameters
    ----------
    unit
        What one whole number counts as: 1, or ``2**fraction_bits``.
    most
        Largest potential before it saturates, in this unit.
    dtype
        A type in which every number and product is exact.
    saturates, current_saturates, biased
        Whether potentials or currents may have to be clipped, and whether there is a bias.
    """

    unit: int
    most: int
    dtype: np.dtype[Any]
    saturates: bool
    current_saturates: bool
    biased: bool

    @classmethod
    def of(cls, op: Membrane, source: Tensor, steps: int) -> _Numbers:
        """Find them from the proven ranges."""
        fraction = 1 << op.fraction_bits
        low, high = op.potential_range(source, steps)
        saturates = op.saturates(low, high, steps)
        fractional = np.any(op.decay) or op.decay_syn is not None or np.any(op.bias % fraction)
        unit = fraction if fractional or saturates else 1
        least, most = (int(bound) // fraction * unit for bound in (low.min(), high.max()))
        magnitude = max(-least, most) + unit
        if op.decay_syn is not None:
            currents = op.current_range(source, steps)
            magnitude += max(int(np.abs(end).max()) for end in currents)
        magnitude += int(np.abs(op.bias).max()) * unit // fraction
        if op.reset_time is ResetTime.SAME_STEP_RAISED:
            magnitude *= 2
        # Products with what a decay keeps are exact too.
        decays = [each for each in (op.decay, op.decay_syn) if each is not None and np.any(each)]
        factor = max([1, *(op.decay_one - int(np.min(each)) for each in decays)])
        return cls(
            unit,
            most,
            sum_type(float(magnitude * factor)),
            saturates,
            op.current_saturates(source, steps),
            bool(np.any(op.bias)),
        )


def _kept(op: Membrane, decay: int | Integers, output: Tensor, dtype: np.dtype[Any]) -> Array:
    """Return what a decay keeps, in units of ``2**-decay_bits``, for all neurons."""
    return _at_each_neuron(op.decay_one - np.asarray(decay), output, dtype)


def _at_each_neuron(values: int | Integers, output: Tensor, dtype: np.dtype[Any]) -> Array:
    """Repeat a parameter for all neurons, channels last; one number if all agree."""
    array = np.asarray(values)
    if (array == array.flat[0]).all():
        return array.ravel()[:1].astype(dtype)
    if array.ndim == 1:
        every: Array = np.tile(array, output.size // len(array)).astype(dtype)
        return every
    return np.moveaxis(array, 0, -1).ravel().astype(dtype)


def _scaled(x: Array, unit: int, dtype: np.dtype[Any]) -> Array:
    x = x.astype(dtype, copy=False)
    return x * dtype.type(unit) if unit > 1 else x


def _decay(v: Array, kept: Array, bits: int) -> Array:
    """Multiply by ``kept / 2**bits``, towards zero."""
    if v.dtype.kind == "f":  # the product is exact, so only its fraction is dropped
        v *= kept / (1 << bits)
        return np.trunc(v, out=v)
    magnitude = np.abs(v)
    whole = (magnitude >> bits) * kept
    part = (magnitude & ((1 << bits) - 1)) * kept >> bits
    return np.sign(v) * (whole + part)


def prepare_delay(op: Delay, output: Tensor) -> StatefulKernel:
    """Move values to the next step."""
    dtype = narrow_type(*output.bounds)

    def run(x: Array, state: State, steps: int) -> tuple[Array, State]:
        out = np.empty((steps, *x.shape[1:]), dtype)
        out[0] = op.initial if state is None else state
        out[1:] = x[: steps - 1]
        return out, x[-1]

    return run


def prepare_readout(op: Readout, output: Tensor) -> StatefulKernel:
    """Add up accumulators over the steps, return each step's own, or the largest so far."""
    dtype = narrow_type(*output.bounds)

    def run_last(x: Array, state: State, steps: int) -> tuple[Array, State]:
        return x.astype(dtype), None

    def run(x: Array, state: State, steps: int) -> tuple[Array, State]:
        each = np.broadcast_to(x, (steps, *x.shape[1:]))
        totals = np.cumsum(each, axis=0, dtype=np.int64)
        if state is not None:
            totals += state
        return totals.astype(dtype), totals[-1]

    def run_max(x: Array, state: State, steps: int) -> tuple[Array, State]:
        each = np.broadcast_to(x, (steps, *x.shape[1:]))
        largest = np.maximum.accumulate(each, axis=0)
        if state is not None:
            largest = np.maximum(largest, state)
        return largest.astype(dtype), largest[-1]

    match op.mode:
        case ReadoutMode.SUM:
            return run
        case ReadoutMode.LAST:
            return run_last
        case ReadoutMode.MAX:
            return run_max
        case _:
            assert_never(op.mode)
