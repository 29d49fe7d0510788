"""The sums of a weighted layer, before they become events or logits."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import MaxPool2d
from edgespike.graph.tensor import ACCUMULATOR_LIMIT
from edgespike.passes.folding import Normalisation


class ConversionStoppedError(Exception):
    """The rest of a model cannot be examined, because an earlier part is missing."""


@dataclass
class Sums:
    """A weighted layer whose sums wait for their activation.

    Parameters
    ----------
    scale
        Real value of one unit of the accumulator.
    bias
        Trained bias of each channel, in real units, not yet part of the graph.
    normalisation, pool
        What stands between the layer and its activation.
    """

    scale: Fraction
    bias: NDArray[np.float64]
    normalisation: Normalisation | None = None
    pool: MaxPool2d | None = None

    def whole_bias(self) -> NDArray[np.int64]:
        """Return the bias, rounded half up to whole units of the accumulator.

        Raises
        ------
        ConversionStoppedError
            It is not finite, or too large for an accumulator.
        """
        if not np.isfinite(self.bias).all():
            raise ConversionStoppedError("the readout's bias is not finite; train again")
        bias = [_round_half_up(Fraction(float(value)) / self.scale) for value in self.bias]
        largest = max(bias, key=abs)
        if abs(largest) > ACCUMULATOR_LIMIT:
            raise ConversionStoppedError(
                f"the readout's bias is {float(largest):.3g} units of its accumulator; the limit "
                f"is +-{ACCUMULATOR_LIMIT}, so train with smaller biases"
            )
        return np.array(bias, np.int64)


def _round_half_up(value: Fraction) -> int:
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)
