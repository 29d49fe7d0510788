"""How runtimes store a tensor's numbers anew, with another scale and zero point.

Each is the ``function`` of an :class:`edgespike.int8.net.Int8Function`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgespike.graph.tensor import Integers
from edgespike.int8.net import Stored
from edgespike.int8.rounding import Requantise

_BITS = 8


@dataclass(frozen=True, eq=False)
class Rescaled:
    """A number without its zero point, requantised as if it were a sum.

    TFLite's QUANTIZE and RELU, without XNNPACK.

    Parameters
    ----------
    zero_point
        Of the numbers.
    requantise
        With one factor, the quotient of both scales.
    """

    zero_point: int
    requantise: Requantise

    def __call__(self, numbers: Integers) -> Integers:
        """Return the numbers as they are stored anew, int64."""
        return np.asarray(self.requantise((numbers - self.zero_point)[None])[0])


@dataclass(frozen=True)
class ShiftRescaled:
    """XNNPACK's QUANTIZE: a number times the quotient of both scales in 1/256, halves up.

    Parameters
    ----------
    source, result
        How the numbers are stored, and how anew.
    """

    source: Stored
    result: Stored

    def __call__(self, numbers: Integers) -> Integers:
        """Return the numbers as they are stored anew, int64."""
        ratio = np.float32(self.source.scale) / np.float32(self.result.scale)
        factor = int(np.rint(ratio * np.float32(2**_BITS)))
        products = (numbers - self.source.zero_point) * factor
        rounded = ((products + 2 ** (_BITS - 1)) >> _BITS) + self.result.zero_point
        return self.result.clipped(rounded)
