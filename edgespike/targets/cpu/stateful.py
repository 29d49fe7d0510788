"""Fast kernels of the operations that carry state from step to step.

They take arrays ``(steps, batch, *shape)``, channels last, where a first axis of 1 stands for the
same values at every step, and the state after the previous step, ``None`` at the start of a sample.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgespike.graph import (
    Comparison,
    Delay,
    Membrane,
    Readout,
    ReadoutMode,
    Reset,
    ResetTime,
    Tensor,
)
from edgespike.graph.ops.membrane import DECAY_ONE, FRACTION_BITS
from edgespike.targets.cpu.stateless import Array
from edgespike.targets.shared.number_types import narrow_type, sum_type

State = Any
StatefulKernel = Callable[[Array, State, int], tuple[Array, State]]
"""From values, state and number of steps to values and state."""

_DECAY_BITS = DECAY_ONE.bit_length() - 1


def prepare_membrane(
    op: Membrane, source: Tensor, output: Tensor, graph_steps: int
) -> StatefulKernel:
    """Step integrate-and-fire neurons, in floating point where their range is exact there.

    Without a decay or saturation, potentials are whole numbers; else they are counted in units of
    ``2**-FRACTION_BITS``. ``graph_steps`` is the number of steps of a sample, which the range
    depends on.
    """
    fraction = 1 << FRACTION_BITS
    low, high = op.potential_range(source, graph_steps)
    saturates = op.saturates(low, high, graph_steps)
    unit = fraction if op.decay or saturates else 1
    least, most = (int(bound) // fraction * unit for bound in (low.min(), high.max()))
    kept = DECAY_ONE - op.decay
    # Products with what a decay keeps are exact too.
    dtype = sum_type(float((max(-least, most) + unit) * (max(kept, 1) if op.decay else 1)))
    # A threshold above the range is never reached; just above it, it fits the type.
    theta = _at_each_neuron(np.minimum(op.theta, most // unit + 1) * unit, output, dtype)
    spike_type = narrow_type(0, op.max_spikes)
    most_spikes = min(op.max_spikes, most)
    compare = np.greater if op.comparison is Comparison.GREATER else np.greater_equal

    def fire(v: Array, spikes: Array) -> None:
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
        out = np.empty((steps, *shape), spike_type)
        v, spikes = state or (np.zeros(shape, dtype), np.zeros(shape, spike_type))
        for step in range(steps):
            if op.decay:
                v = _decay(v, kept)
            v += _scaled(rows[step % len(rows)], unit, dtype)
            if op.reset_time is ResetTime.NEXT_STEP:
                reset(v, spikes)
            if saturates:  # what is within the range before it saturates fits the type
                np.clip(v, -op.saturation, op.saturation, out=v)
            spikes = out[step]
            fire(v, spikes)
            if op.reset_time is ResetTime.SAME_STEP:
                reset(v, spikes)
        return out.reshape(steps, *x.shape[1:]), (v, spikes)

    return run


def _at_each_neuron(theta: Array, output: Tensor, dtype: np.dtype[Any]) -> Array:
    """Repeat each channel's threshold for all neurons, channels last; one number if all agree."""
    theta = theta.astype(dtype)
    if (theta == theta[0]).all():
        return theta[:1]
    every: Array = np.tile(theta, output.size // len(theta))
    return every


def _scaled(x: Array, unit: int, dtype: np.dtype[Any]) -> Array:
    x = x.astype(dtype, copy=False)
    return x * dtype.type(unit) if unit > 1 else x


def _decay(v: Array, kept: int) -> Array:
    """Multiply by ``kept / 4096``, towards zero."""
    if v.dtype.kind == "f":  # the product is exact, so only its fraction is dropped
        v *= kept / DECAY_ONE
        return np.trunc(v, out=v)
    magnitude = np.abs(v)
    whole = (magnitude >> _DECAY_BITS) * kept
    part = (magnitude & (DECAY_ONE - 1)) * kept >> _DECAY_BITS
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
    """Add up accumulators over the steps, or return each step's own."""
    dtype = narrow_type(*output.bounds)

    def run_last(x: Array, state: State, steps: int) -> tuple[Array, State]:
        return x.astype(dtype), None

    def run(x: Array, state: State, steps: int) -> tuple[Array, State]:
        each = np.broadcast_to(x, (steps, *x.shape[1:]))
        totals = np.cumsum(each, axis=0, dtype=np.int64)
        if state is not None:
            totals += state
        return totals.astype(dtype), totals[-1]

    return run_last if op.mode is ReadoutMode.LAST else run
