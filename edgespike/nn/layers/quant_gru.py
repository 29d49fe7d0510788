"""A gated recurrent layer that computes as an integer graph does, on whole numbers."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from edgespike.nn.layers.activation import EventActivation, RoundSigned, SigmoidLevels, TanhLevels
from edgespike.nn.layers.product import EventProduct
from edgespike.nn.layers.quant_rnn import InitialState, InputLinear, SharedUnitLinear, shared_unit
from edgespike.nn.layers.quantise import SymmetricQuantiser


class Gate(nn.Module):
    """The sums of an input and a state, in one unit, and the levels that they reach.

    Parameters
    ----------
    features, hidden
        Number of inputs, and of units.
    input_step, state_step
        Real value of one unit of the input and of the state.
    bits
        Width of a weight with its sign, 2 to 8.
    activation
        Gives the levels.
    """

    def __init__(
        self,
        features: int,
        hidden: int,
        input_step: float,
        state_step: float,
        bits: int,
        activation: EventActivation,
    ) -> None:
        super().__init__()
        self._limit = SymmetricQuantiser(bits).limit
        self.input = InputLinear(features, hidden, input_step, self.unit)
        self.recurrent = SharedUnitLinear(hidden, hidden, state_step, self.unit)
        self.bias = nn.Parameter(torch.zeros(hidden))
        self.activation = activation

    def unit(self) -> Tensor:
        """Return the real value of one unit of the sums, a float32 scalar without gradient."""
        return shared_unit((self.input, self.recurrent), self._limit)

    def forward(self, x: Tensor) -> Callable[[int, Tensor], Tensor]:
        """Return a function from a step and the state before it, whole numbers, to levels.

        ``x`` is (samples, steps, features). What all steps share is computed here, once.
        """
        unit, recurrent = self.unit().to(x.dtype), self.recurrent.whole_weight()
        drive = self.input(x).unbind(dim=1)

        def levels(step: int, state: Tensor) -> Tensor:
            sums = drive[step] + self.recurrent(state, recurrent)
            found: Tensor = self.activation(unit * sums + self.bias)
            return found

        return levels


class QuantGRU(nn.Module):
    r"""A gated recurrent layer with integer weights and few states.

    .. math::

        z_t &= \sigma(W_z x_t + U_z h_{t-1} + b_z), \qquad
        r_t = \sigma(W_r x_t + U_r h_{t-1} + b_r) \\
        n_t &= \tanh(W_n x_t + U_n (r_t \odot h_{t-1}) + b_n) \\
        h_t &= z_t \odot h_{t-1} + (1 - z_t) \odot n_t, \qquad h_0 = 0

    The reset gate acts before the recurrent matrix, as in the paper (Cho et al., arXiv 1406.1078),
    Keras with ``reset_after=False`` and ONNX with ``linear_before_reset=0``, so that it multiplies
    events by events. ``torch.nn.GRU`` has it after the matrix, where it would multiply sums, and
    computes another function of the same weights.

    Everything is a whole number: ``z`` and ``r`` are ``0..K``, with ``K = gate_states - 1`` for 1;
    ``n`` and ``h`` are ``-half..half``, with ``half = states // 2`` for 1. Both ``(r * h) / K`` and
    the new state ``(z * h + (K - z) * n) / K`` are rounded to the nearest whole number, halves
    upwards. Each pair of matrices has a unit of its own, as in `edgespike.nn.QuantRNN`. Without the
    first rounding, one unit of what reaches ``U_n`` would be worth so little beside one of the
    input that 8 bits would not hold both matrices well.

    A state that should change by less than half a level keeps its value: few levels of a state
    forget what comes slowly. And the fewer they are, the more each is worth, and the less precision
    is left to the input weights, which share their unit.

    Parameters
    ----------
    features, hidden
        Number of inputs of a step, and of hidden units.
    input_step
        Real value of one unit of the input, e.g. 1/255 after ``InputScale(255)``.
    states
        Number of states of a hidden unit and of its candidate, odd, 3 to 255.
    gate_states
        Number of states of a gate, 2 to 256.
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
        states: int = 255,
        gate_states: int = 16,
        bits: int = 8,
    ) -> None:
        super().__init__()
        self.state = RoundSigned(states)
        self.open = gate_states - 1
        self.step = 1 / self.state.zero
        size = (features, hidden, input_step)
        self.update = Gate(*size, self.step, bits, SigmoidLevels(gate_states))
        self.reset = Gate(*size, self.step, bits, SigmoidLevels(gate_states))
        tanh = TanhLevels(states, signed=True)
        self.candidate = Gate(*size, self.step, bits, tanh)
        self.admitted, self.kept, self.renewed = EventProduct(), EventProduct(), EventProduct()
        self.remembered = RoundSigned(states)
        self.initial = InitialState()

    def forward(self, x: Tensor) -> Tensor:
        """Return hidden states (samples, steps, hidden) for ``x`` (samples, steps, features)."""
        update, reset, candidate = self.update(x), self.reset(x), self.candidate(x)
        state = self.initial(x.new_zeros(len(x), 1, len(self.update.bias)))
        states = []
        for step in range(x.shape[1]):
            kept = update(step, state)
            admitted = self.admitted(reset(step, state), state)
            new = candidate(step, self.remembered(admitted / self.open))
            total = self.kept(kept, state) + self.renewed(self.open - kept, new)
            state = self.state(total / self.open)
            states.append(state)
        return torch.stack(states, dim=1) * self.step
