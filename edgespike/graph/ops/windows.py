"""Windows over height and width, which convolutions and pools have in common."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from operator import add
from typing import TypeAlias

from edgespike.errors import shown
from edgespike.graph.ops.base import Op
from edgespike.graph.tensor import ELEMENT_LIMIT

GEOMETRY_LIMIT = 2**15 - 1
"""Largest stride, padding or dilation, in elements."""

Sides: TypeAlias = tuple[tuple[int, int], tuple[int, int]]
"""Padding as ``((top, bottom), (left, right))``, in elements."""

Padding: TypeAlias = tuple[int, int, int, int]
"""Padding as ``(top, bottom, left, right)``, in elements."""


class Windowed(Op):
    """Base of operations on windows of ``(channels, height, width)``.

    Their ``padding`` is ``(vertical, horizontal)``, or ``(top, bottom, left, right)`` where
    opposite sides differ. Four numbers whose opposite sides are equal become two, so each padding
    has one form. Read it as :attr:`sides`.
    """

    padding: tuple[int, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.padding) == 4 and self.padding[::2] == self.padding[1::2]:
            object.__setattr__(self, "padding", self.padding[::2])

    @property
    def file_version(self) -> int:
        """Version 4 where padding differs on opposite sides, else 1."""
        return 4 if len(self.padding) == 4 else 1

    @property
    def sides(self) -> Sides:
        """Padding of each side."""
        if len(self.padding) == 2:
            vertical, horizontal = self.padding
            return same_sides(vertical, horizontal)
        top, bottom, left, right = self.padding
        return (top, bottom), (left, right)

    @property
    def padded(self) -> bool:
        """Whether any side has padding."""
        return any(self.padding)

    def check_padded_size(self, shape: tuple[int, ...]) -> Iterator[str]:
        """Yield that an input of ``shape`` is too large with its padding, if it is."""
        if shape[0] * math.prod(padded_size(shape, self.sides)) > ELEMENT_LIMIT:
            yield (
                f"padding {self.padding} makes more than {ELEMENT_LIMIT} elements; use less padding"
            )


def check_geometry(
    stride: tuple[int, int], padding: tuple[int, ...], dilation: tuple[int, int]
) -> Iterator[str]:
    """Yield what is wrong with stride, padding or dilation."""
    pair = "(vertical, horizontal)"
    for name, sizes, least, forms in (
        ("stride", stride, 1, {2: pair}),
        ("padding", padding, 0, {2: pair, 4: "(top, bottom, left, right)"}),
        ("dilation", dilation, 1, {2: pair}),
    ):
        if len(sizes) not in forms or any(not least <= n <= GEOMETRY_LIMIT for n in sizes):
            yield (
                f"{name} is {shown(sizes)}; give {' or '.join(forms.values())}, each in "
                f"{least}..{GEOMETRY_LIMIT}"
            )


def sides_of(padding: Padding) -> Sides:
    """Return padding in its other form."""
    top, bottom, left, right = padding
    return (top, bottom), (left, right)


def padded_twice(first: Padding, second: Padding) -> Padding:
    """Return the padding of what is padded, and then padded again with the same value."""
    top, bottom, left, right = map(add, first, second)
    return top, bottom, left, right


def same_sides(vertical: int, horizontal: int) -> Sides:
    """Return the padding of each side where opposite sides have the same."""
    return (vertical, vertical), (horizontal, horizontal)


def sides_that_keep_size(
    kernel: Sequence[int], dilation: Sequence[int]
) -> tuple[tuple[int, int], ...]:
    """Return the padding, for each axis, that keeps the size of an input where the stride is 1.

    The larger part of an odd number is at the end.
    """
    totals = [gap * (size - 1) for gap, size in zip(dilation, kernel, strict=True)]
    return tuple((total // 2, total - total // 2) for total in totals)


def total_same_padding(size: int, kernel: int, stride: int, dilation: int = 1) -> int:
    """Return the padding, both sides together, that gives an axis ``ceil(size / stride)`` windows.

    That is what "SAME" means in TensorFlow and ONNX. It is negative where as many windows end
    before the input does.
    """
    windows = -(-size // stride)
    return (windows - 1) * stride + dilation * (kernel - 1) + 1 - size


def padded_size(shape: Sequence[int], sides: Sides) -> tuple[int, int]:
    """Return height and width of (channels, height, width) with padding."""
    height, width = (
        size + before + after for size, (before, after) in zip(shape[1:], sides, strict=True)
    )
    return height, width


def window_counts(
    shape: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    sides: Sides,
    dilation: Sequence[int] = (1, 1),
) -> tuple[int, int]:
    """Return how many windows fit vertically and horizontally into (channels, height, width)."""
    height, width = map(window_count, padded_size(shape, sides), kernel, stride, dilation)
    return height, width


def window_count(padded: int, kernel: int, stride: int, dilation: int = 1) -> int:
    """Return how many windows fit along an axis with its padding; less than 1 if none does."""
    extent = dilation * (kernel - 1) + 1
    return (padded - extent) // stride + 1
