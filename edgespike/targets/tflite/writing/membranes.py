"""Emit integrate-and-fire neurons in float32 with whole numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from edgespike.graph import Comparison, Emits, Membrane, Reset, ResetTime
from edgespike.graph.tensor import Integers
from edgespike.targets.tflite.planning.membranes import Potentials, fires
from edgespike.targets.tflite.writing.decays import emit_decayed
from edgespike.targets.tflite.writing.emitter import Emitter, Value
from edgespike.targets.tflite.writing.schema import Activation
from edgespike.targets.tflite.writing.steps import join_steps, split_steps

Parameter = NDArray[np.float64]
"""Of all neurons, of each channel, or of each neuron, channels last."""


@dataclass(frozen=True)
class Kept:
    """What neurons leave to the next step; ``None`` for what they do not have, or at the start.

    Parameters
    ----------
    v, current
        Potential and synaptic current.
    fired
        Spikes.
    """

    v: Value | None = None
    current: Value | None = None
    fired: Value | None = None


@dataclass(frozen=True)
class MembraneEmitter:
    """Emits the steps of one node's neurons.

    Parameters
    ----------
    emitter
        Adds the operators.
    op, numbers
        The neurons, and in which numbers they are computed.
    """

    emitter: Emitter
    op: Membrane
    numbers: Potentials

    def whole_sample(self, name: str, x: Value) -> Value:
        """Emit all steps, which share the first dimension of ``x`` with the samples."""
        kept = Kept()
        outputs = []
        for current in split_steps(self.emitter, self.scaled(x)):
            output, kept = self.step(current, kept)
            outputs.append(output)
        return join_steps(self.emitter, outputs, x.shape, name)

    def scaled(self, x: Value) -> Value:
        """Return accumulators as whole numbers of the unit of potentials, ``2**-bits``."""
        one = 2.0**self.numbers.bits
        return self.emitter.elementwise("MUL", x, one) if one > 1 else x

    def step(self, x: Value, before: Kept) -> tuple[Value, Kept]:
        """Emit one step.

        Parameters
        ----------
        x
            What arrives at this step, as :meth:`scaled` returns it.
        before
            What the step before left.

        Returns
        -------
        output, kept
            What the neurons emit, and what they leave to the next step.
        """
        op = self.op
        current = None if op.decay_syn is None else self._current(op.decay_syn, x, before.current)
        v = self._integrated(current or x, before)
        if self.numbers.floors:
            v = self._binary("MAXIMUM", v, self._unit(op.least, v))
        if self.numbers.saturates:
            v = self._binary("MINIMUM", v, self._unit(op.saturation, v))
        output, fired = v, None
        if fires(op):
            fired = self._fired(v, before.v)
            output = fired if op.emits is Emits.SPIKES else v
            if op.reset_time is not ResetTime.NEXT_STEP:
                v = self._reset(v, fired)
        return output, Kept(v, current, fired)

    def _current(self, decay: int | Integers, x: Value, before: Value | None) -> Value:
        """Add what arrives to what is left of the synaptic current."""
        if before is None or int(np.min(decay)) == self.op.decay_one:
            current = x
        else:
            current = self._binary("ADD", x, self._decayed(before, decay))
        if self.numbers.current_saturates:
            most = self._unit(self.op.saturation, x)
            current = self._binary("MINIMUM", self._binary("MAXIMUM", current, -most), most)
        return current

    def _integrated(self, current: Value, before: Kept) -> Value:
        """Add the current and the bias to what is left of the potential.

        The current is added last: that sum may be beyond 2**24 if it is clipped afterwards.
        """
        op = self.op
        bias = self._unit(op.bias, current) if np.any(op.bias) else None
        if before.v is not None and op.keeps:
            left = self._decayed(before.v, op.decay)
            left = left if bias is None else self._binary("ADD", left, bias)
            v = self._binary("ADD", current, left)
        else:
            v = current if bias is None else self._binary("ADD", current, bias)
        if before.fired is not None and op.reset_time is ResetTime.NEXT_STEP:
            v = self._reset(v, before.fired)
        return v

    def _decayed(self, v: Value, decay: int | Integers) -> Value:
        kept = _each(self.op.decay_one - np.asarray(decay), v)
        return emit_decayed(self.emitter, v, kept, self.op.decay_bits)

    def _fired(self, v: Value, before: Value | None) -> Value:
        """Compare with the threshold, twice as high where the potential was still above it."""
        if self.op.reset_time is ResetTime.SAME_STEP_RAISED and before is not None:
            above = self._count(before)
            v = self._binary("SUB", v, self._binary("MUL", above, self._theta(v)))
        return self._count(v)

    def _count(self, v: Value) -> Value:
        """Count the multiples of theta that v reaches or exceeds, up to ``max_spikes``."""
        theta, strict = self._theta(v), int(self.op.comparison is Comparison.GREATER)
        if self.op.max_spikes == 1:
            above = self._binary("ADD", v, 1 - strict - theta, Activation.RELU)
            return self._binary("MINIMUM", above, 1.0)
        enough = self._binary("ADD", v, -float(strict), Activation.RELU)
        # The rounded quotient is off by at most one; its remainder tells whether, and which way.
        quotient = self._binary("MUL", enough, 1 / theta)
        guess = self.emitter.emit("floor", "FLOOR", [quotient.index], v.shape, steps=1)
        rest = self._binary("SUB", enough, self._binary("MUL", guess, theta))
        more = self._binary("ADD", rest, 1 - theta, Activation.RELU)
        less = self._binary("MUL", rest, -1.0, Activation.RELU)
        exact = self._binary("ADD", guess, self._binary("MINIMUM", more, 1.0))
        exact = self._binary("SUB", exact, self._binary("MINIMUM", less, 1.0))
        return self._binary("MINIMUM", exact, float(self.op.max_spikes))

    def _reset(self, v: Value, fired: Value) -> Value:
        match self.op.reset:
            case Reset.SUBTRACT:
                return self._binary("SUB", v, self._binary("MUL", fired, self._theta(v)))
            case Reset.ZERO:
                several = self.op.max_spikes > 1
                any_spike = self._binary("MINIMUM", fired, 1.0) if several else fired
                return self._binary("SUB", v, self._binary("MUL", v, any_spike))
            case Reset.NONE:
                return v
            case _:
                assert_never(self.op.reset)

    def _theta(self, like: Value) -> Parameter:
        return _each(self.op.theta, like) * 2.0**self.numbers.bits

    def _unit(self, parameter: int | Integers, like: Value) -> Parameter:
        """Return a parameter that the graph gives in ``2**-fraction_bits``, in units of here."""
        return _each(parameter, like) / 2.0 ** (self.op.fraction_bits - self.numbers.bits)

    def _binary(
        self,
        operator: str,
        left: Value,
        right: Value | Parameter | float,
        activation: Activation = Activation.NONE,
    ) -> Value:
        return self.emitter.elementwise(operator, left, right, activation, steps=1)


def _each(parameter: int | Integers, like: Value) -> Parameter:
    """Return a parameter in the axes of a value."""
    array = np.asarray(parameter, np.float64)
    return array if array.ndim < 2 else np.moveaxis(array, 0, -1).reshape(like.shape)
