"""Weights and geometry as netx files hold them, within the limits of netx and of Lava.

Lava 0.10 keeps a convolution's ``groups`` in 8 signed bits: with 128 of them it computes nothing.
So more than 127 groups are joined to fewer and larger ones, with weights of 0 between them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.errors import EdgespikeError
from edgespike.graph import Conv2d, Node

DENSE_LOW, DENSE_HIGH = -256, 254
"""Range of weights that netx keeps in dense layers: 8 bits with sign, in steps of 2."""

COUNT_HIGH = 127
"""Limit of a convolution's groups, strides, kernel extents, and padding of opposite sides together.
Lava 0.10 keeps each in 8 signed bits and checks none of them (``lava/proc/conv/models.py``)."""


class NetxError(EdgespikeError):
    """A netx file cannot hold the graph, or h5py is missing."""


def check_dense(name: str, weight: NDArray[np.float32]) -> None:
    """Refuse weights that netx changes when it loads them as mantissas and an exponent."""
    low, high = int(weight.min()), int(weight.max())
    if low == high == 0:
        raise NetxError(
            f"all weights of {name} are 0, and netx divides by the largest; remove the layer, or "
            "quantise it more finely"
        )
    if low < DENSE_LOW or high > DENSE_HIGH:
        raise NetxError(
            f"weights of {name} are {low}..{high}; the limit of netx is {DENSE_LOW}..{DENSE_HIGH} "
            "in dense layers, use smaller weights"
        )
    if high <= 0 and -low & (-low - 1) == 0:
        raise NetxError(
            f"{name} has no weight above 0 and the lowest is {low}, a power of 2, which netx makes "
            f"-255 of 256 times as strong; quantise it so that the lowest is {low + 1}"
        )


def placed(node: Node, op: Conv2d) -> dict[str, Any]:
    """Return weights and geometry of a convolution; netx pads opposite sides alike.

    Where a graph's sides differ, both get the larger padding. Zero weights at one end of the kernel
    then keep its windows in their places.
    """
    widening, padding = [(0, 0), (0, 0)], []
    for (before, after), step in zip(op.sides, op.dilation, strict=True):
        if (after - before) % step:
            raise NetxError(
                f"{node.name} has padding {op.padding} and dilation {op.dilation}; netx pads "
                "opposite sides alike, so their difference must be a multiple of the dilation"
            )
        padding.append(max(before, after))
        widening.append((max(after - before, 0) // step, max(before - after, 0) // step))
    weight = np.pad(op.weight, widening)
    outputs, inputs, *kernel = weight.shape
    spans = [step * (size - 1) + 1 for step, size in zip(op.dilation, kernel, strict=True)]
    largest = max(*spans, *op.stride, *(2 * size for size in padding))
    if largest > COUNT_HIGH:
        raise NetxError(
            f"{node.name} has windows of {spans[0]} x {spans[1]}, stride {op.stride} and padding "
            f"{tuple(padding)} on each side; Lava's limit for windows, strides and the padding of "
            f"opposite sides together is {COUNT_HIGH}, use smaller ones"
        )
    return {
        **_joined_groups(weight.astype(np.float32), op.groups),
        "inChannels": inputs * op.groups,
        "outChannels": outputs,
        "kernelSize": np.array(kernel),
        "stride": np.array(op.stride),
        "padding": np.array(padding),
        "dilation": np.array(op.dilation),
    }


def _joined_groups(weight: NDArray[np.float32], groups: int) -> dict[str, Any]:
    """Return weights and number of groups, joining groups where there are more than Lava takes."""
    fewer = max(n for n in range(1, COUNT_HIGH + 1) if groups % n == 0)
    joined = groups // fewer
    outputs, inputs, *kernel = weight.shape
    parts = weight.reshape(fewer, joined, outputs // groups, inputs, *kernel)
    whole = np.zeros((fewer, joined, outputs // groups, joined, inputs, *kernel), np.float32)
    for each in range(joined):
        whole[:, each, :, each] = parts[:, each]
    return {"weight": whole.reshape(outputs, joined * inputs, *kernel), "groups": fewer}
