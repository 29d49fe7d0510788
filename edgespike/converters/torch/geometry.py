"""What the arguments of torch's convolutions and pools mean, by whatever converter they are read.

A number may stand for both axes, padding may be a word, and windows may follow from the size of an
output. Read in torch 2.13: ``torch/nn/modules/conv.py`` and
``aten/src/ATen/native/AdaptivePooling.h``.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from edgespike.graph.ops.windows import sides_that_keep_size

Pair = tuple[int, int]


def both(value: Any) -> tuple[Any, Any]:
    """Return the vertical and the horizontal one of two values, or of one for both."""
    return (value[0], value[-1]) if isinstance(value, tuple | list) else (value, value)


def pair(value: Any) -> Pair:
    """Return the vertical and the horizontal one of two whole numbers, or of one for both."""
    vertical, horizontal = both(value)
    return int(vertical), int(horizontal)


def convolution_sides(
    padding: Any, kernel: Sequence[int], dilation: Sequence[int]
) -> tuple[Pair, ...]:
    """Return how many zeros a convolution adds before and after, for each of one or two axes.

    Parameters
    ----------
    padding
        One number, one for each axis, "valid" or "same".
    """
    if padding == "same":
        return sides_that_keep_size(kernel, dilation)
    each = pair(0 if padding == "valid" else padding)[-len(kernel) :]
    return tuple((number, number) for number in each)


def adaptive_window(size: int, count: int) -> Pair | None:
    """Return kernel and stride of an adaptive pool along an axis; ``None`` if windows differ.

    Window ``i`` of ``n`` over ``size`` elements is ``floor(i size / n) .. ceil((i + 1) size / n)``.
    """
    starts = [number * size // count for number in range(count)]
    kernels = {-(-(n + 1) * size // count) - start for n, start in enumerate(starts)}
    strides = {after - start for start, after in pairwise(starts)} or {size}
    if len(kernels) != 1 or len(strides) != 1 or min(strides) < 1:
        return None
    return kernels.pop(), strides.pop()
