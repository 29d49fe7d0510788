"""From a torch module with spiking neurons to a net in real numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np

from edgespike.converters.base import ConvertOptions
from edgespike.converters.spiking import readouts
from edgespike.converters.spiking.building import NetBuilder
from edgespike.converters.spiking.checks import changed_parts, inner_module, unsupported_parts
from edgespike.converters.spiking.probe import LAYOUTS, Layout, Run, noise, run, zeros
from edgespike.converters.spiking.simulator import RefusedError, Simulator, StoppedError
from edgespike.converters.spiking.steps import Steps
from edgespike.converters.spiking.values import SPIKES
from edgespike.errors import UnsupportedError
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
    readout
        What the user wants as its answer, see :func:`readouts.find`.
    factor
        What one unit of the net's answer counts in the module's.
    """

    net: FloatNet
    layout: Layout
    stepwise: bool
    readout: str | None = None
    factor: float = 1.0


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
            found = attempt.reading(zeros)
        except RefusedError as refused:
            failed.append((layout, refused))
            continue
        _check_again(attempt, found.net)
        return found
    layout, least = min(
        failed, key=lambda each: (isinstance(each[1], StoppedError), len(each[1].reasons))
    )
    faults = list(least.reasons)
    indexed = any("__getitem__" in reason for reason in faults)
    if options.steps is None and (indexed or isinstance(least, StoppedError)):
        faults.append(
            "steps is missing: if the module takes (steps, samples, *input_shape) or (samples, "
            "steps, *input_shape), say how many they are"
        )
    faults += [fault for fault in unsupported_parts(model, simulator) if fault not in faults]
    raise UnsupportedError(
        f"model cannot be converted, with an input of shape {layout.text}", faults
    )


@dataclass(frozen=True, eq=False)
class _Attempt:
    """A module read with one layout of its input. What is wrong is a :class:`RefusedError`."""

    model: Any
    shape: tuple[int, ...]
    options: ConvertOptions
    simulator: Simulator
    layout: Layout

    def reading(self, made: Callable[[Any, tuple[int, ...]], Any]) -> Reading:
        """Read the module, run on inputs that a function makes for a shape."""
        ran = _of_model(lambda: self._run(made, 1))
        stepwise = self.layout.axis is None and _does_one_step(ran)
        if stepwise:
            ran = _of_model(lambda: self._run(made, STEP_CALLS))
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
            raise RefusedError(*refused.reasons, *builder.nodes.faults) from refused
        net, factor = self._net(builder, count, answer, ran.notes)
        return Reading(net, self.layout, stepwise, self.options.readout, factor)

    def _run(self, made: Callable[[Any, tuple[int, ...]], Any], times: int) -> Run:
        shape = self.layout.shape(self.shape, self.options.steps or 1)
        return run(self.model, self.simulator, [made(self.model, shape) for _ in range(times)])

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
    ) -> tuple[FloatNet, float]:
        """Return the net, and what one unit of its answer counts in the module's."""
        last = builder.build(answer.values[-1])
        builder.finish()
        neuron = builder.steps.neuron(answer.values[-1])
        if neuron is not None and neuron[2] != SPIKES and not builder.keeps_compared(neuron[0]):
            builder.nodes.refuse(
                neuron[0].name,
                RefusedError(
                    f"returns its {neuron[2]} after the reset; read out its spikes, or give the "
                    "last neurons reset_delay=True or no reset"
                ),
            )
        if builder.nodes.faults:
            raise RefusedError(*builder.nodes.faults)
        if last.factor < 0:
            last = builder.nodes.plain(last, "readout")
        # A part of the module may be called "readout" too.
        builder.nodes.add(FloatReadout(answer.mode), [last], last.shape, "readout")
        assumed = [*notes, *answer.notes]
        if last.factor not in (1, -1):
            assumed.append(f"the answer is counted in units of {last.factor:g}")
        return FloatNet(tuple(builder.nodes.all), count, tuple(assumed)), last.factor


def _check_again(attempt: _Attempt, net: FloatNet) -> None:
    """Raise unless a module is read alike on another input.

    What it does with values without calling torch, in code of its own in C++ for example, is not
    recorded; but it shows up here.

    Raises
    ------
    UnsupportedError
        It is read in another way.
    """
    try:
        other = attempt.reading(noise).net
        alike = len(other.nodes) == len(net.nodes) and all(map(_alike, other.nodes, net.nodes))
    except RefusedError:
        alike = False
    if not alike:
        raise UnsupportedError(
            "model cannot be converted",
            [
                "the model computes in another way on random input than on zeros; what is computed "
                "may not depend on values, nor use functions that torch does not see"
            ],
        )


def _alike(node: FloatNode, other: FloatNode) -> bool:
    """Return whether two nodes are equal."""
    if (node.name, node.inputs, type(node.op)) != (other.name, other.inputs, type(other.op)):
        return False
    pairs = [
        (getattr(node.op, each.name), getattr(other.op, each.name)) for each in fields(node.op)
    ]
    return all(
        np.array_equal(value, another) if isinstance(value, np.ndarray) else value == another
        for value, another in pairs
    )


def _of_model(made: Callable[[], T]) -> T:
    """Call a function, and let what it refuses begin with what it is about."""
    try:
        return made()
    except RefusedError as refused:
        raise type(refused)(*(f"the model {reason}" for reason in refused.reasons)) from refused


def _does_one_step(ran: Run) -> bool:
    neurons = [call.module for call in ran.calls if call.is_neuron]
    return len({id(module) for module in neurons}) == len(neurons) > 0
