"""Pools that add up events, or average them."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from torch import nn


def pair(value: int | Sequence[int]) -> tuple[int, int]:
    """Return a height and a width from one number for both, or from two."""
    down, across = (value, value) if isinstance(value, int) else value
    return int(down), int(across)


def averaged(pool: nn.Module, size: Sequence[int]) -> int | str:
    """Return how many events a pool of means divides by, or why it is not one number.

    Parameters
    ----------
    pool
        An AvgPool2d or AdaptiveAvgPool2d.
    size
        Height and width of its input.
    """
    if isinstance(pool, nn.AdaptiveAvgPool2d):
        given = pool.output_size
        wanted = (given, given) if given is None or isinstance(given, int) else tuple(given)
        out = [whole if part is None else part for whole, part in zip(size, wanted, strict=True)]
        if any(whole % part for whole, part in zip(size, out, strict=True)):
            return (
                f"its windows on {size[0]}x{size[1]} differ in size; give it an output_size that "
                "divides the input's"
            )
        return prod(size) // prod(out)
    assert isinstance(pool, nn.AvgPool2d)
    if pool.ceil_mode or (any(pair(pool.padding)) and not pool.count_include_pad):
        return (
            "its windows at the border hold fewer neurons and divide by another number; use "
            "ceil_mode=False and count_include_pad=True"
        )
    return pool.divisor_override or prod(pair(pool.kernel_size))
