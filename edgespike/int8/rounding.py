"""How runtimes turn the sums of a layer into the numbers that are stored.

All take a 32-bit sum and a real factor, ``input scale * weight scale / output scale``, and differ
in where they round. The same file therefore gives different numbers on different runtimes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from edgespike.graph.tensor import Integers


class Rounding(str, Enum):
    """Where a factor's product with a sum is rounded."""

    DOUBLE_AWAY = "double-away"
    """Twice, halves away from zero the second time: gemmlowp's reference kernels."""

    DOUBLE_UP = "double-up"
    """Twice, halves up: ruy's kernels on x86."""

    FLOAT_EVEN = "float-even"
    """Once, a float32 product, halves to even: XNNPACK and ONNX Runtime."""

    ONCE_AWAY = "once-away"
    """Once, the real product, halves away from zero."""


@dataclass(frozen=True, eq=False)
class Requantise:
    """From sums to stored numbers: a product, a rounding, the zero point, a clip.

    Parameters
    ----------
    factor
        Of each channel, ``(channels,)``, positive; float64, as the runtime computes it before it
        is turned into a mantissa and a shift, or into float32.
    rounding
        Where the product is rounded.
    zero_point
        Of the output.
    low, high
        What the result is clipped to: the type's range, or a narrower one for a fused activation.
    """

    factor: NDArray[np.float64]
    rounding: Rounding
    zero_point: int
    low: int
    high: int

    def __call__(self, sums: Integers) -> Integers:
        """Return the stored numbers of sums ``(channels, ...)``, int64."""
        raise NotImplementedError
