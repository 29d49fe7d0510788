"""Windows of convolutions and pools over one axis or two."""

from __future__ import annotations

from collections.abc import Sequence

from edgespike.converters.floats import UnreadableError
from edgespike.converters.onnx import windows
from edgespike.converters.onnx.int8.values import RefusedError
from edgespike.converters.onnx.model import OnnxNode
from edgespike.converters.onnx.windows import Windows
from edgespike.graph.ops.windows import sides_of, window_counts


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


def windows_of(
    node: OnnxNode, shape: tuple[int, ...], kernel: Sequence[int], result: tuple[int, ...]
) -> Windows:
    """Return the windows of a convolution or a pool.

    Parameters
    ----------
    shape, result
        Of its input and its result, without the batch.
    kernel
        For each axis behind the channels.

    Raises
    ------
    RefusedError
        They are not windows of such an input, or do not give the result's size, as with
        ``ceil_mode``.
    """
    image = as_image(shape, node)
    try:
        found = windows.windows_of(node, shape[1:], kernel)
    except UnreadableError as error:
        raise RefusedError(f"it {error}") from None
    counts = window_counts(
        image, found.kernel, found.stride, sides_of(found.padding), found.dilation
    )
    if as_image(result, node)[1:] != counts:
        raise RefusedError(
            f"its result has shape {(1, *result)}, where whole windows give {counts}; leave "
            "ceil_mode out"
        )
    return found


def pool_windows_of(node: OnnxNode, shape: tuple[int, ...], result: tuple[int, ...]) -> Windows:
    """Return the windows of a pool, which must have no gaps; as :func:`windows_of` does."""
    found = windows_of(node, shape, node.attributes.get("kernel_shape", ()), result)
    if found.dilation != (1, 1):
        raise RefusedError(f"its dilations are {node.attributes['dilations']}; they must be 1")
    return found
