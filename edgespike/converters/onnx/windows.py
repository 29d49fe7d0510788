"""What the attributes of ONNX's convolutions and pools mean: kernel, stride, dilation, padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgespike.converters.floats import UnreadableError
from edgespike.converters.onnx.model import OnnxNode
from edgespike.errors import shown
from edgespike.graph.ops.windows import Padding, total_same_padding

Pair = tuple[int, int]


@dataclass(frozen=True)
class Windows:
    """Windows over an image; a length is an image of one row.

    Parameters
    ----------
    kernel, stride, dilation
        Down and to the right.
    padding
        What the node adds itself, ``(top, bottom, left, right)``.
    """

    kernel: Pair
    stride: Pair
    dilation: Pair
    padding: Padding


def windows_of(node: OnnxNode, sizes: Sequence[int], kernel: Sequence[int]) -> Windows:
    """Return the windows of a convolution or a pool.

    Parameters
    ----------
    sizes
        Of the input's axes behind the channels: a length, or height and width.
    kernel
        For each of these axes.

    Raises
    ------
    UnreadableError
        The attributes are for other axes, or no windows; or runtimes disagree on where they lie.
    """
    axes = len(sizes)
    if axes not in (1, 2):
        raise UnreadableError(
            f"has windows over {axes} axes; a graph has images (batch, channels, height, width) "
            "and lengths (batch, channels, length)"
        )
    kernel = tuple(int(size) for size in kernel)
    stride = _numbers(node, "strides", (1,) * axes)
    dilation = _numbers(node, "dilations", (1,) * axes)
    if {len(kernel), len(stride), len(dilation)} != {axes} or min(*kernel, *stride, *dilation) < 1:
        raise UnreadableError(
            f"has kernel {shown(kernel)}, stride {shown(stride)} and dilation {shown(dilation)}; "
            f"give {axes} of each, at least 1"
        )
    sides = _sides(node, sizes, kernel, stride, dilation)
    (top, bottom), (left, right) = ((0, 0), *sides)[-2:]
    return Windows(_pair(kernel), _pair(stride), _pair(dilation), (top, bottom, left, right))


def _numbers(node: OnnxNode, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(number) for number in node.attributes.get(name, ())) or default


def _pair(numbers: Sequence[int]) -> Pair:
    down, right = (1, *numbers)[-2:]
    return down, right


def _sides(
    node: OnnxNode,
    sizes: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
) -> tuple[Pair, ...]:
    """Return the padding before and after each axis."""
    word = node.attributes.get("auto_pad", "NOTSET")
    axes = len(sizes)
    if word == "VALID":
        return ((0, 0),) * axes
    if word == "NOTSET":
        pads = _numbers(node, "pads", (0,) * (2 * axes))
        if len(pads) != 2 * axes or min(pads) < 0:
            raise UnreadableError(f"has pads {shown(pads)}; give {2 * axes}, each at least 0")
        return tuple(zip(pads[:axes], pads[axes:], strict=True))
    if word not in ("SAME_UPPER", "SAME_LOWER"):
        raise UnreadableError(f"has auto_pad {shown(word)}; give pads")
    sides = []
    for total in map(total_same_padding, sizes, kernel, stride, dilation):
        if total < 0:
            raise UnreadableError(
                f"has auto_pad {word} and leaves out values between its windows, where runtimes "
                "disagree which; give pads"
            )
        less, more = total // 2, total - total // 2
        sides.append((less, more) if word == "SAME_UPPER" else (more, less))
    return tuple(sides)
