"""The steps of a recorded net: which calls follow each other, and that all compute the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from edgespike.converters.spiking.axes import AXES_MOVED, is_by_step, moved_axis, picked_step
from edgespike.converters.spiking.simulator import RefusedError
from edgespike.converters.spiking.values import SPIKES, Call, Value, through

STATIC = -1
"""Where an input has no steps: it is shown at every step."""


@dataclass(eq=False)
class Chain:
    """A layer of neurons over time: each call has the states that the call before it left.

    Parameters
    ----------
    name
        The path of the module; with a number, if the module serves several layers.
    module
        The module.
    calls
        One for each step.
    """

    name: str
    module: Any
    calls: list[Call] = field(default_factory=list)


class Steps:
    """The neuron layers of a recorded net, and its input, over time.

    Parameters
    ----------
    calls
        All recorded calls.
    time_axis
        Axis of the steps in the input; ``None`` if each call of the probe is a step, or the input
        is shown at every step.
    stepwise
        Whether each call of the probe is a step.
    reset_names
        Functions that clear states, for messages.

    Raises
    ------
    RefusedError
        A layer's states are not those that it left at the step before, or zeros at the first.
    """

    def __init__(
        self, calls: Sequence[Call], time_axis: int | None, stepwise: bool, reset_names: str
    ) -> None:
        self.time_axis, self.stepwise = time_axis, stepwise
        self.chains: list[Chain] = []
        self._places: dict[int, tuple[Chain, int]] = {}
        self._slices: dict[tuple[int, int, int], Value] = {}
        faults = [
            fault for call in calls if call.is_neuron for fault in self._place(call, reset_names)
        ]
        if faults:
            raise RefusedError(*faults)

    @property
    def count(self) -> int:
        """How many steps were recorded.

        Raises
        ------
        RefusedError
            There are no neuron layers, or some run more often than others.
        """
        counts = {chain.name: len(chain.calls) for chain in self.chains}
        if not counts:
            raise RefusedError("calls no neurons")
        if len(set(counts.values())) > 1:
            listed = ", ".join(f"{name} {count}" for name, count in counts.items())
            raise RefusedError(
                f"runs some neurons more often than others ({listed}); run each once a step"
            )
        return next(iter(counts.values()))

    def neuron(self, value: Value) -> tuple[Chain, int, str] | None:
        """Return which layer gave a value, at which step, from 0, and in which role."""
        if value.call is None or not value.call.is_neuron:
            return None
        return (*self._places[id(value.call)], value.role)

    def input_step(self, value: Value) -> int | None:
        """Return the step, from 0, that a value is the input of; ``None`` if it is no input."""
        if value.input_of is not None:
            if self.time_axis is not None:
                return None  # all steps at once
            return value.input_of if self.stepwise else STATIC
        found = self._pick(value)
        return None if found is None or not self._is_input(found[0]) else found[2]

    def resolved(self, value: Value) -> Value:
        """Return what a value equals: without copies, and computed of its own step alone.

        Where a function takes all steps of the input at once, and one step is picked of what it
        returns, that step is what the function returns for the step.
        """
        value = through(value)
        found = self._pick(value)
        if found is None or self._is_input(found[0]):
            return value
        return self._sliced(*found)

    def _is_input(self, value: Value) -> bool:
        while (call := value.call) is not None and call.module is None and call.name in AXES_MOVED:
            value = through(call.input)
        return value.input_of is not None

    def _pick(self, value: Value) -> tuple[Value, int, int] | None:
        """Return of which sequence, along which axis, which step is picked."""
        call = value.call
        if call is None or self.time_axis is None or call.module is not None:
            return None
        source = through(call.input) if isinstance(call.input, Value) else None
        if source is None or (axis := self._axis(source)) is None:
            return None
        step = picked_step(call, value, axis, source.tensor.shape[axis])
        return None if step is None else (source, axis, step)

    def _axis(self, value: Value) -> int | None:
        """Return the axis of the steps in a sequence: the input, or what is computed of it."""
        if value.input_of is not None:
            return self.time_axis
        call = value.call
        source = through(call.input) if call and isinstance(call.input, Value) else None
        if call is None or source is None or (axis := self._axis(source)) is None:
            return None
        if call.module is None and call.name in AXES_MOVED:
            return moved_axis(call, axis, value.tensor.ndim)
        alike = value.tensor.shape[:2] == source.tensor.shape[:2] and axis < 2
        return axis if alike and is_by_step(call) else None

    def _sliced(self, value: Value, axis: int, step: int) -> Value:
        """Return one step of a sequence, computed of one step of the input."""
        value = through(value)
        key = (id(value), axis, step)
        if key not in self._slices:
            tensor = value.tensor.select(axis, step)
            call = value.call
            if call is None or self._is_input(value):
                call = Call("", "select", None, (value, axis, step))
            else:
                first = self._sliced(through(call.input), axis, step)
                call = replace(call, args=(first, *call.args[1:]), kwargs={**call.kwargs})
            self._slices[key] = Value(tensor, call)
        return self._slices[key]

    def check_equal(self, values: Sequence[Value], what: str) -> None:
        """Raise unless values, one a step, are the same function of each step's values.

        Raises
        ------
        RefusedError
            Names the first step that differs from the last.
        """
        last = values[-1]
        for step, value in enumerate(values[:-1]):
            if not _Comparison(self, len(values) - 1 - step).same(value, last):
                raise RefusedError(
                    f"computes {what} at step {step + 1} in another way than at step "
                    f"{len(values)}; do the same at every step"
                )

    def check_layers(self) -> None:
        """Raise unless the input of every layer of neurons is the same function at each step.

        Raises
        ------
        RefusedError
            Lists the layers.
        """
        faults: list[str] = []
        for chain in self.chains:
            inputs = [call.input for call in chain.calls]
            try:
                self.check_equal(inputs, f"the input of {chain.name}")
            except RefusedError as refused:
                faults += refused.reasons
        if faults:
            raise RefusedError(*faults)

    def _place(self, call: Call, reset_names: str) -> Iterator[str]:
        mine = [chain for chain in self.chains if chain.module is call.module]
        before = {name: through(value) for name, value in call.before.items()}
        for chain in mine:
            after = chain.calls[-1].after
            if all(value is after[name] for name, value in before.items()):
                self._places[id(call)] = (chain, len(chain.calls))
                chain.calls.append(call)
                return
        shape = call.after[SPIKES].tensor.shape
        for name, value in before.items():
            # The neurons replace a state of another shape by zeros.
            if not value.is_zero and value.tensor.shape == shape:
                yield (
                    f"gives {call.path} a {name} that is neither zero nor the one that it returned "
                    f"at the step before; start every sample with {reset_names}, and hand on what "
                    "the neurons return"
                )
        name = call.path if not mine else f"{call.path}_{len(mine) + 1}"
        chain = Chain(name, call.module, [call])
        self.chains.append(chain)
        self._places[id(call)] = (chain, 0)


class _Comparison:
    """Whether values of one step are the same functions as those of a step some steps later."""

    def __init__(self, steps: Steps, lag: int) -> None:
        self.steps, self.lag = steps, lag
        self._known: dict[tuple[int, int], bool] = {}

    def same(self, value: Any, last: Any) -> bool:
        if not isinstance(value, Value) or not isinstance(last, Value):
            return self._same_plain(value, last)
        value, last = self.steps.resolved(value), self.steps.resolved(last)
        key = (id(value), id(last))
        if key not in self._known:
            self._known[key] = self._same(value, last)
        return self._known[key]

    def _same_plain(self, value: Any, last: Any) -> bool:
        if isinstance(value, tuple) and isinstance(last, tuple):
            return len(value) == len(last) and all(map(self.same, value, last))
        if isinstance(value, dict) and isinstance(last, dict):
            return value.keys() == last.keys() and all(
                self.same(value[name], last[name]) for name in value
            )
        return type(value) is type(last) and bool(value == last)

    def _same(self, value: Value, last: Value) -> bool:
        import torch

        if (neuron := self.steps.neuron(last)) is not None:
            chain, step, role = neuron
            if step < self.lag:  # before the first step
                return value.is_zero
            return self.steps.neuron(value) == (chain, step - self.lag, role)
        if (step_of := self.steps.input_step(last)) is not None:
            found = self.steps.input_step(value)
            return found == (step_of if step_of == STATIC else step_of - self.lag)
        if last.call is None:
            constants = value.is_constant and last.is_constant
            return value is last or (constants and torch.equal(value.tensor, last.tensor))
        call, other = value.call, last.call
        if call is None or (call.path, call.name, value.role) != (
            other.path,
            other.name,
            last.role,
        ):
            return False
        return self.same((call.args, dict(call.kwargs)), (other.args, dict(other.kwargs)))
