"""Integrate-and-fire membranes: one step, in int32 or int64."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from typing_extensions import assert_never

from edgespike.graph import Comparison, Emits, Membrane, Node, Reset, ResetTime, Tensor
from edgespike.graph.tensor import Integers
from edgespike.targets.onnx.emitter import BYTE, Emitter, Storage, Value, integer_type, storage_for

LARGEST_PRODUCT = 2**62
"""Largest product of a potential and a decay in int64; larger ones are computed in two parts."""


@dataclass(frozen=True)
class State:
    """What is carried from step to step.

    Parameters
    ----------
    name
        The node's name, for a membrane followed by which of its states it is.
    shape
        Without the batch.
    storage
        How it is stored.
    initial
        Value of all elements at a sample's first step.
    """

    name: str
    shape: tuple[int, ...]
    storage: Storage
    initial: int = 0


def potential_type(op: Membrane, source: Tensor, steps: int) -> np.dtype[Any]:
    """Return the type in which everything about a membrane is computed."""
    ends = [*op.potential_range(source, steps), *op.current_range(source, steps)]
    largest = max(int(np.abs(end).max()) for end in ends)
    theta = int(op.theta.max()) << op.fraction_bits
    largest = max(largest, 2 * theta, int(np.abs(op.bias).max()))
    decays = np.any(op.decay) or (op.decay_syn is not None and np.any(op.decay_syn))
    return integer_type(largest * (op.decay_one if decays else 1))


def membrane_states(node: Node, op: Membrane, source: Tensor, steps: int) -> list[State]:
    """Return the potential, the current and late spikes, as far as a membrane has them."""
    numbers = Storage(potential_type(op, source, steps))
    states = [State(f"{node.name}:potential", source.shape, numbers)]
    if op.decay_syn is not None:
        states.append(State(f"{node.name}:current", source.shape, numbers))
    if op.reset_time is ResetTime.NEXT_STEP and op.reset is not Reset.NONE:
        states.append(State(f"{node.name}:spikes", source.shape, spikes_storage(op)))
    return states


def spikes_storage(op: Membrane) -> Storage:
    """Return how numbers of spikes are stored."""
    return storage_for(0, op.max_spikes)


class MembraneStep:
    """Emits one step of a membrane.

    Parameters
    ----------
    emitter
        Takes the operators.
    node, op, dtype
        The node, its operation, and the type of all numbers.
    """

    def __init__(self, emitter: Emitter, node: Node, op: Membrane, dtype: np.dtype[Any]) -> None:
        self._emitter, self._name, self._op, self._dtype = emitter, node.name, op, dtype
        self._axes = 0

    def run(
        self, x: Value, axes: int, before: Mapping[str, Value]
    ) -> tuple[Value, dict[str, Value]]:
        """Return what it emits, and its states after the step.

        ``axes`` is the number of the input's axes after the channels. ``before`` holds its states,
        or nothing at a sample's first step.
        """
        op, self._axes = self._op, axes
        potential, current, spikes = (
            before.get(f"{self._name}:{part}") for part in ("potential", "current", "spikes")
        )
        after: dict[str, Value] = {}
        arriving = self._emitter.plain(x, self._dtype, self._name)
        if op.fraction_bits:
            arriving = self._with("Mul", arriving, 1 << op.fraction_bits, "scaled")
        if op.decay_syn is not None:
            arriving = self._decayed_sum(current, op.decay_syn, arriving)
            arriving = self._clipped(arriving, -op.saturation, op.saturation)
            after[f"{self._name}:current"] = Value(arriving, Storage(self._dtype))
        v = self._decayed_sum(potential, op.decay, arriving)
        if np.any(op.bias):
            v = self._with("Add", v, op.bias, "biased")
        if spikes is not None:
            v = self._reset(v, spikes)
        v = self._clipped(v, op.least, op.saturation)
        fired = self._fired(v, potential)
        kept = v if op.reset_time is ResetTime.NEXT_STEP else self._reset(v, fired)
        after[f"{self._name}:potential"] = Value(kept, Storage(self._dtype))
        if op.reset_time is ResetTime.NEXT_STEP and op.reset is not Reset.NONE:
            after[f"{self._name}:spikes"] = fired
        output = fired if op.emits is Emits.SPIKES else Value(v, Storage(self._dtype))
        return output, after

    def _constant(self, values: int | Integers, what: str) -> str:
        array = np.asarray(values)
        if array.ndim == 1:
            array = array.reshape(-1, *(1,) * self._axes)
        return self._emitter.constant(array, self._dtype, f"{self._name}/{what}")

    def _emit(self, kind: str, inputs: list[str], what: str) -> str:
        return self._emitter.emit(kind, inputs, f"{self._name}/{what}")

    def _with(self, kind: str, x: str, values: int | Integers, what: str) -> str:
        return self._emit(kind, [x, self._constant(values, f"{what}_by")], what)

    def _at_least(self, x: str, values: int | Integers, what: str) -> str:
        low = self._constant(values, f"{what}_by")
        return self._emitter.larger(x, low, f"{self._name}/{what}")

    def _at_most(self, x: str, values: int | Integers, what: str) -> str:
        high = self._constant(values, f"{what}_by")
        return self._emitter.smaller(x, high, f"{self._name}/{what}")

    def _clipped(self, x: str, low: int | Integers, high: int) -> str:
        # Numbers that the type cannot hold are not reached.
        ends = np.iinfo(self._dtype)
        x = self._at_least(x, np.maximum(low, ends.min), "floored")
        return self._at_most(x, min(high, ends.max), "saturated")

    def _decayed_sum(self, state: Value | None, decay: int | Integers, x: str) -> str:
        """Add what a state keeps to ``x``; division rounds towards zero, as decays do."""
        op = self._op
        if state is None or np.min(decay) == op.decay_one:
            return x
        kept = state.name
        if np.any(decay):
            factor = op.decay_one - np.asarray(decay)
            if self._dtype == np.int32 or op.saturation * op.decay_one <= LARGEST_PRODUCT:
                product = self._with("Mul", kept, factor, "kept")
                kept = self._with("Div", product, op.decay_one, "decayed")
            else:
                # Both parts have the sign of the whole, so only the second is rounded.
                whole = self._with("Div", kept, op.decay_one, "whole")
                left = self._emit(
                    "Sub", [kept, self._with("Mul", whole, op.decay_one, "most")], "left"
                )
                part = self._with("Mul", left, factor, "part")
                part = self._with("Div", part, op.decay_one, "decayed_part")
                kept = self._emit(
                    "Add", [self._with("Mul", whole, factor, "kept"), part], "decayed"
                )
        return self._emit("Add", [kept, x], "integrated")

    def _fired(self, v: str, before: Value | None) -> Value:
        """Return how many spikes leave."""
        op = self._op
        theta = op.theta << op.fraction_bits
        if op.max_spikes > 1:
            enough = (
                v if op.comparison is Comparison.GREATER_EQUAL else self._with("Sub", v, 1, "more")
            )
            # Not negative, so that division rounds down.
            count = self._with("Div", self._at_least(enough, 0, "enough"), theta, "count")
            count = self._at_most(count, op.max_spikes, "spikes")
            return self._emitter.convert(
                Value(count, Storage(self._dtype)), spikes_storage(op), self._name
            )
        reached = self._exceeds(v, theta, "reached")
        if op.reset_time is ResetTime.SAME_STEP_RAISED and before is not None:
            below = self._emit("Not", [self._exceeds(before.name, theta, "above")], "below")
            twice = self._exceeds(v, 2 * theta, "twice")
            reached = self._emit("And", [reached, below], "reached_from_below")
            reached = self._emit("Or", [reached, twice], "raised")
        return Value(self._emitter.cast(reached, BYTE, self._name), Storage(BYTE))

    def _exceeds(self, v: str, theta: Integers, what: str) -> str:
        kind = "GreaterOrEqual" if self._op.comparison is Comparison.GREATER_EQUAL else "Greater"
        return self._with(kind, v, theta, what)

    def _reset(self, v: str, spikes: Value) -> str:
        op = self._op
        match op.reset:
            case Reset.NONE:
                return v
            case Reset.ZERO:
                fired = self._emitter.cast(spikes.name, np.dtype(bool), self._name)
                return self._emit("Where", [fired, self._constant(0, "zero"), v], "reset")
            case Reset.SUBTRACT:
                count = self._emitter.plain(spikes, self._dtype, self._name)
                taken = self._with("Mul", count, op.theta << op.fraction_bits, "taken")
                return self._emit("Sub", [v, taken], "reset")
            case _:
                assert_never(op.reset)
