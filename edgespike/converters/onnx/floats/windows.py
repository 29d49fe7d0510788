"""Windows over values of a float net, with the zeros that a Pad before them left to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgespike.converters.floats import UnreadableError
from edgespike.converters.onnx import windows
from edgespike.converters.onnx.floats.values import Pads, Value
from edgespike.converters.onnx.model import OnnxNode
from edgespike.converters.onnx.windows import Windows
from edgespike.graph.ops.windows import Padding, padded_twice


@dataclass(frozen=True)
class PaddedWindows:
    """Windows over an image; a length is an image of one row.

    Parameters
    ----------
    own
        The node's windows, with the zeros that it adds itself.
    before
        Zeros that a Pad before it left to it, ``(top, bottom, left, right)``.
    """

    own: Windows
    before: Padding

    @property
    def padding(self) -> Padding:
        """All zeros, ``(top, bottom, left, right)``."""
        return padded_twice(self.own.padding, self.before)


def windows_of(node: OnnxNode, value: Value, kernel: Sequence[int]) -> PaddedWindows:
    """Return the windows of a convolution or a pool over a value ``(1, channels, ...)``.

    Parameters
    ----------
    kernel
        For each axis behind the channels, of which there must be one or two.

    Raises
    ------
    UnreadableError
        They are windows over other axes, or something that is no window.
    """
    if len(value.shape) != len(kernel) + 2:
        raise UnreadableError(
            f"has windows over {len(kernel)} axes of values of shape {value.shape}; give as many "
            "axes behind (batch, channels)"
        )
    pads = value.pads or ((0, 0),) * len(value.shape)
    if any(side for axis in pads[:2] for side in axis):
        raise UnreadableError("receives padded channels; pad height and width alone")
    sizes = [size + sum(sides) for size, sides in zip(value.shape[2:], pads[2:], strict=True)]
    return PaddedWindows(windows.windows_of(node, sizes, kernel), _sides(pads[2:]))


def _sides(pads: Pads) -> Padding:
    (top, bottom), (left, right) = ((0, 0), *pads)[-2:]
    return (top, bottom, left, right)
