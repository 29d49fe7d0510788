"""From recurrent torch nets to graphs with delays.

A net is a sequence of input scaling, an optional `RoundClip` of the input, one or more `QuantRNN`
or `QuantGRU`, `LastStep` and a quantised readout. What a `QuantGRU` becomes is in
:mod:`edgespike.converters.torch.gated`.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from edgespike.converters.builder import GraphBuilder, label_of_neurons
from edgespike.converters.sums import ConversionStoppedError, Sums
from edgespike.converters.torch.constants import floats
from edgespike.converters.torch.sequence import order_preserving, parts_of, walk, without_effect
from edgespike.converters.torch.weights import check_weights, zero_share
from edgespike.errors import UnsupportedError
from edgespike.graph import Add, Delay, Dense, ReadoutMode, Signal

ORDER = (
    "a recurrent net is InputScale, RoundClip if the input is to have few states, one or more "
    "QuantRNN or QuantGRU, LastStep and QuantLinear, in this order"
)


def start_sequence(module: Any, input_shape: tuple[int, ...]) -> GraphBuilder | None:
    """Return a builder with the steps of a recurrent net; ``None`` if the net is not recurrent.

    Raises
    ------
    UnsupportedError
        The net has its parts in another order, or the shape does not describe a sequence.
    """
    from edgespike.nn.layers.activation import RoundClip
    from edgespike.nn.layers.quant_gru import QuantGRU
    from edgespike.nn.layers.quant_rnn import QuantRNN
    from edgespike.nn.layers.recurrent import LastStep
    from edgespike.nn.layers.weighted import InputScale, QuantLinear

    parts = [
        type(part)
        for _, part in walk(module)
        if parts_of(part) is None and not isinstance(part, (*without_effect(), *order_preserving()))
    ]
    if not {QuantRNN, QuantGRU, LastStep} & set(parts):
        return None
    rounding = [RoundClip] * (RoundClip in parts)
    layers = [part for part in parts if part in (QuantRNN, QuantGRU)] or [QuantRNN]
    faults = []
    if parts != [InputScale, *rounding, *layers, LastStep, QuantLinear]:
        found = ", ".join(part.__name__ for part in parts)
        faults.append(f"its parts are {found}; {ORDER}")
    if len(input_shape) != 2:
        faults.append(f"input_shape is {input_shape}; give (steps, features) for a recurrent net")
    if faults:
        raise UnsupportedError("the recurrent net cannot be converted", faults)
    steps, features = input_shape
    builder = GraphBuilder.start((features,), steps)
    builder.mode = ReadoutMode.LAST
    return builder


def pass_input_on(builder: GraphBuilder, path: str) -> None:
    """Connect the input to a net's first activation, with one synapse for each feature."""
    size = builder.tensor.size
    builder.append(path, "dense", Dense(np.eye(size, dtype=np.int64), np.zeros(size, np.int64)))
    builder.sums = Sums(builder.event_scale, np.zeros(size))


def recurrent_layer(builder: GraphBuilder, leaf: Any, path: str) -> None:
    """Add the nodes of a `QuantRNN`: sums of the input and the delayed state, and the new state."""
    check_input_step(builder, leaf, path)
    activation, hidden = leaf.activation, len(leaf.bias)
    levels = activation.states - 1
    signal = Signal.SPIKES if levels == 1 else Signal.GRADED
    state = builder.upcoming(label_of_neurons(levels))
    builder.append(path, "dense", integer_dense(leaf.input, builder.event_zero))
    drive = builder.last
    delay = Delay((hidden,), 0, levels, signal, activation.zero)
    builder.append_delay(path, delay, state)
    builder.append(path, "dense", integer_dense(leaf.recurrent, activation.zero))
    builder.append(path, "add", Add(), (drive,))
    builder.sums = Sums(Fraction(leaf.unit().item()), floats(leaf.bias))
    place, scale = f"{path}.activation", Fraction(leaf.step)
    builder.fire(place, activation.thresholds(), scale, activation.zero, calls=builder.steps)


def check_input_step(builder: GraphBuilder, leaf: Any, path: str) -> None:
    """Refuse a layer, or a gate of one, whose weights are not finite or made for another input."""
    for name in ("input", "recurrent"):
        check_weights(getattr(leaf, name).weight, f"{path}.{name}")
    arriving, expected = float(builder.event_scale), leaf.input.input_step
    if arriving != expected:
        raise ConversionStoppedError(
            f"{path} was made for an input in units of {expected:g} and receives units of "
            f"{arriving:g}; give it the right input_step and train again"
        )


def integer_dense(layer: Any, zero: int) -> Dense:
    """Return the operation of a `SharedUnitLinear` whose input sends ``zero`` for the value 0."""
    weight = layer.integer_weight().cpu().numpy().astype(np.int64)
    return Dense(weight, zero_share(weight, zero), layer.float_nonzero().cpu().numpy())
