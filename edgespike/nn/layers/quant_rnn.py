"""A recurrent layer that computes as an integer graph does, on whole numbers with few states."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

import torch
from torch import Tensor, nn

from edgespike.nn.layers.activation import EventActivation, RoundClip, TanhLevels
from edgespike.nn.layers.quantise import (
    SMALLEST_SCALE,
    SymmetricQuantiser,
    round_half_up,
    straight_through,
)

Nonlinearity = Literal["tanh", "relu"]


class SharedUnitLinear(nn.Linear):
    """A dense layer of integer weights and inputs whose sums share their unit with other layers.

    Parameters
    ----------
    inputs, outputs
        As for `torch.nn.Linear`; there is no bias.
    input_step
        Real value of one unit of the input.
    unit
        Returns the real value of one unit of the sums, a float32 scalar.
    """

    def __init__(
        self, inputs: int, outputs: int, input_step: float, unit: Callable[[], Tensor]
    ) -> None:
        super().__init__(inputs, outputs, bias=False)
        self.input_step, self._unit = input_step, unit

    def whole_weight(self) -> Tensor:
        """Return the weights as whole numbers in their dtype, with a straight-through gradient."""
        # In single precision for any dtype of the module, as for all quantised weights.
        in_units = self.weight.float() * self.input_step / self._unit()
        return straight_through(in_units, round_half_up(in_units)).to(self.weight.dtype)

    def integer_weight(self) -> Tensor:
        """Return the integer weights, int64, (outputs, inputs)."""
        return self.whole_weight().detach().long()

    def float_nonzero(self) -> Tensor:
        """Return which weights are synapses before rounding, bool, in the shape of the integers."""
        return self.weight.detach() != 0

    def forward(self, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """Multiply whole numbers ``x`` (..., inputs) with ``weight``, by default `whole_weight`."""
        return nn.functional.linear(x, self.whole_weight() if weight is None else weight)


class InputLinear(SharedUnitLinear):
    """A `SharedUnitLinear` on real inputs, which are whole multiples of its ``input_step``."""

    def forward(self, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """Multiply real ``x`` (..., inputs) with ``weight``, by default `whole_weight`."""
        in_units = x / self.input_step
        # Rounding removes the error of the division.
        return super().forward(straight_through(in_units, torch.round(in_units)), weight)


def shared_unit(layers: Iterable[SharedUnitLinear], limit: int) -> Tensor:
    """Return the unit in which the largest weight of some layers is ``limit``.

    Returns
    -------
    Tensor
        The real value of one unit of the sums, a float32 scalar without gradient.
    """
    largest = [layer.weight.detach().float().abs().amax() * layer.input_step for layer in layers]
    return (torch.stack(largest).amax() / limit).clamp(min=SMALLEST_SCALE)


class InitialState(nn.Module):
    """The hidden state before the first step: zeros.

    It is a module so that a hook can count what arrives at the first step.
    """

    def forward(self, drive: Tensor) -> Tensor:
        """Return zeros (samples, hidden) for sums of inputs (samples, steps, hidden)."""
        return torch.zeros_like(drive[:, 0])


class QuantRNN(nn.Module):
    r"""A recurrent layer with integer weights and few states.

    .. math:: h_t = f(a (W_i x_t + W_h h_{t-1}) + b), \qquad h_0 = 0

    ``x``, ``h`` and both matrices are whole numbers here, and so are the sums. To be added exactly,
    both matrices have the same unit ``a``: the largest magnitude that either matrix needs, divided
    by ``2 ** (bits - 1) - 1``. ``f`` is a staircase with the states of a ReLU (`RoundClip` of
    step 1) or of a tanh (`TanhLevels`).

    Parameters
    ----------
    features, hidden
        Number of inputs of a step, and of hidden units.
    input_step
        Real value of one unit of the input, e.g. 1/255 after ``InputScale(255)``.
    nonlinearity
        "relu", whose states are ``0, 1, ..., states - 1``; or "tanh", whose states go from -1 to 1
        in even steps.
    states
        Number of states of a hidden unit, 2 to 256; odd for tanh.
    bits
        Width of a weight with its sign, 2 to 8.

    Attributes
    ----------
    step
        Real value of one unit of the hidden state.

    Raises
    ------
    ValueError
        A parameter is out of its range.
    """

    def __init__(
        self,
        features: int,
        hidden: int,
        input_step: float,
        nonlinearity: Nonlinearity = "tanh",
        states: int = 17,
        bits: int = 8,
    ) -> None:
        super().__init__()
        self.activation: EventActivation
        if nonlinearity == "tanh":
            self.activation = TanhLevels(states)
            self.step = 1 / self.activation.zero
        else:
            self.activation = RoundClip(states, step=1.0)
            self.step = 1.0
        self._limit = SymmetricQuantiser(bits).limit
        self.input = InputLinear(features, hidden, input_step, self.unit)
        self.recurrent = SharedUnitLinear(hidden, hidden, self.step, self.unit)
        self.bias = nn.Parameter(torch.zeros(hidden))
        self.initial = InitialState()

    def unit(self) -> Tensor:
        """Return the real value of one unit of the sums, a float32 scalar without gradient."""
        return shared_unit((self.input, self.recurrent), self._limit)

    def forward(self, x: Tensor) -> Tensor:
        """Return hidden states (samples, steps, hidden) for ``x`` (samples, steps, features)."""
        # Computed once for all steps.
        unit, recurrent = self.unit().to(x.dtype), self.recurrent.whole_weight()
        drive = self.input(x)
        state, states = self.initial(drive), []
        for arriving in drive.unbind(dim=1):
            state = self.activation(
                unit * (arriving + self.recurrent(state, recurrent)) + self.bias
            )
            states.append(state)
        return torch.stack(states, dim=1) * self.step
