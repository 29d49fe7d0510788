"""A bound of how far the outputs of a pruned recurrent network differ from the original ones.

All errors are root mean squares over the samples and steps from which the covariance was gathered,
for sequences that start from a state of 0. Let ``d`` be the error of the kept states, ``e`` that of
``W_h[J] A h[J]`` and ``u`` that of the input from the layer below. Then in each step

    |d_t| <= rho (|W_h[J] A| |d_{t-1}| + |e_{t-1}| + |u_t|),

for an activation that is rho-Lipschitz (relu and tanh: 1). Unrolled over T steps, and because
shifting a sequence in time does not increase its mean square,

    |d| <= rho (sum_{l<T} g^l |u| + sum_{l<T-1} g^l |e|),  g = rho |W_h[J] A|.

The error of the output ``W_o A h#`` is then at most ``sqrt(L(W_o)) + |W_o A| |d|``: the compression
error of arXiv 2105.10832, with the losses of `edgespike.prune.choosing.reconstruction.loss`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgespike.errors import InputError
from edgespike.prune.choosing.choice import Choice, Group


def hidden_error(
    recurrent: float, gain: float, steps: int, arriving: float = 0.0, lipschitz: float = 1.0
) -> float:
    """Return a bound of the error of the kept hidden states.

    Parameters
    ----------
    recurrent
        ``|e|``: root of the loss with the rows ``W_h[J]``.
    gain
        ``|W_h[J] A|``, the largest singular value.
    steps
        Number of steps of the longest sequence, at least 1.
    arriving
        ``|u|``: bound of the error of the layer's input, after its input weights.
    lipschitz
        ``rho`` of the activation.

    Returns
    -------
    float
        Infinity where it exceeds the float range: with a gain above 1 the bound grows
        exponentially in the steps.

    Raises
    ------
    InputError
        ``steps`` is below 1.
    """
    if steps < 1:
        raise InputError(f"steps is {steps}; it must be at least 1")
    with np.errstate(over="ignore"):
        powers = (lipschitz * gain) ** np.arange(steps, dtype=np.float64)
        # Terms with an error of 0 are left out, since infinity times 0 is NaN.
        sums = [
            error * terms.sum()
            for error, terms in ((arriving, powers), (recurrent, powers[:-1]))
            if error
        ]
    return float(lipschitz * sum(sums))


@dataclass(frozen=True)
class PrunedPart:
    """The units of one direction, the choice among them, and ``W_i``, (units, inputs)."""

    group: Group
    choice: Choice
    arriving: NDArray[np.float64]


@dataclass(frozen=True)
class PrunedLayer:
    """A layer's directions, in the order in which their values are joined."""

    parts: tuple[PrunedPart, ...]

    def taken(self, rows: NDArray[np.float64], hidden: float) -> float:
        """Bound the error of ``rows`` times the layer's values, given that of the kept ones."""
        sizes = np.cumsum([part.group.size for part in self.parts])[:-1]
        blocks = list(zip(self.parts, np.split(rows, sizes, axis=1), strict=True))
        missing = sum(part.choice.root_loss(part.group, block) for part, block in blocks)
        gain = _norm(np.hstack([block @ part.choice.estimate for part, block in blocks]))
        return float(missing + (gain * hidden if gain else 0.0))


def output_bound(layers: Sequence[PrunedLayer], readout: NDArray[np.float64], steps: int) -> float:
    """Return a bound of the error of the outputs of stacked layers.

    It bounds the root mean square of ``|y - y#|`` over samples and steps, up to rounding.

    Parameters
    ----------
    layers
        The layers in order; each takes the values of the one before.
    readout
        ``W_o``: (outputs, units of the last layer).
    steps
        Number of steps of the longest sequence, at least 1.
    """
    below, hidden = None, 0.0
    for layer in layers:
        errors = []
        for part in layer.parts:
            units = part.choice.units
            rows = part.group.recurrent_rows(units)
            if rows is None:
                raise InputError(
                    f"layer {part.group.name!r} has no recurrent weights, which the bound needs"
                )
            arriving = 0.0 if below is None else below.taken(part.arriving[units], hidden)
            gain = _norm(rows @ part.choice.estimate)
            errors.append(
                hidden_error(part.choice.root_loss(part.group, rows), gain, steps, arriving)
            )
        below, hidden = layer, math.hypot(*errors)
    return 0.0 if below is None else below.taken(readout, hidden)


def _norm(matrix: NDArray[np.float64]) -> float:
    """Return the largest singular value."""
    return float(np.linalg.norm(matrix, 2))
