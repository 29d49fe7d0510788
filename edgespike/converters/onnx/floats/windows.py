"""What the attributes of ONNX's convolutions and pools mean: kernel, stride, zeros on each side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from edgespike.converters.onnx.floats.values import Pads, UnreadableError, Value
from edgespike.converters.onnx.model import OnnxNode

Pair = tuple[int, int]
Padding = tuple[int, int, int, int]


@dataclass(frozen=True)
class Windows:
    """Windows over an image; a length is an image of one row.

    Parameters
    ----------
    kernel, stride, dilation
        Down and to the right.
    own
        Zeros that the node adds itself, ``(top, bottom, left, right)``.
    before
        Zeros that a Pad before it left to it, likewise.
    """

    kernel: Pair
    stride: Pair
    dilation: Pair
    own: Padding
    before: Padding

    @property
    def padding(self) -> Padding:
        """All zeros, ``(top, bottom, left, right)``."""
        top, bottom, left, right = (a + b for a, b in zip(self.own, self.before, strict=True))
        return (top, bottom, left, right)


def windows_of(node: OnnxNode, value: Value, kernel: Sequence[int]) -> Windows:
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
    axes = len(kernel)
    if axes not in (1, 2) or len(value.shape) != axes + 2:
        raise UnreadableError(
            f"has windows over {axes} axes of values of shape {value.shape}; a graph has images "
            "(batch, channels, height, width) and lengths (batch, channels, length)"
        )
    stride = tuple(node.attributes.get("strides", (1,) * axes))
    dilation = tuple(node.attributes.get("dilations", (1,) * axes))
    if min(*kernel, *stride, *dilation) < 1:
        raise UnreadableError(
            f"has kernel {tuple(kernel)}, stride {stride} and dilation {dilation}; each must be at "
            "least 1"
        )
    pads = value.pads or ((0, 0),) * len(value.shape)
    if any(side for axis in pads[:2] for side in axis):
        raise UnreadableError("receives padded channels; pad height and width alone")
    sizes = [size + sum(sides) for size, sides in zip(value.shape[2:], pads[2:], strict=True)]
    own = _own(node, sizes, kernel, stride, dilation)
    return Windows(
        _pair(kernel, 1), _pair(stride, 1), _pair(dilation, 1), _sides(own), _sides(pads[2:])
    )


def _own(
    node: OnnxNode,
    sizes: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
) -> Pads:
    """Return the zeros before and after, for each axis, that a node adds itself."""
    word = node.attributes.get("auto_pad", "NOTSET")
    axes = len(kernel)
    if word == "NOTSET":
        given = tuple(node.attributes.get("pads", (0,) * (2 * axes)))
        if min(given) < 0:
            raise UnreadableError(f"has pads {given}; each must be at least 0")
        return tuple(zip(given[:axes], given[axes:], strict=True))
    if word == "VALID":
        return ((0, 0),) * axes
    if word not in ("SAME_UPPER", "SAME_LOWER"):
        raise UnreadableError(f"has auto_pad {word!r}; give pads")
    sides = []
    for size, window, step, gap in zip(sizes, kernel, stride, dilation, strict=True):
        whole = (ceil(size / step) - 1) * step + (window - 1) * gap + 1 - size
        if whole < 0:
            raise UnreadableError(
                f"has auto_pad {word} and leaves out values between its windows, where runtimes "
                "disagree which; give pads"
            )
        less, more = whole // 2, whole - whole // 2
        sides.append((less, more) if word == "SAME_UPPER" else (more, less))
    return tuple(sides)


def _pair(numbers: Sequence[int], neutral: int) -> Pair:
    vertical, horizontal = (neutral, *numbers)[-2:]
    return vertical, horizontal


def _sides(pads: Pads) -> Padding:
    (top, bottom), (left, right) = ((0, 0), *pads)[-2:]
    return (top, bottom, left, right)
