"""How large the sums of a weighted layer may get while they are formed.

Runtimes add up in an order of their own, and in types that hold whole numbers only up to a limit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import Tensor
from edgespike.graph.tensor import Integers


def largest_magnitude(tensor: Tensor) -> NDArray[np.float64]:
    """Bound each channel's magnitude, ``(channels,)``."""
    return np.maximum(np.abs(tensor.low), np.abs(tensor.high)).astype(np.float64)


def partial_sum_bounds(weight: Integers, bias: Integers, source: Tensor) -> NDArray[np.float64]:
    """Bound every partial sum of each output channel, whatever the order: ``sum |w| |x| + |b|``.

    Parameters
    ----------
    weight, bias
        In the shapes of a graph's weighted operations, ``(outputs, inputs / groups, ...)`` and
        ``(outputs,)``.
    source
        Range of the layer's input.

    Returns
    -------
    bounds
        ``(outputs,)``, in float64, since whole numbers of 64 bits could wrap around. Up to 2^53
        they are exact, and beyond it they are above every limit that they are compared with.
    """
    outputs, inputs = weight.shape[:2]
    by_group = largest_magnitude(source).reshape(-1, inputs)
    met = by_group[np.arange(outputs) * len(by_group) // outputs]
    taps = np.abs(weight.astype(np.float64)).reshape(outputs, inputs, -1).sum(axis=2)
    return np.asarray((taps * met).sum(axis=1) + np.abs(bias.astype(np.float64)))
