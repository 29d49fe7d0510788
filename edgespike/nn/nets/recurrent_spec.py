"""Descriptions of recurrent nets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from edgespike.graph.graph import STEP_LIMIT
from edgespike.graph.tensor import CHANNEL_LIMIT
from edgespike.nn.layers.quantise import MOST_STATES, is_whole
from edgespike.nn.nets.checks import outside, refuse, unknown, without_absent

_MOST_HIDDEN = 1 << 13
_MOST_LAYERS = 64


@dataclass(frozen=True)
class RecurrentSpec:
    """A recurrent net on sequences of 8-bit numbers that classifies by its last step.

    Parameters
    ----------
    input_shape
        Number of steps, and of features of a step.
    classes
        Number of real-valued outputs of the readout.
    hidden, layers
        Number of hidden units of a layer, and of stacked layers.
    cell
        "rnn", "gru" or "lstm"; with levels "rnn", or "gru" with the reset gate before the recurrent
        matrix, see `edgespike.nn.QuantGRU`.
    nonlinearity
        Of an "rnn": "tanh" or "relu".
    initialisation
        "identity" initialises an "rnn" with the identity as its recurrent weights, small input
        weights and zero biases (Le et al., arXiv 1504.00941); "default" is torch's.
    activation
        "float", or "levels": integer weights and few states, see `edgespike.nn.QuantRNN`.
    activation_states
        States of a hidden unit, with levels; an odd number for "tanh", so that one of them is 0.
    gate_states
        States of a gate of a "gru" with levels.
    input_states
        States of a feature, with levels; 0 keeps the input's 256. Fewer states leave more precision
        to the input weights, which share their unit with the recurrent ones (see
        `edgespike.nn.QuantRNN`): a ReLU that keeps its state for many steps adds little to it in
        each.
    bits, readout_bits
        Width of the weights of a layer and of the readout, with levels.
    signed
        Whether features are -127 to 127 instead of 0 to 255.
    """

    input_shape: tuple[int, int]
    classes: int
    hidden: int
    layers: int = 1
    cell: Literal["rnn", "gru", "lstm"] = "rnn"
    nonlinearity: Literal["tanh", "relu"] = "tanh"
    initialisation: Literal["default", "identity"] = "default"
    activation: Literal["float", "levels"] = "float"
    activation_states: int = 17
    gate_states: int = 16
    input_states: int = 0
    bits: int = 8
    readout_bits: int = 8
    signed: bool = False
    kind: Literal["recurrent"] = "recurrent"

    def __post_init__(self) -> None:
        refuse(self._faults())

    def _faults(self) -> Iterator[str]:
        yield from _bad_shape(self.input_shape)
        yield from outside(self, 1, CHANNEL_LIMIT, "classes")
        yield from outside(self, 1, _MOST_HIDDEN, "hidden")
        yield from outside(self, 1, _MOST_LAYERS, "layers")
        yield from outside(self, 2, MOST_STATES, "activation_states", "gate_states")
        if not is_whole(self.input_states, 0, 0):
            yield from outside(self, 2, MOST_STATES, "input_states")
        yield from outside(self, 2, 8, "bits", "readout_bits")
        yield from unknown(self, ("rnn", "gru", "lstm"), "cell")
        yield from unknown(self, ("tanh", "relu"), "nonlinearity")
        yield from unknown(self, ("default", "identity"), "initialisation")
        yield from unknown(self, ("float", "levels"), "activation")
        yield from unknown(self, ("recurrent",), "kind")
        if self.cell in ("gru", "lstm"):
            yield from self._gate_faults()
        if self.signed and self.input_states:
            yield (
                f"input_states is {self.input_states}, 0 is needed with signed input: the states "
                "have no sign"
            )
        if (self.activation, self.nonlinearity) == ("levels", "tanh"):
            yield from self._even_states()

    def _even_states(self) -> Iterator[str]:
        states = self.activation_states
        if is_whole(states, 2, MOST_STATES) and states % 2 == 0:
            yield (
                f"activation_states is {states}, an odd number is needed with tanh, so that one "
                "state is 0"
            )

    def _gate_faults(self) -> Iterator[str]:
        if (self.activation, self.cell) == ("levels", "lstm"):
            yield (
                "cell is lstm, rnn or gru is needed with levels: what the cell keeps can grow at "
                "every step, and few levels cannot hold that"
            )
        if (self.nonlinearity, self.initialisation) != ("tanh", "default"):
            yield (
                f"nonlinearity is {self.nonlinearity} and initialisation {self.initialisation}, "
                f"tanh and default are needed with the cell {self.cell}"
            )

    @property
    def spiking(self) -> bool:
        """Whether any layer, including the readout, receives spikes or levels."""
        return self.activation == "levels"

    def to_table(self) -> dict[str, Any]:
        """Return the description as plain tables, lists, numbers and text."""
        return without_absent(asdict(self))


def _bad_shape(shape: tuple[int, ...]) -> Iterator[str]:
    steps_and_features = len(shape) == 2 and (
        is_whole(shape[0], 1, STEP_LIMIT) and is_whole(shape[1], 1, CHANNEL_LIMIT)
    )
    if not steps_and_features:
        yield f"input_shape is {shape}; steps (1 to {STEP_LIMIT}) and features are needed"
