"""Lava's LIF as a membrane, with the proof that nothing happens that a membrane does not compute.

Lava's current wraps around beyond 2**23, where a membrane's saturates: no current may get there. A
threshold of 0, which no membrane has, is the same as firing at the least potential above 0. That is
1 where potentials are whole, and else 1/64, in sums that count 1/64.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgespike.converters.lava_dl.neurons import DECAY_ONE, LayerNeurons
from edgespike.graph import Comparison, Emits, Membrane, Reset
from edgespike.graph.tensor import Integers, Tensor

FRACTION_BITS = 6
"""Lava shifts sums and biases left by 6."""

CURRENT_HIGH = 2**23 - 1
"""Largest magnitude of a current that does not wrap around."""


@dataclass(frozen=True, eq=False)
class Spiking:
    """How a layer's neurons become a membrane.

    Parameters
    ----------
    neurons
        The file's.
    bias
        One for each channel, in the unit of the file's weights.
    unit
        What weights and biases are multiplied by: 1, or 64 where sums count 1/64.
    """

    neurons: LayerNeurons
    bias: Integers
    unit: int = 1

    @property
    def fraction_bits(self) -> int:
        """Fractional bits of the membrane."""
        return 0 if self.unit > 1 else FRACTION_BITS

    @property
    def summed_bias(self) -> Integers:
        """The bias of the weighted layer; 0 where it must bypass a current that lasts."""
        return np.zeros_like(self.bias) if self.neurons.has_current else self.bias * self.unit

    def in_a_row(self, size: int) -> Spiking:
        """Return the same for channels flattened to ``size`` neurons."""
        return replace(self, bias=np.repeat(self.bias, size // len(self.bias)))

    def membrane(self, tensor: Tensor) -> Membrane:
        """Return the membrane of a layer that fires."""
        theta, comparison = self.neurons.vThMant, Comparison.GREATER
        if theta == 0:
            theta, comparison = 1, Comparison.GREATER_EQUAL
        return Membrane(
            np.full(tensor.shape[0], theta),
            self.neurons.vDecay,
            Reset.ZERO,
            comparison=comparison,
            **self._current(),
        )

    def potential(self) -> Membrane:
        """Return the membrane of a layer whose potential is read."""
        ones = np.ones(len(self.bias), np.int64)
        return Membrane(
            ones, self.neurons.vDecay, Reset.NONE, emits=Emits.POTENTIAL, **self._current()
        )

    def _current(self) -> dict[str, Any]:
        fields: dict[str, Any] = {"fraction_bits": self.fraction_bits}
        if self.neurons.has_current:
            fields["decay_syn"] = self.neurons.iDecay
            fields["bias"] = self.bias << FRACTION_BITS
        return fields

    def is_sum(self, tensor: Tensor, steps: int) -> bool:
        """Return whether the potential is the sum of all steps' inputs, biases included."""
        if self.neurons.has_current or self.neurons.vDecay:
            return False
        return not self.potential().saturates(
            *self.potential().potential_range(tensor, steps), steps
        )

    def violations(self, path: str, tensor: Tensor, steps: int) -> Iterator[str]:
        """Yield why a layer that fires has no membrane."""
        if self.neurons.vThMant >= 2**17:
            yield (
                f"{path}/neuron/vThMant is {self.neurons.vThMant}, which no potential exceeds; "
                "only the last layer may never fire, and then its potential must be the answer"
            )
        whole = self.unit == 1 and not self.neurons.vThMant and not self.neurons.vDecay
        if whole and self.membrane(tensor).saturates(
            *self.membrane(tensor).potential_range(tensor, steps), steps
        ):
            yield (
                f"{path} has a vThMant of 0, and its potential may saturate in {steps} steps; use "
                "fewer steps, or smaller weights"
            )

    def answer_violations(self, path: str, tensor: Tensor, steps: int) -> Iterator[str]:
        """Yield why a potential cannot be read as the answer: it might be reset by a spike."""
        _, most = self.potential().potential_range(tensor, steps)
        high, limit = int(most.max()), self.neurons.vThMant << FRACTION_BITS
        if min(high, CURRENT_HIGH) > limit:
            yield (
                f"{path} may fire: its potential may reach {high / 64:.0f} in {steps} steps, and "
                f"its vThMant is {self.neurons.vThMant}; then its potential is not an answer, so "
                "use fewer steps, or the count of its spikes (readout count)"
            )


def spiking(neurons: LayerNeurons, bias: Integers) -> Spiking:
    """Return how neurons that fire become a membrane."""
    whole = not neurons.has_current and neurons.vDecay in (0, DECAY_ONE)
    return Spiking(neurons, bias, unit=1 if neurons.vThMant or whole else 1 << FRACTION_BITS)


def answering(neurons: LayerNeurons, bias: Integers) -> Spiking:
    """Return how neurons whose potential is the answer become a membrane."""
    return Spiking(neurons, bias)


def current_violations(path: str, way: Spiking, tensor: Tensor, steps: int) -> Iterator[str]:
    """Yield whether a current may wrap around.

    ``tensor`` bounds the layer's sums, with the bias that is in them; Lava adds biases to the
    potential instead.
    """
    shift = FRACTION_BITS - (way.unit.bit_length() - 1)
    low, high = (int(end) << shift for end in _without_bias(way, tensor))
    decay = way.neurons.iDecay
    largest = max(-low, high)
    reached = largest_current(largest, decay, steps)
    if reached > CURRENT_HIGH:
        yield (
            f"{path} has a current that may reach {reached / 64:.0f} in {steps} steps; Lava's "
            f"wraps around beyond {CURRENT_HIGH >> FRACTION_BITS}: use smaller weights or inputs, "
            "fewer steps, or a larger iDecay"
        )


def _without_bias(way: Spiking, tensor: Tensor) -> tuple[int, int]:
    bias = way.summed_bias
    if len(bias) != len(tensor.low):
        bias = np.full(len(tensor.low), int(bias.flat[0]))
    return int((tensor.low - bias).min()), int((tensor.high - bias).max())


def largest_current(largest: int, decay: int, steps: int) -> int:
    """Return a bound on a current that ``largest`` is added to at each step, in 1/64.

    Exact until it exceeds :data:`CURRENT_HIGH`, or a larger bound that does not.
    """
    if decay and largest * DECAY_ONE <= CURRENT_HIGH * decay:
        return largest * DECAY_ONE // decay  # u <= u (1 - d) + x leads to u <= x / d
    if not decay:
        return largest * steps
    current = 0
    for _ in range(steps):
        after = (current * (DECAY_ONE - decay) >> 12) + largest
        if after == current or after > CURRENT_HIGH:
            return after
        current = after
    return current
