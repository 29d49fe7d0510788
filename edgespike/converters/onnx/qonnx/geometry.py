"""Attributes of windows: strides, padding and dilation of images and rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgespike.converters.onnx.model import OnnxNode
from edgespike.converters.sums import ConversionStoppedError
from edgespike.errors import shown


def as_pair(values: Any, default: int) -> tuple[int, int]:
    """Return a number for each of two axes; a row is an image of one line."""
    numbers = tuple(map(int, values)) if values is not None else (default, default)
    if len(numbers) not in (1, 2):
        raise ConversionStoppedError(
            f"{shown(numbers)} is for {len(numbers)} axes; give one or two"
        )
    first, second = numbers if len(numbers) == 2 else (1, *numbers)
    return first, second


def sides_of(
    node: OnnxNode,
    size: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int] = (1, 1),
) -> tuple[int, int, int, int]:
    """Return padding as ``(top, bottom, left, right)``."""
    automatic = node.attributes.get("auto_pad", "NOTSET")
    if automatic in ("SAME_UPPER", "SAME_LOWER"):
        sides = []
        for length, k, s, d in zip(size, kernel, stride, dilation, strict=True):
            total = (-(-length // s) - 1) * s + d * (k - 1) + 1 - length
            if total < 0:
                raise ConversionStoppedError(
                    f"{node.title} has auto_pad {automatic} and leaves out values between its "
                    "windows, where runtimes disagree which; give pads"
                )
            small, large = total // 2, total - total // 2
            sides += [small, large] if automatic == "SAME_UPPER" else [large, small]
        top, bottom, left, right = sides
        return top, bottom, left, right
    if automatic not in ("NOTSET", "VALID"):
        raise ConversionStoppedError(f"{node.title} has auto_pad {shown(automatic)}; give pads")
    pads = tuple(map(int, node.attributes.get("pads", ())))
    if automatic == "VALID" or not pads:
        return 0, 0, 0, 0
    if len(pads) == 2:
        return 0, 0, pads[0], pads[1]
    if len(pads) != 4:
        raise ConversionStoppedError(f"{node.title} has pads {shown(pads)}; give four numbers")
    return pads[0], pads[2], pads[1], pads[3]
