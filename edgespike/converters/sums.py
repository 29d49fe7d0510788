"""The sums of a weighted layer, before they become events or logits."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import MaxPool2d
from edgespike.graph.tensor import ACCUMULATOR_LIMIT
from edgespike.passes.folding import Normalisation, fold_affine


class ConversionStoppedError(Exception):
    """The rest of a model cannot be examined, because an earlier part is missing."""


@dataclass(frozen=True, eq=False)
class Logits:
    """How sums become logits: ``scales * (signs * sums + bias)``, one entry for each class.

    Parameters
    ----------
    scales
        Positive, float64.
    bias
        Rounded half up to whole units, int64.
    signs
        1, or -1 where a normalisation's factor is negative, int64.
    """

    scales: NDArray[np.float64]
    bias: NDArray[np.int64]
    signs: NDArray[np.int64]


@dataclass
class Sums:
    """A weighted layer whose sums wait for their activation.

    Parameters
    ----------
    scale
        Real value of one unit of the accumulator.
    bias
        Trained bias of each channel, in real units, not yet part of the graph.
    normalisation, pools
        The modules between the layer and its activation.
    """

    scale: Fraction
    bias: NDArray[np.float64]
    normalisation: Normalisation | None = None
    pools: list[MaxPool2d] = field(default_factory=list)

    def logits(self) -> Logits:
        """Return how the sums become logits, including a normalisation if there is one.

        Raises
        ------
        ConversionStoppedError
            A bias is not finite, or too large for an accumulator.
        UnsupportedError
            The normalisation has a parameter that is not finite, or a gamma of 0.
        """
        if not np.isfinite(self.bias).all():
            raise ConversionStoppedError("the readout's bias is not finite; train again")
        normalisation = self.normalisation or Normalisation.identity(len(self.bias))
        folded = fold_affine(self.scale, self.bias.tolist(), normalisation)
        bias = [_round_half_up(line.offset) for line in folded]
        largest = max(bias, key=abs)
        if abs(largest) > ACCUMULATOR_LIMIT:
            raise ConversionStoppedError(
                f"the readout's bias is {float(largest):.3g} units of its accumulator; the limit "
                f"is +-{ACCUMULATOR_LIMIT}, so train with smaller biases"
            )
        scales = np.array([float(line.scale) for line in folded])
        signs = np.array([line.sign for line in folded], np.int64)
        return Logits(scales, np.array(bias, np.int64), signs)


def _round_half_up(value: Fraction) -> int:
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)
