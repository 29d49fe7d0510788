"""In which numbers a membrane is computed: unit, what is clipped, and the largest number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgespike.graph import Emits, Membrane, Reset, ResetTime, Tensor
from edgespike.graph.tensor import FLOAT32_LIMIT, Integers


@dataclass(frozen=True)
class Potentials:
    """How the potentials and currents of a membrane are computed in float32.

    Parameters
    ----------
    bits
        Fractional bits of all its numbers: those of the graph, or 0 if none is ever a fraction.
    floors, saturates
        Whether a potential may fall below its floor, or exceed what it saturates at, and is
        therefore clipped there.
    current_saturates
        Whether a synaptic current may saturate.
    largest
        Bound on the magnitude of every number that must be exact, in units of ``2**-bits``.
    """

    bits: int
    floors: bool
    saturates: bool
    current_saturates: bool
    largest: int


def plan_potentials(op: Membrane, tensor: Tensor, steps: int) -> Potentials:
    """Prove how far potentials and currents go for inputs in the range of ``tensor``."""
    least, most = op.potential_range(tensor, steps)
    current = _largest_current(op, tensor, steps)
    clipped = op.saturates(least, most, steps)
    found = _potentials(op, least, most, current, clipped)
    if clipped or found.largest <= FLOAT32_LIMIT:
        return found
    return _potentials(op, least, most, current, clipped=True)  # changes nothing that is used


def _potentials(
    op: Membrane, least: Integers, most: Integers, current: int, clipped: bool
) -> Potentials:
    """Bound all numbers of potentials within ``least..most`` and currents within ``+-current``."""
    saturates = clipped and (op.floor is None or int(most.max()) > op.saturation)
    current_saturates = current > op.saturation
    bits = op.fraction_bits if _has_fractions(op, clipped, saturates, current_saturates) else 0
    lowest = -int(np.min(op.least)) if clipped else -int(least.min())
    highest = op.saturation if saturates else int(most.max())
    largest = _largest(op, max(lowest, highest), saturates)
    largest = max(largest, min(current, op.saturation)) >> op.fraction_bits - bits
    return Potentials(bits, clipped, saturates, current_saturates, largest)


def _largest_current(op: Membrane, tensor: Tensor, steps: int) -> int:
    """Bound a synaptic current before it saturates; 0 if there is none."""
    if op.decay_syn is None:
        return 0
    low, high = op.current_range(tensor, steps)
    return max(-int(low.min()), int(high.max()))


def _largest(op: Membrane, potential: int, saturates: bool) -> int:
    """Bound what is computed of potentials, which themselves have a bound.

    A sum of two exact numbers is rounded once. If it is beyond 2**24, so is the rounded one, and
    it is clipped at less. So only what enters that sum, and what is left after clipping, must be
    exact. Spikes of the step before that are taken from such a sum must leave enough.
    """
    theta = int(op.theta.max()) << op.fraction_bits if fires(op) else 0
    raised = op.reset_time is ResetTime.SAME_STEP_RAISED
    found = [potential + theta * (2 if raised else 1), potential + int(np.abs(op.bias).max())]
    if saturates and op.reset_time is ResetTime.NEXT_STEP and op.reset is Reset.SUBTRACT:
        found.append(op.saturation + op.max_spikes * theta)
    return max(found)


def _has_fractions(op: Membrane, clipped: bool, saturates: bool, current_saturates: bool) -> bool:
    """Return whether a number may not be a whole multiple of the input's unit."""
    one = 1 << op.fraction_bits
    decays = [op.decay, *(() if op.decay_syn is None else (op.decay_syn,))]
    clips: list[int | Integers] = [op.bias]
    if clipped:
        clips.append(op.least)
    if saturates or current_saturates:
        clips.append(op.saturation)
    return (
        op.emits is Emits.POTENTIAL
        or any(bool(np.any((d > 0) & (d < op.decay_one))) for d in map(np.asarray, decays))
        or any(bool(np.any(np.asarray(each) % one)) for each in clips)
    )


def fires(op: Membrane) -> bool:
    """Return whether spikes are emitted, or reset potentials."""
    return op.emits is Emits.SPIKES or op.reset is not Reset.NONE


def keeps_potential(op: Membrane) -> bool:
    """Return whether a step depends on the potential that the step before left."""
    return op.keeps or op.reset_time is ResetTime.SAME_STEP_RAISED


def keeps_current(op: Membrane) -> bool:
    """Return whether a synaptic current of any neuron outlasts a step."""
    return op.decay_syn is not None and int(np.min(op.decay_syn)) < op.decay_one


def keeps_spikes(op: Membrane) -> bool:
    """Return whether a step depends on what the step before fired."""
    return op.reset_time is ResetTime.NEXT_STEP and op.reset is not Reset.NONE
