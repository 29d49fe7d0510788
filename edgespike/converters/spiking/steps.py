"""The steps of a recorded net: which calls follow each other, and that all compute the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

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
        call = value.call
        if call is None or self.time_axis is None or call.module is not None:
            return None
        source = through(call.input) if isinstance(call.input, Value) else None
        if source is None or (axis := self._axis(source)) is None:
            return None
        return _picked(call, value, axis, source.tensor.shape[axis])

    def _axis(self, value: Value) -> int | None:
        """Return the axis of the steps in an input, possibly with swapped axes."""
        if value.input_of is not None:
            return self.time_axis
        call = value.call
        if call is None or call.module is not None or call.name not in AXES_MOVED:
            return None
        source = through(call.input) if isinstance(call.input, Value) else None
        axis = None if source is None else self._axis(source)
        return None if axis is None else moved_axis(call, axis, value.tensor.ndim)

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
        value, last = through(value), through(last)
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


AXES_MOVED = ("permute", "transpose", "swapaxes", "swapdims", "movedim", "moveaxis")
"""Functions that give axes another order."""


def moved_axis(call: Call, axis: int, ndim: int) -> int | None:
    """Return where one of `AXES_MOVED` puts an axis."""
    if call.name == "permute":
        order = call.kwargs.get("dims", call.args[1] if len(call.args) == 2 else call.args[1:])
        return [int(each) % ndim for each in order].index(axis)
    if call.kwargs or not all(isinstance(each, int) for each in call.args[1:3]):
        return None
    first, second = (int(each) % ndim for each in call.args[1:3])
    if call.name.startswith("move"):
        rest = [each for each in range(ndim) if each != first]
        rest.insert(second, first)
        return rest.index(axis)
    return {first: second, second: first}.get(axis, axis)


def _picked(call: Call, value: Value, axis: int, steps: int) -> int | None:
    """Return which step a function picks from an input with an axis of steps."""
    if call.name == "__getitem__":
        index = call.args[1]
        index = index if isinstance(index, tuple) else (index,)
        wanted = [each for each in index if each is not Ellipsis]
        before, rest = wanted[:axis], wanted[axis:]
        if len(rest) == 0 or index[0] is Ellipsis or isinstance(rest[0], bool):
            return None
        if any(each != slice(None) for each in before + rest[1:]) or not isinstance(rest[0], int):
            return None
        return rest[0] % steps
    if call.name == "select" and call.args[1:2] == (axis,):
        return int(call.args[2]) % steps
    if call.name == "unbind":
        dim = call.args[1] if len(call.args) > 1 else call.kwargs.get("dim", 0)
        return int(value.role) if dim == axis else None
    return None
