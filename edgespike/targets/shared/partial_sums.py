"""How large the partial sums of a weighted layer can get.

Runtimes add up in any order, and in types that represent whole numbers only up to a limit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import Tensor
from edgespike.graph.tensor import Integers


def largest_magnitude(tensor: Tensor) -> NDArray[np.float64]:
    """Return a bound of each channel's magnitude, ``(channels,)``."""
    return np.maximum(np.abs(tensor.low), np.abs(tensor.high)).astype(np.float64)


def partial_sum_bounds(weight: Integers, bias: Integers, source: Tensor) -> NDArray[np.float64]:
    """Return a bound of each output's partial sums, in any order: ``sum |w| |x| + |b|``.

    Parameters
    ----------
    weight, bias
        Shaped as in a graph's weighted operations, ``(outputs, inputs / groups, ...)`` and
        ``(outputs,)``.
    source
        Range of the layer's input.

    Returns
    -------
    bounds
        ``(outputs,)``, in float64, since 64-bit integers could wrap around. They are exact up to
        2^53, and above that they exceed every limit that they are compared with.
    """
    outputs, inputs = weight.shape[:2]
    by_group = largest_magnitude(source).reshape(-1, inputs)
    met = by_group[np.arange(outputs) * len(by_group) // outputs]
    taps = np.abs(weight.astype(np.float64)).reshape(outputs, inputs, -1).sum(axis=2)
    return np.asarray((taps * met).sum(axis=1) + np.abs(bias.astype(np.float64)))
