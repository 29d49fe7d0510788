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
from edgespike.graph.ops.neurons import DECAY_ONE, FRACTION_BITS
from edgespike.targets.cpu.stateless import Array
from edgespike.targets.shared.number_types import narrow_type

State = Any
StatefulKernel = Callable[[Array, State, int], tuple[Array, State]]
"""From values, state and number of steps to values and state."""

_DECAY_BITS = DECAY_ONE.bit_length() - 1


def prepare_membrane(op: Membrane, source: Tensor, graph_steps: int) -> StatefulKernel:
    """Step integrate-and-fire neurons, in int32 where their proven range allows it.

    ``graph_steps`` is the number of steps of a sample, which the range depends on.
    """
    least, most = op.potential_range(source, graph_steps)
    saturates = op.saturates(least, most, graph_steps)
    highest = int(most.max())
    one = 1 << FRACTION_BITS
    dtype = np.dtype(np.int32 if max(-int(least.min()), highest) + one < 2**31 else np.int64)
    # A threshold above the range is never reached; just above it, it fits the type.
    theta = (np.minimum(op.theta, (most >> FRACTION_BITS) + 1) << FRACTION_BITS).astype(dtype)
    spike_type = narrow_type(0, op.max_spikes)
    most_spikes = min(op.max_spikes, highest)
    compare = np.greater if op.comparison is Comparison.GREATER else np.greater_equal

    def fire(v: Array) -> Array:
        if op.max_spikes == 1:
            reached: Array = compare(v, theta)
            return reached
        enough = v if compare is np.greater_equal else v - 1
        spikes: Array = np.clip(enough // theta, 0, most_spikes)
        return spikes

    def reset(v: Array, spikes: Array) -> None:
        if op.reset is Reset.ZERO:
            v *= spikes == 0
        elif op.reset is Reset.SUBTRACT:
            v -= spikes * theta

    def run(x: Array, state: State, steps: int) -> tuple[Array, State]:
        out = np.empty((steps, *x.shape[1:]), spike_type)
        v, spikes = state or (np.zeros(x.shape[1:], dtype), np.zeros(x.shape[1:], dtype))
        for step in range(steps):
            v = _decay(v, op.decay)
            v += x[step % len(x)].astype(dtype) << FRACTION_BITS
            if op.reset_time is ResetTime.NEXT_STEP:
                reset(v, spikes)
            if saturates:  # what is within the range before it saturates fits the type
                np.clip(v, -op.saturation, op.saturation, out=v)
            spikes = fire(v)
            out[step] = spikes
            if op.reset_time is ResetTime.SAME_STEP:
                reset(v, spikes)
        return out, (v, spikes)

    return run


def _decay(v: Array, decay: int) -> Array:
    """Multiply by ``(4096 - decay) / 4096``, towards zero; no product overflows the type."""
    if decay == 0:
        return v
    magnitude, kept = np.abs(v), DECAY_ONE - decay
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
