"""Running a module step by step, or with all its steps, while recording it."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgespike.converters.spiking.recording import Recorder
from edgespike.converters.spiking.simulator import RefusedError, Simulator, StoppedError
from edgespike.converters.spiking.values import BATCH, Call, Value, leaves
from edgespike.errors import shown


@dataclass(frozen=True)
class Layout:
    """How a module takes its input.

    Parameters
    ----------
    axis
        Of the steps; ``None`` if there is none.
    text
        As messages say it.
    """

    axis: int | None
    text: str

    def shape(self, shape: tuple[int, ...], steps: int) -> tuple[int, ...]:
        """Return the shape of an input of `BATCH` samples."""
        if self.axis is None:
            return (BATCH, *shape)
        return (steps, BATCH, *shape) if self.axis == 0 else (BATCH, steps, *shape)


LAYOUTS = (
    Layout(None, "(samples, *input_shape)"),
    Layout(0, "(steps, samples, *input_shape)"),
    Layout(1, "(samples, steps, *input_shape)"),
)
"""In the order in which they are tried."""


@dataclass(frozen=True)
class Run:
    """What a module computed.

    Parameters
    ----------
    calls
        All that was recorded.
    returned
        What each call of the module returned, with a value for each tensor.
    notes
        What its other arguments are; sentences.
    """

    calls: Sequence[Call]
    returned: Sequence[Any]
    notes: Sequence[str]


def run(model: Any, simulator: Simulator, inputs: Sequence[Any]) -> Run:
    """Call a module on each input, with the states that the call before it returned.

    Raises
    ------
    RefusedError
        The module raised, decides by values, or takes something that is no state of neurons.
    """
    recorder = Recorder(simulator)
    states = _States(model)
    returned: list[Any] = []
    with simulator.prepared(model), recorder.recording(model):
        for module in model.modules():
            if simulator.is_neuron(module):
                simulator.clear(module)
        for time, x in enumerate(inputs):
            recorder.input(x, time)
            result = _called(model, x, states, recorder)
            returned.append(recorder.as_values(result))
            states.follow(recorder, list(leaves((returned[-1],))))
    return Run(recorder.calls, returned, states.notes)


def zeros(model: Any, shape: tuple[int, ...]) -> Any:
    """Return zeros of the type of a module's parameters."""
    import torch

    found = next((each for each in model.parameters() if each.is_floating_point()), None)
    if found is None:
        return torch.zeros(shape)
    return torch.zeros(shape, dtype=found.dtype, device=found.device)


def noise(model: Any, shape: tuple[int, ...]) -> Any:
    """Return numbers between -2 and 2 of the type of a module's parameters."""
    rng = np.random.default_rng(0)
    made = zeros(model, shape)
    return made.copy_(made.new_tensor(rng.uniform(-2, 2, shape)))


class _States:
    """The arguments of a ``forward`` beside its input: states of neurons, which it returns.

    Parameters
    ----------
    model
        The module.
    """

    def __init__(self, model: Any) -> None:
        import torch

        parameters = list(inspect.signature(model.forward).parameters.values())[1:]
        self.names = [
            each.name
            for each in parameters
            if each.default is each.empty
            and each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
        ]
        self.tensors: list[Any] = [torch.zeros(0) for _ in self.names]
        self.notes: list[str] = []
        self._places: list[int | None] | None = None

    @property
    def said(self) -> str:
        """Which arguments were taken for states, for messages."""
        if not self.names:
            return ""
        return (
            f"; {', '.join(self.names)} got states of zeros: give an argument that is no state of "
            "neurons a default"
        )

    def follow(self, recorder: Recorder, returned: Sequence[Value]) -> None:
        """Take the states for the next call from what this one returned."""
        if self._places is None:
            self._places = [
                self._place(recorder.calls, returned, name, recorder.value(tensor))
                for name, tensor in zip(self.names, self.tensors, strict=True)
            ]
        self.tensors = [
            before if place is None else returned[place].tensor
            for place, before in zip(self._places, self.tensors, strict=True)
        ]

    def _place(
        self, calls: Sequence[Call], returned: Sequence[Value], name: str, given: Value
    ) -> int | None:
        """Return which result is the next value of an argument; ``None`` if it is not used."""
        uses = [
            (call, state)
            for call in calls
            for state, value in call.before.items()
            if value is given
        ]
        for call, state in uses:
            for place, value in enumerate(returned):
                if value is call.after[state]:
                    self.notes.append(
                        f"argument {name} is the {state} of {call.path}, zero at the first step "
                        "and then what the step before returned"
                    )
                    return place
            raise RefusedError(
                f"takes {name} as the {state} of {call.path}, but does not return its next value"
            )
        return None


def _called(model: Any, x: Any, states: _States, recorder: Recorder) -> Any:
    try:
        return model(x, *states.tensors)
    except RefusedError:
        raise
    except (Exception, SystemExit) as error:  # whatever a user's code raises
        where = f" in {recorder.inside}" if recorder.inside else ""
        raise StoppedError(
            f"raised {type(error).__name__}{where} when it was run on an input of shape "
            f"{tuple(x.shape)}: {shown(str(error))}{states.said}"
        ) from error
