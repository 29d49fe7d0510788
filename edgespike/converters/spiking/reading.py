"""From a torch module with spiking neurons to a net in real numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgespike.converters.base import ConvertOptions
from edgespike.converters.spiking import readouts
from edgespike.converters.spiking.building import NetBuilder, plain_name
from edgespike.converters.spiking.checks import changed_parts, inner_module, unsupported_parts
from edgespike.converters.spiking.probe import LAYOUTS, Layout, Run, run, zeros
from edgespike.converters.spiking.simulator import RefusedError, Simulator, StoppedError
from edgespike.converters.spiking.steps import Steps
from edgespike.converters.spiking.values import SPIKES
from edgespike.errors import InputError, UnsupportedError
from edgespike.floats.net import FloatNet, FloatNode, FloatReadout

T = TypeVar("T")

STEP_CALLS = 3
"""How often a module that does one step is called: enough for what it keeps to be seen."""


@dataclass(frozen=True)
class Reading:
    """How a module was understood.

    Parameters
    ----------
    net
        What it computes, in real numbers.
    layout
        How it takes its input.
    stepwise
        Whether a call of it is a step; else a call runs all steps.
    """

    net: FloatNet
    layout: Layout
    stepwise: bool


def read(model: Any, options: ConvertOptions, simulator: Simulator) -> Reading:
    """Read a module as a net in real numbers.

    The module is run on zeros, in each layout of its input until one works. A module that calls
    each layer of neurons once does one step; it is called `STEP_CALLS` times. Any other has a loop
    over its steps of its own.

    Raises
    ------
    UnsupportedError
        Lists all that cannot be converted, by path, in the layout that had least of it.
    """
    model = inner_module(model)
    shape = options.required_shape("a torch module")
    if faults := [*changed_parts(model)]:
        raise UnsupportedError("model cannot be converted", faults)
    failed: list[tuple[Layout, RefusedError]] = []
    for layout in LAYOUTS[: 1 if options.steps is None else None]:
        attempt = _Attempt(model, shape, options, simulator, layout)
        try:
            return attempt.reading()
        except RefusedError as refused:
            failed.append((layout, refused))
    layout, found = min(
        failed, key=lambda each: (isinstance(each[1], StoppedError), len(each[1].reasons))
    )
    faults = list(found.reasons)
    if options.steps is None:
        faults.append(
            "steps is missing: if the module takes (steps, samples, *input_shape) or (samples, "
            "steps, *input_shape), say how many they are"
        )
    faults += [fault for fault in unsupported_parts(model, simulator) if fault not in faults]
    raise UnsupportedError(
        f"model cannot be converted, with an input of shape {layout.text}", faults
    )


def activity(
    model: Any, options: ConvertOptions, simulator: Simulator, samples: NDArray[Any]
) -> dict[str, NDArray[np.float64]]:
    """Run the module itself, and return the spikes of each layer of neurons.

    Parameters
    ----------
    samples
        Real numbers ``(samples, *input_shape)`` or, with an axis of steps, ``(samples, steps,
        *input_shape)``; cast to the type of the module's parameters.

    Returns
    -------
    spikes
        By the name of the layer's node in the net: ``(samples, steps, *shape)``.

    Raises
    ------
    UnsupportedError
        The module cannot be converted.
    InputError
        The samples do not fit.
    """
    import torch

    found = read(model, options, simulator)
    model, count = inner_module(model), found.net.steps
    shape = options.required_shape("a torch module")
    if samples.shape[1:] not in (shape, (count, *shape)):
        raise InputError(
            f"samples have shape {samples.shape}; give (samples, {', '.join(map(str, shape))}), or "
            f"with an axis of {count} steps before the rest"
        )
    x = torch.from_numpy(np.ascontiguousarray(samples)).to(zeros(model, ()))
    stepped = samples.ndim == len(shape) + 2
    if found.stepwise:
        inputs = [x[:, t].clone() if stepped else x.clone() for t in range(count)]
    elif found.layout.axis is None:
        if stepped:
            raise InputError("samples have steps, but the module shows its input at every step")
        inputs = [x]
    else:
        x = x if stepped else x[:, None].expand(-1, count, *shape)
        inputs = [(x if found.layout.axis else x.transpose(0, 1)).contiguous()]
    ran = run(model, simulator, inputs)
    steps = Steps(ran.calls, found.layout.axis, found.stepwise, simulator.reset_names)
    return {
        plain_name(chain.name): np.stack(
            [call.after[SPIKES].tensor.double().cpu().numpy() for call in chain.calls], axis=1
        )
        for chain in steps.chains
    }


@dataclass(frozen=True, eq=False)
class _Attempt:
    """A module read with one layout of its input. What is wrong is a :class:`RefusedError`."""

    model: Any
    shape: tuple[int, ...]
    options: ConvertOptions
    simulator: Simulator
    layout: Layout

    def reading(self) -> Reading:
        ran = _of_model(lambda: self._run(1))
        stepwise = self.layout.axis is None and _does_one_step(ran)
        if stepwise:
            ran = _of_model(lambda: self._run(STEP_CALLS))
        steps = _of_model(
            lambda: Steps(ran.calls, self.layout.axis, stepwise, self.simulator.reset_names)
        )
        builder = NetBuilder(self.simulator, steps, self.shape)
        try:
            _of_model(steps.check_layers)
            count = _of_model(lambda: self._count(steps))
            answer = _of_model(lambda: readouts.find(steps, ran.returned, self.options.readout))
        except RefusedError as refused:
            builder.build_layers()
            raise RefusedError(*refused.reasons, *builder.faults) from refused
        return Reading(self._net(builder, count, answer, ran.notes), self.layout, stepwise)

    def _run(self, times: int) -> Run:
        shape = self.layout.shape(self.shape, self.options.steps or 1)
        return run(self.model, self.simulator, [zeros(self.model, shape) for _ in range(times)])

    def _count(self, steps: Steps) -> int:
        """Return how many steps a sample has."""
        wanted = self.options.steps
        if not steps.stepwise:
            if wanted not in (None, steps.count):
                raise RefusedError(
                    f"runs {steps.count} steps, but steps is {wanted}; give steps={steps.count}"
                )
            return steps.count
        if steps.count != STEP_CALLS:
            raise RefusedError(
                "starts its neurons again at every call; let their states go on, and call "
                f"{self.simulator.reset_names} between samples"
            )
        if wanted is None:
            raise UnsupportedError(
                "model cannot be converted",
                ["steps is missing: the module does one step; say how many a sample has"],
            )
        return wanted

    def _net(
        self, builder: NetBuilder, count: int, answer: readouts.Answer, notes: Sequence[str]
    ) -> FloatNet:
        last = builder.build(answer.values[-1])
        builder.finish()
        neuron = builder.steps.neuron(answer.values[-1])
        if neuron is not None and neuron[2] != SPIKES and not builder.keeps_compared(neuron[0]):
            builder.refuse(
                neuron[0].name,
                RefusedError(
                    f"returns its {neuron[2]} after the reset; read out its spikes, or give the "
                    "last neurons reset_delay=True or no reset"
                ),
            )
        if builder.faults:
            raise RefusedError(*builder.faults)
        if last.factor < 0:
            last = builder.plain(last, "readout")
        readout = FloatNode("readout", FloatReadout(answer.mode), (last.name,), "readout")
        assumed = [*notes, *answer.notes]
        if last.factor not in (1, -1):
            assumed.append(f"the answer is counted in units of {last.factor:g}")
        return FloatNet((*builder.nodes, readout), count, tuple(assumed))


def _of_model(made: Callable[[], T]) -> T:
    """Call a function, and let what it refuses begin with what it is about."""
    try:
        return made()
    except RefusedError as refused:
        raise type(refused)(*(f"the model {reason}" for reason in refused.reasons)) from refused


def _does_one_step(ran: Run) -> bool:
    neurons = [call.module for call in ran.calls if call.is_neuron]
    return len({id(module) for module in neurons}) == len(neurons) > 0
