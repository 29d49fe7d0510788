"""From recurrent torch nets to graphs with delays.

A net is a sequence of input scaling, an optional `RoundClip` of the input, one or more `QuantRNN`,
`LastStep` and a quantised readout.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from edgespike.converters.builder import CannotGoOnError, Progress, Sums, label_of_neurons
from edgespike.converters.torch.sequence import is_sequence, walk
from edgespike.converters.torch.weights import check_weights, floats, zero_share
from edgespike.errors import UnsupportedError
from edgespike.graph import Add, Delay, Dense, ReadoutMode, Signal

ORDER = (
    "a recurrent net is InputScale, RoundClip if the input is to have few states, one or more "
    "QuantRNN, LastStep and QuantLinear, in this order"
)


def start_sequence(module: Any, input_shape: tuple[int, ...]) -> Progress | None:
    """Begin with the steps of a recurrent net; None if the module is none.

    Raises
    ------
    UnsupportedError
        The net has its parts in another order, or the shape is not that of sequences.
    """
    from torch import nn

    from edgespike.nn.layers.activation import RoundClip
    from edgespike.nn.layers.quant_rnn import QuantRNN
    from edgespike.nn.layers.recurrent import LastStep
    from edgespike.nn.layers.weighted import InputScale, QuantLinear

    parts = [
        type(part)
        for _, part in walk(module)
        if not is_sequence(part) and not isinstance(part, nn.Dropout | nn.Identity)
    ]
    if not {QuantRNN, LastStep} & set(parts):
        return None
    rounding = [RoundClip] * (RoundClip in parts)
    layers = [QuantRNN] * max(parts.count(QuantRNN), 1)
    faults = []
    if parts != [InputScale, *rounding, *layers, LastStep, QuantLinear]:
        found = ", ".join(part.__name__ for part in parts)
        faults.append(f"its parts are {found}; {ORDER}")
    if len(input_shape) != 2:
        faults.append(f"input_shape is {input_shape}; give (steps, features) for a recurrent net")
    if faults:
        raise UnsupportedError("the recurrent net cannot be converted", faults)
    steps, features = input_shape
    progress = Progress.start((features,), steps)
    progress.mode = ReadoutMode.LAST
    return progress


def pass_input_on(progress: Progress, path: str) -> None:
    """Let a recurrent net's first activation see the input, through one synapse a feature."""
    size = progress.tensor.size
    progress.append(path, "dense", Dense(np.eye(size, dtype=np.int64), np.zeros(size, np.int64)))
    progress.sums = Sums(progress.event_scale, np.zeros(size))


def recurrent_layer(progress: Progress, leaf: Any, path: str) -> None:
    """Add the nodes of a `QuantRNN`: the sums of input and delayed state, and the new state."""
    _check(progress, leaf, path)
    activation, hidden = leaf.activation, len(leaf.bias)
    levels = activation.states - 1
    signal = Signal.SPIKES if levels == 1 else Signal.GRADED
    state = progress.upcoming(label_of_neurons(levels))
    progress.append(path, "dense", _dense(leaf.input, progress.event_zero))
    drive = progress.last
    delay = Delay((hidden,), 0, levels, signal, activation.zero)
    progress.append_delay(path, delay, state)
    progress.append(path, "dense", _dense(leaf.recurrent, activation.zero))
    progress.append(path, "add", Add(), (drive,))
    progress.sums = Sums(Fraction(leaf.unit().item()), floats(leaf.bias))
    place, scale = f"{path}.activation", Fraction(leaf.step)
    progress.fire(place, activation.thresholds(), scale, activation.zero, calls=progress.steps)


def _check(progress: Progress, leaf: Any, path: str) -> None:
    for name in ("input", "recurrent"):
        check_weights(getattr(leaf, name).weight, f"{path}.{name}")
    arriving, expected = float(progress.event_scale), leaf.input.input_step
    if arriving != expected:
        raise CannotGoOnError(
            f"{path} was made for an input in units of {expected:g} and receives units of "
            f"{arriving:g}; give it the right input_step and train again"
        )


def _dense(layer: Any, zero: int) -> Dense:
    weight = layer.integer_weight().cpu().numpy().astype(np.int64)
    return Dense(weight, zero_share(weight, zero), layer.float_nonzero().cpu().numpy())


def float_refusals(place: str, module: Any) -> Iterator[str]:
    """Yield why a recurrent layer of floats cannot be converted exactly."""
    from torch import nn

    from edgespike.nn.layers.recurrent import Recurrent

    cell = module.rnn if isinstance(module, Recurrent) else module
    if isinstance(cell, nn.GRU | nn.LSTM):
        yield (
            f"{place} is a {type(cell).__name__}, whose gates multiply events: a graph has no "
            "operation for that; supported is a vanilla RNN with few states, a QuantRNN"
        )
    elif isinstance(cell, nn.RNN):
        yield (
            f"{place} is an RNN of floats, which rounds at every step, so that no integer graph "
            "equals it; supported is a QuantRNN: fine-tune this one with a recipe of activation "
            "'levels', edgespike train RECIPE --from CHECKPOINT"
        )


def children_refusals(place: str, module: Any) -> Iterator[str]:
    """Yield why a part of a `QuantRNN` may compute something else than its type says."""
    from edgespike.nn.layers.activation import RoundClip, TanhLevels
    from edgespike.nn.layers.quant_rnn import InitialState, InputLinear, SharedUnitLinear

    expected = {
        "activation": (RoundClip, TanhLevels),
        "input": (InputLinear,),
        "recurrent": (SharedUnitLinear,),
        "initial": (InitialState,),
    }
    for name, kinds in expected.items():
        found = type(getattr(module, name))
        if found not in kinds:
            yield f"{place}.{name} is a {found.__qualname__}, not a {kinds[-1].__name__}"
