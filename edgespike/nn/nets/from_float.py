"""From a recurrent net of floats to one of integer weights and few states, to be fine-tuned."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgespike.errors import InputError
from edgespike.nn.layers.quant_rnn import QuantRNN
from edgespike.nn.layers.recurrent import Recurrent
from edgespike.nn.nets.models import build
from edgespike.nn.nets.recurrent_spec import RecurrentSpec

HELD = 0.99
"""Share of a ReLU layer's states that its levels hold; the largest ones beyond are clipped."""

SMALLEST = 1e-12
"""Stands for the highest state of a layer that is silent, which any scale fits."""

LayerWeights = tuple[Tensor, Tensor, Tensor]
"""Input weights, recurrent weights, and bias."""


@torch.no_grad()
def from_float(model: nn.Sequential, spec: RecurrentSpec, sequences: Tensor) -> nn.Sequential:
    """Build a net of levels that computes about what a float net computes.

    The hidden units of a ReLU layer may have any scale, if the weights before and behind them have
    it too; they are given the one at which the states seen on ``sequences`` fill the levels.

    Parameters
    ----------
    model
        A net of `build` with the cell "rnn" and the activation "float".
    spec
        Of the net to build: as the model's, but for the activation "levels".
    sequences
        Some of the training data, (samples, steps, features).

    Raises
    ------
    InputError
        The states on ``sequences`` are not finite.
    TypeError
        The model is another net than `build` makes of such a description.
    """
    scale, recurrent, _, readout = model
    if not isinstance(recurrent, Recurrent):
        raise TypeError(f"the net holds a {type(recurrent).__name__} where its recurrent layer is")
    with torch.random.fork_rng():  # what is drawn is replaced
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
    """Return the factor from a layer's real states to those of the net of levels."""
    if spec.nonlinearity == "tanh":
        return 1.0
    if not torch.isfinite(states).all():
        raise InputError(
            "the float net's hidden states grow beyond all numbers on the training data, so that "
            "no levels hold them; train it with a lower learning rate"
        )
    # torch.quantile refuses more than 16 million numbers.
    high = states.flatten().sort().values[int(HELD * (states.numel() - 1))].item()
    return (spec.activation_states - 1) / max(high, SMALLEST)


def _fill(layer: QuantRNN, weights: LayerWeights, before: float, factor: float) -> None:
    """Set weights for inputs and states that are scaled by ``before`` and by ``factor``."""
    inputs, recurrent, bias = weights
    layer.input.weight.copy_(inputs * (factor / before))
    layer.recurrent.weight.copy_(recurrent)
    layer.bias.copy_(bias * factor)
