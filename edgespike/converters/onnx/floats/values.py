"""A value of an ONNX net, and where each of its elements lies in the float net.

ONNX names no channels: a net of images may keep them first or last, flatten them in either order,
and turn them around in between. Here every value knows, for each of its elements, which element of
the float net's value it is; so a node that only moves elements needs none in the float net, and
moving them there and back costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.converters.floats import Shape

Pads = tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class Value:
    """What a node of an ONNX net gives.

    Parameters
    ----------
    node
        Name of the float net's node that has the elements.
    stored
        Its shape there: ``(features,)`` or ``(channels, height, width)``.
    elements
        int64, of the value's shape in ONNX with a batch of 1; the places of the elements in the
        node's value, counted in row-major order. Each occurs once.
    pads
        Zeros before and after, for each axis in ONNX, that the next layer must add; the shapes do
        not count them.
    """

    node: str
    stored: Shape
    elements: NDArray[np.int64]
    pads: Pads = ()

    @property
    def shape(self) -> Shape:
        """The shape in ONNX, without zeros that the next layer adds."""
        return self.elements.shape

    @property
    def padded(self) -> bool:
        """Whether the next layer must add zeros."""
        return any(side for axis in self.pads for side in axis)


@dataclass(frozen=True, eq=False)
class Answer:
    """Something whose largest entry is that of a value: a softmax of it, say.

    Parameters
    ----------
    value
        What it was made from.
    left_out
        Operators that were left out.
    """

    value: Value
    left_out: tuple[str, ...]


def in_order(elements: NDArray[Any]) -> bool:
    """Return whether elements stand in the order of the float net."""
    return bool((elements.reshape(-1) == np.arange(elements.size)).all())


def ordered(shape: Shape) -> NDArray[np.int64]:
    """Return the places of elements that stand in the order of the float net."""
    return np.arange(prod(shape)).reshape(shape)
