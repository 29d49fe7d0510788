"""What netx and Lava make of a dense layer's weights: 8-bit mantissas and an exponent.

netx of lava-dl 0.6.0 (``netx/utils.py``, ``optimize_weight_bits``) shifts weights left as far as 8
bits allow and tells Lava how many bits they need; lava-nc 0.10.0 (``utils/weightutils.py``) clips
them, cuts off the bits that are not needed, and shifts each sum back. For most weights nothing
changes. This module computes the same steps, to find the others. Convolutions keep their weights.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgespike.graph.tensor import Integers

MIXED_LOW, MIXED_HIGH = -256, 254
"""netx clips weights of both signs to this range."""

EXCITATORY_HIGH = 255
"""Largest weight where none is negative: netx cannot shift larger ones."""

INHIBITORY_LOW = -256
"""Lowest weight where all are negative."""

MANTISSA_HIGH = 255
"""Largest magnitude of a mantissa where all signs are equal, 8 bits."""


def changed_weights(path: str, weight: Integers) -> Iterator[str]:
    """Yield why netx would compute with other weights than a file's, if it would."""
    low, high = int(weight.min()), int(weight.max())
    if low == high == 0:
        yield f"{path} has only zeros, and netx divides by the largest weight; remove the layer"
        return
    if low >= 0:
        least, most = 0, EXCITATORY_HIGH
    elif high < 0:
        least, most = INHIBITORY_LOW, -1
    else:
        least, most = MIXED_LOW, MIXED_HIGH
    if low < least or high > most:
        yield (
            f"{path} has weights {low}..{high}; netx keeps {least}..{most} and changes the others, "
            "quantise them to that range"
        )
        return
    different = int(np.count_nonzero(_kept(weight) != weight))
    if different:
        yield (
            f"{path} has weights {low}..{high}, of which netx changes {different} when it splits "
            "them into mantissas and an exponent; make one weight positive, or the lowest one "
            "closer to 0"
        )


def _kept(weight: Integers) -> Integers:
    """Return the weights with which Lava computes, for weights within netx's range."""
    low, high = int(weight.min()), int(weight.max())
    mixed = low < 0 <= high
    shift = _shift(low, high) + mixed
    even = next((n for n in range(8, 0, -1) if not np.any(weight & ((1 << n) - 1))), 0)
    bits = 8 - shift - (even - mixed)
    mantissa = weight << shift
    # Lava finds the signs again, and counts weights without a positive one as inhibitory.
    sign = -1 if high <= 0 else 1
    both = low < 0 < high
    mantissa = np.clip(sign * mantissa, -MANTISSA_HIGH - 1 if both else 0, MANTISSA_HIGH)
    cut = 8 - bits + both
    if cut < 0:  # numpy shifts by such a number to 0 or -1
        return np.full_like(weight, low - 1)
    mantissa = sign * ((mantissa >> cut) << cut)
    kept: Integers = mantissa >> shift
    # Lava shifts whole sums: a mantissa with bits below is no weight of its own.
    return np.where(kept << shift == mantissa, kept, low - 1)


def _shift(low: int, high: int) -> int:
    """Return by how many bits netx shifts weights so that they fill 8 bits, without the sign's."""
    if low >= 0:
        scale = 255 / high
    elif high < 0:
        scale = -256 / low
    else:
        scale = min(127 / high if high else np.inf, -128 / low)
    return int(np.floor(np.log2(scale)))
