"""What readers of float nets have in common, whatever the framework or format."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

Shape = tuple[int, ...]


class UnreadableError(Exception):
    """A part that has no meaning in a net; the message goes behind the part's name."""


@dataclass(frozen=True)
class Unknown:
    """What a part of a net gives that cannot be read."""


def stored_shape(shape: Shape) -> Shape:
    """Return the shape under which a net keeps values of a sample's shape.

    ``(channels, length)`` becomes ``(channels, 1, length)``: a row of an image.

    Raises
    ------
    UnreadableError
        There is none.
    """
    if min(shape, default=1) < 1:
        raise UnreadableError(f"gives samples of shape {shape}; each size must be positive")
    if len(shape) in (1, 3):
        return shape
    if len(shape) == 2:
        return (shape[0], 1, shape[1])
    if len(shape) > 3 and prod(shape[3:]) == 1:
        return shape[:3]
    raise UnreadableError(
        f"gives samples of shape {shape}; a graph has (features,), (channels, length) or "
        "(channels, height, width)"
    )
