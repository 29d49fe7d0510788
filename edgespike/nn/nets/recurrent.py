"""Build recurrent nets from their descriptions: of floats, or of integer weights and few states."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from edgespike.nn.layers.activation import RoundClip
from edgespike.nn.layers.quant_gru import QuantGRU
from edgespike.nn.layers.quant_rnn import QuantRNN
from edgespike.nn.layers.recurrent import Cell, LastStep, Recurrent
from edgespike.nn.layers.weighted import InputScale, QuantLinear
from edgespike.nn.nets.recurrent_spec import RecurrentSpec

SMALL = 1e-3
"""Standard deviation of the input weights of a cell whose recurrent ones start as the identity."""


def input_scale(signed: bool) -> InputScale:
    """Return the first module of a net on bytes, with or without a sign."""
    return InputScale(127, signed=True) if signed else InputScale(255)


def build_recurrent(spec: RecurrentSpec) -> nn.Sequential:
    """Build a recurrent net; see `edgespike.nn.nets.models.build`."""
    scale = input_scale(spec.signed)
    if spec.activation == "float":
        readout: nn.Linear = nn.Linear(spec.hidden, spec.classes)
        return nn.Sequential(scale, Recurrent(_float_cell(spec)), LastStep(), readout)
    readout = QuantLinear(spec.hidden, spec.classes, bias=True, bits=spec.readout_bits)
    return nn.Sequential(scale, *_quantised_layers(spec, 1 / scale.maximum), LastStep(), readout)


def _quantised_layers(spec: RecurrentSpec, input_step: float) -> Iterator[nn.Module]:
    features = spec.input_shape[1]
    if spec.input_states:
        input_step = 1 / (spec.input_states - 1)
        yield RoundClip(spec.input_states, input_step)
    for _ in range(spec.layers):
        layer = _quantised_layer(spec, features, input_step)
        yield layer
        features, input_step = spec.hidden, layer.step


def _quantised_layer(spec: RecurrentSpec, features: int, input_step: float) -> QuantRNN | QuantGRU:
    size, states = (features, spec.hidden, input_step), spec.activation_states
    if spec.cell == "gru":
        return QuantGRU(*size, states, spec.gate_states, spec.bits)
    return QuantRNN(*size, spec.nonlinearity, states, spec.bits)


def _float_cell(spec: RecurrentSpec) -> Cell:
    size = (spec.input_shape[1], spec.hidden, spec.layers)
    if spec.cell == "gru":
        return nn.GRU(*size, batch_first=True)
    if spec.cell == "lstm":
        return nn.LSTM(*size, batch_first=True)
    rnn = nn.RNN(*size, nonlinearity=spec.nonlinearity, batch_first=True)
    if spec.initialisation == "identity":
        _start_with_identity(rnn)
    return rnn


def _start_with_identity(rnn: nn.RNN) -> None:
    for name, parameter in rnn.named_parameters():
        if name.startswith("weight_hh"):
            nn.init.eye_(parameter)
        elif name.startswith("weight_ih"):
            nn.init.normal_(parameter, std=SMALL)
        else:
            nn.init.zeros_(parameter)
