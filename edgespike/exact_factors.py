"""Which number type to multiply in: float64 where that is proven exact, int64 otherwise.

Matrix products in float64 are about ten times as fast as in int64. float32 would be faster still,
but targets use it, and the definition should not share their arithmetic.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.graph.tensor import FLOAT64_LIMIT, Integers


def exact_factors(weight: Integers, x: Integers) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return weight and input in a number type in which every weighted sum of the input is exact.

    That type is float64 if ``n * max|weight| * max|x| <= 2**53``, where ``n`` is the number of
    weights of an output. Proof: float64 holds every integer of magnitude up to 2**53. Each of the
    ``n`` products is an integer of magnitude at most ``max|weight| * max|x|``. A sum of some of
    them is an integer of at most ``n`` times that. So weights, inputs, products and all partial
    sums, in any order, fused or not, are held exactly, and nothing is ever rounded.

    In int64, partial sums may wrap around, which is arithmetic modulo 2**64. The whole sum is still
    exact, because a graph proves that every value fits into 64 bits.

    Parameters
    ----------
    weight
        int64, with one row ``weight[i]`` for each output.
    x
        int64, of any shape. Zeros may be added to it.

    Returns
    -------
    weight, x
        Both float64, or both unchanged.
    """
    weights_of_an_output = weight.size // len(weight)
    if weights_of_an_output * _magnitude(weight) * _magnitude(x) > FLOAT64_LIMIT:
        return weight, x
    return weight.astype(np.float64), x.astype(np.float64)


def _magnitude(values: Integers) -> int:
    """Return the largest magnitude, but at least 1, as a Python integer, which never wraps around.

    At least 1, so that the product bounds each factor as well.
    """
    return max(1, -int(values.min()), int(values.max()))
