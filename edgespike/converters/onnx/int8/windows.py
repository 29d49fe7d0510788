"""Strides, padding and kernels of convolutions and pools, of one axis or two."""

from __future__ import annotations

from collections.abc import Sequence

from edgespike.converters.onnx.int8.values import RefusedError
from edgespike.converters.onnx.model import OnnxNode
from edgespike.graph.ops.windows import window_counts
from edgespike.int8.net import sides

Padding = tuple[int, int, int, int]


def as_image(shape: tuple[int, ...], node: OnnxNode) -> tuple[int, int, int]:
    """Return ``(channels, height, width)``; a sequence has a height of 1.

    Raises
    ------
    RefusedError
        It has another number of axes.
    """
    match shape:
        case (channels, width):
            return channels, 1, width
        case (channels, height, width):
            return channels, height, width
        case _:
            raise RefusedError(
                f"its input has shape {(1, *shape)}; a {node.op} takes (batch, channels, height, "
                "width) or (batch, channels, length)"
            )


def pair(node: OnnxNode, name: str, default: int = 1) -> tuple[int, int]:
    """Return an attribute of one number for each axis, down and to the right."""
    values = tuple(int(each) for each in node.attributes.get(name, ()))
    match values:
        case ():
            return default, default
        case (right,):
            return 1, right
        case (down, right):
            return down, right
        case _:
            raise RefusedError(f"its {name} are {values}; it must be one for each of two axes")


def padding_of(
    node: OnnxNode,
    image: tuple[int, int, int],
    kernel: Sequence[int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    result: tuple[int, ...],
) -> Padding:
    """Return ``(top, bottom, left, right)``.

    Raises
    ------
    RefusedError
        The windows do not give the result's size, as with ``ceil_mode``.
    """
    kind = node.attributes.get("auto_pad", "NOTSET")
    if kind in ("SAME_UPPER", "SAME_LOWER"):
        totals = [
            (-(-size // step) - 1) * step + gap * (length - 1) + 1 - size
            for size, length, step, gap in zip(image[1:], kernel, stride, dilation, strict=True)
        ]
        if min(totals) < 0:
            raise RefusedError(
                f"its auto_pad {kind} leaves out values between its windows, where runtimes "
                "disagree which; give pads"
            )
        ends = [(total // 2, total - total // 2) for total in totals]
        if kind == "SAME_LOWER":
            ends = [(after, before) for before, after in ends]
        padding = (*ends[0], *ends[1])
    else:
        padding = _explicit(node)
    counts = window_counts(image, kernel, stride, sides(padding), dilation)
    if as_image(result, node)[1:] != counts:
        raise RefusedError(
            f"its result has shape {(1, *result)}, where whole windows give {counts}; leave "
            "ceil_mode out"
        )
    return padding


def _explicit(node: OnnxNode) -> Padding:
    match tuple(int(each) for each in node.attributes.get("pads", ())):
        case ():
            return 0, 0, 0, 0
        case (left, right):
            return 0, 0, left, right
        case (top, left, bottom, right):
            return top, bottom, left, right
        case pads:
            raise RefusedError(f"its pads are {pads}; it must be two for each of two axes")
