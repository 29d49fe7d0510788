"""Say in a few words why a node cannot be computed in int8."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import Tensor, Threshold
from edgespike.graph.ops import Weighted
from edgespike.targets.tflite.limits import INT16_LIMIT, SUM_LIMIT, WEIGHT_LIMIT
from edgespike.targets.tflite.planning.affine import Affine
from edgespike.targets.tflite.planning.storage import Form, Storage, zero_point

SHOWN_THRESHOLDS = 4
"""How many thresholds a reason names as an example."""


def obstacle(affine: Affine, source: Tensor) -> str:
    """Say why a weighted node cannot have int8 weights and input; empty if it can."""
    if zero_point(source) is None:
        low, high = source.bounds
        return f"int8 does not hold its input, {low}..{high}"
    return too_large(affine, source)


def obstacle_in_16_bits(affine: Affine, source: Tensor) -> str:
    """Say why a weighted node cannot have int8 weights and a 16-bit input; empty if it can."""
    low, high = source.bounds
    if max(-low, high) > INT16_LIMIT:
        return f"16 bits do not hold its input, {low}..{high}"
    return too_large(affine, source)


def too_large(affine: Affine, source: Tensor) -> str:
    """Say which weight or sum is beyond what integer kernels take; empty if none is."""
    if affine.largest_weight > WEIGHT_LIMIT:
        return f"a weight of {affine.largest_weight} is beyond {WEIGHT_LIMIT}"
    largest = int(affine.magnitudes(source).max())
    return f"sums of up to {largest} are not below {SUM_LIMIT}" if largest >= SUM_LIMIT else ""


def unproven(op: Weighted, threshold: Threshold, proven: NDArray[np.bool_]) -> str:
    """Say how many channels have no proven multiplier, with an example; empty if all have one."""
    if proven.all():
        return ""
    channel = int(np.argmin(proven))
    largest = int(np.abs(op.weight[channel]).max())
    thetas = ", ".join(map(str, threshold.theta[channel, :SHOWN_THRESHOLDS].tolist()))
    more = ", ..." if threshold.levels > SHOWN_THRESHOLDS else ""
    return (
        f"no multiplier is proven for {int((~proven).sum())} of {len(proven)} channels: "
        f"thresholds too uneven or weights too large, as in channel {channel} with thresholds "
        f"{thetas}{more} and weights up to {largest}"
    )


def outside_int8(outputs: Sequence[Tensor], sources: Sequence[Storage]) -> str:
    """Say why a pool, a sum or the input cannot be in int8; empty if it can."""
    for tensor in outputs:
        if zero_point(tensor) is None:
            low, high = tensor.bounds
            return f"int8 does not hold {low}..{high}"
    if not {source.form for source in sources} <= {Form.INT8}:
        return "its input is not in int8"
    if len({source.scale for source in sources}) > 1:
        return "its summands have different numbers of levels, and so different scales"
    return ""
