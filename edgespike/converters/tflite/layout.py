"""Where a tensor of a file is in the net, whose channels come first.

A file stores ``(height, width, channels)``, and its reshapes keep that order. The net has
``(channels, height, width)``. So a tensor also keeps how its numbers are ordered: as stretches in
the order of the net, each of which the file orders by place first and channel second.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgespike.int8.net import Stored

Order = tuple[tuple[int, int], ...]
"""Stretches of numbers, ``(size, channels)``; with 1 channel, file and net agree."""


@dataclass(frozen=True)
class Value:
    """A tensor that the net computes.

    Parameters
    ----------
    node
        The net's node.
    stored
        How its numbers are stored.
    file_shape
        Its shape in the file, without the batch.
    shape
        Its shape in the net.
    order
        How the numbers of the file are ordered in the net.
    """

    node: str
    stored: Stored
    file_shape: tuple[int, ...]
    shape: tuple[int, ...]
    order: Order

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def is_ordered(self) -> bool:
        """Whether file and net have the same order."""
        return all(channels == 1 for _, channels in self.order)


def plain(shape: tuple[int, ...]) -> tuple[tuple[int, ...], Order] | None:
    """Return a file's shape in the net and its order; ``None`` if it has none in the net."""
    size = math.prod(shape)
    match shape:
        case (_,):
            return shape, ((size, 1),)
        case (height, width):
            return (1, height, width), ((size, 1),)
        case (height, width, channels):
            return (channels, height, width), ((size, _mixed(size, channels)),)
        case _:
            return None


def _mixed(size: int, channels: int) -> int:
    """Return the channels, or 1 where their place makes no difference."""
    return 1 if channels == size else channels


def joined(orders: list[Order]) -> Order:
    """Return the order of stretches one after the other."""
    together = [each for order in orders for each in order]
    if all(channels == 1 for _, channels in together):
        return ((sum(size for size, _ in together), 1),)
    return tuple(together)


def places(order: Order) -> NDArray[np.intp]:
    """Return, for each number in the order of the net, its place in the file."""
    found, start = [], 0
    for size, channels in order:
        block = np.arange(start, start + size).reshape(size // channels, channels)
        found.append(block.T.reshape(-1))
        start += size
    return np.concatenate(found)
