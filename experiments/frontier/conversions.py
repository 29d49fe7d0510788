"""The baselines: ways from a trained net to the graph that is counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

import edgespike
from edgespike.counting import dense_connections
from edgespike.graph import Conv2d, Dense, Graph
from edgespike.nn import NetSpec, Recipe, Task, build
from edgespike.sweep.point import Counting
from edgespike.text import number_of
from experiments.frontier.nets import rate_coded

CALIBRATION = 256
"""Training images for the scales of levels and the thresholds of rates."""

LEAKY_STEPS = 4
"""How often the net of leaky neurons is shown an image."""

RELU = "relu"
"""Name of the float net."""

Images = NDArray[Any]


@dataclass(frozen=True)
class Plan:
    """What is trained and counted.

    Parameters
    ----------
    recipe
        Of the float net.
    leaky_epochs
        Of the net of leaky neurons; its other settings are the recipe's.
    levels, rate_steps
        Numbers of levels, and of steps of rates, to which the float net is converted.
    task
        The data.
    given
        Whether the data is not the recipe's.
    counting
        How each graph is verified and counted.
    """

    recipe: Recipe
    leaky_epochs: int
    levels: tuple[int, ...]
    rate_steps: tuple[int, ...]
    task: Task
    given: bool
    counting: Counting

    @property
    def spec(self) -> NetSpec:
        """The description of the float net."""
        assert isinstance(self.recipe.net, NetSpec)
        return self.recipe.net

    @property
    def calibration(self) -> Images:
        """Training images for scales and thresholds."""
        return self.task.train_images[:CALIBRATION]


@dataclass(frozen=True)
class Baseline:
    """A way to a graph.

    Parameters
    ----------
    identity, name
        In names of points, and in words.
    source
        Name of the net that it is made of.
    convert
        Makes the graph of the net.
    """

    identity: str
    name: str
    source: str
    convert: Callable[[nn.Module, Plan], Graph]


def to_levels(net: nn.Module, plan: Plan, levels: int) -> Graph:
    """Quantise a float ReLU net of edgespike without training: weights of 8 bits, few levels."""
    assert isinstance(net, nn.Sequential)
    _, *layers = net  # but for the scaling of the input, which the conversion is told
    return edgespike.convert(
        nn.Sequential(*layers),
        plan.spec.input_shape,
        calibrate=plan.calibration,
        input_scale=1 / 255,
        levels=levels,
    )


def to_rates(net: nn.Module, plan: Plan, steps: int) -> Graph:
    """Make a float ReLU net one of integrate-and-fire neurons, without training."""
    assert isinstance(net, nn.Sequential)
    return to_spikes(rate_coded(net, plan.spec, torch.from_numpy(plan.calibration), steps), plan)


def to_spikes(net: nn.Module, plan: Plan) -> Graph:
    """Convert a net of snnTorch that takes pixels, with weights of 8 bits."""
    return edgespike.convert(net, plan.spec.input_shape, input_range=(0, 255), input_scale=1.0)


def baselines(plan: Plan) -> Iterator[Baseline]:
    """Yield all baselines."""
    for levels in plan.levels:
        yield Baseline(
            f"levels{levels}", f"ReLU, {levels} levels", RELU, partial(to_levels, levels=levels)
        )
    for steps in plan.rate_steps:
        yield Baseline(
            f"rates{steps}", f"ReLU, rates, T = {steps}", RELU, partial(to_rates, steps=steps)
        )
    leaky = f"leaky{LEAKY_STEPS}-epochs{plan.leaky_epochs}"
    epochs = number_of(plan.leaky_epochs, "epoch")
    yield Baseline(leaky, f"snnTorch LIF, T = {LEAKY_STEPS}, {epochs}", leaky, to_spikes)


def connections_of(plan: Plan) -> int:
    """Return the number of connections of the net's layers."""
    spiking = replace(plan.spec, activation="spike")
    untrained = edgespike.convert(build(spiking), spiking.input_shape)
    return sum(
        dense_connections(node.op, untrained.tensors[node.inputs[0]].shape)
        for node in untrained.nodes
        if isinstance(node.op, Conv2d | Dense)
    )
