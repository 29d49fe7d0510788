"""Turn a recurrent float net into one of integer weights and few states, to be fine-tuned."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgespike.errors import InputError
from edgespike.nn.layers.quant_rnn import QuantRNN
from edgespike.nn.layers.recurrent import Recurrent
from edgespike.nn.nets.models import build
from edgespike.nn.nets.recurrent_spec import RecurrentSpec

HELD = 0.99
"""Share of a ReLU layer's states that its levels cover; larger states are clipped."""

SMALLEST = 1e-12
"""Replaces the highest state of a silent layer, to which any scale fits."""

LayerWeights = tuple[Tensor, Tensor, Tensor]
"""Input weights, recurrent weights, and bias."""


@torch.no_grad()
def from_float(model: nn.Sequential, spec: RecurrentSpec, sequences: Tensor) -> nn.Sequential:
    """Build a net of levels that approximates a float net.

    The hidden units of a ReLU layer may have any scale if the weights before and after them are
    scaled too. The scale is chosen so that the states seen on ``sequences`` fill the levels.

    Parameters
    ----------
    model
        A net that `build` returned for the cell "rnn" and the activation "float".
    spec
        Description of the net to build: that of ``model``, except for the activation "levels".
    sequences
        Some of the training data, (samples, steps, features).

    Raises
    ------
    InputError
        The states on ``sequences`` are not finite.
    TypeError
        The model is not the net that `build` returns for such a description.
    """
    scale, recurrent, _, readout = model
    if not isinstance(recurrent, Recurrent):
        raise TypeError(f"the net holds a {type(recurrent).__name__} in place of a recurrent layer")
    with torch.random.fork_rng():  # the weights drawn here are replaced
        quantised = build(spec)
    layers = [layer for layer in quantised if isinstance(layer, QuantRNN)]
    states, factor = scale(sequences), 1.0
    for index, layer in enumerate(layers):
        weights = _layer_weights(recurrent.rnn, index)
        states = _hidden_states(states, weights, spec.nonlinearity)
        before, factor = factor, _levels_per_unit(states, spec)
        _fill(layer, weights, before, factor)
    trained = readout.state_dict()
    quantised[-1].load_state_dict({**trained, "weight": trained["weight"] / factor})
    return quantised


def _layer_weights(rnn: nn.RNNBase, index: int) -> LayerWeights:
    inputs, recurrent, *biases = rnn.all_weights[index]
    return inputs, recurrent, sum(biases, torch.zeros(()))


def _hidden_states(x: Tensor, weights: LayerWeights, nonlinearity: str) -> Tensor:
    inputs, recurrent, bias = weights
    activation = torch.relu if nonlinearity == "relu" else torch.tanh
    drive = x @ inputs.T + bias
    states = [torch.zeros_like(drive[:, 0])]
    for arriving in drive.unbind(dim=1):
        states.append(activation(arriving + states[-1] @ recurrent.T))
    return torch.stack(states[1:], dim=1)


def _levels_per_unit(states: Tensor, spec: RecurrentSpec) -> float:
    """Return the factor from a layer's float states to those of the net of levels."""
    if spec.nonlinearity == "tanh":
        return 1.0
    if not torch.isfinite(states).all():
        raise InputError(
            "the float net's hidden states become infinite or NaN on the training data, which no "
            "levels can hold; train it with a lower learning rate"
        )
    # Not torch.quantile, which refuses more than 16 million numbers.
    high = states.flatten().sort().values[int(HELD * (states.numel() - 1))].item()
    return (spec.activation_states - 1) / max(high, SMALLEST)


def _fill(layer: QuantRNN, weights: LayerWeights, before: float, factor: float) -> None:
    """Set a layer's weights for inputs scaled by ``before`` and states scaled by ``factor``."""
    inputs, recurrent, bias = weights
    layer.input.weight.copy_(inputs * (factor / before))
    layer.recurrent.weight.copy_(recurrent)
    layer.bias.copy_(bias * factor)
