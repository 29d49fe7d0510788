"""What a simulator of spiking neurons must say about its neurons."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from edgespike.floats.net import FloatConv2d, FloatDense, FloatNeurons


class RefusedError(Exception):
    """A part cannot be converted.

    Parameters
    ----------
    reasons
        What follows the part's path in a message, one for each fault: value, limit and way out.
    """

    def __init__(self, *reasons: str) -> None:
        super().__init__(*reasons)
        self.reasons = reasons


class StoppedError(RefusedError):
    """A module could not be run to its end."""


@dataclass(frozen=True, eq=False)
class Neurons:
    """Neurons as they were read from a module.

    Parameters
    ----------
    op
        What they compute; it gives spikes.
    factor
        What a spike counts in the layers behind it.
    recurrent
        Weighs the spikes of the previous step, which are added to the input.
    keeps_compared
        Whether the potential that the module returns is the one that it compared with the
        threshold.
    is_late
        Whether its spikes are those that ``op`` gave a step before.
    """

    op: FloatNeurons
    factor: float = 1.0
    recurrent: FloatDense | FloatConv2d | None = None
    keeps_compared: bool = True
    is_late: bool = False


@dataclass(frozen=True)
class Simulator:
    """How the neurons of a simulator are found and read.

    Parameters
    ----------
    name
        Of the simulator, as its users write it.
    is_neuron
        Whether a module is a neuron layer of this simulator, supported or not.
    state_names
        Names of a neuron layer's states: attributes of the module, and, in this order, the
        arguments of its ``forward`` after the input.
    clear
        Sets a neuron layer to where a sample starts.
    check
        Raises :class:`RefusedError` for what no neuron layer may have, whatever its shape.
    read
        Reads a neuron layer, for a value's shape ``(features,)`` or ``(channels, height, width)``.
        Raises :class:`RefusedError`.
    reset_names
        Functions that clear all states, for messages.
    is_layer
        Whether any other module is one of the simulator's own layers.
    layer_type
        Torch's type of a layer: its own, or that of a layer which it stands for.
    prepared
        Prepares a model to be run, step by step, and puts it back. Raises :class:`RefusedError`.
    """

    name: str
    is_neuron: Callable[[Any], bool]
    state_names: Callable[[Any], tuple[str, ...]]
    clear: Callable[[Any], None]
    check: Callable[[Any], None]
    read: Callable[[Any, tuple[int, ...]], Neurons]
    reset_names: str
    is_layer: Callable[[Any], bool] = lambda _: False
    layer_type: Callable[[Any], type] = type
    prepared: Callable[[Any], AbstractContextManager[None]] = lambda _: nullcontext()
