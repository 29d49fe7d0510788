"""Pools, between quantisers or of stored numbers."""

from __future__ import annotations

from edgespike.converters.onnx.int8.arithmetic import of_mean
from edgespike.converters.onnx.int8.quantisers import finished
from edgespike.converters.onnx.int8.shapes import places_of
from edgespike.converters.onnx.int8.values import Codes, Made, Pending, RefusedError
from edgespike.converters.onnx.int8.walk import Walk
from edgespike.converters.onnx.int8.weighted import real, stored_input
from edgespike.converters.onnx.int8.windows import as_image, pool_windows_of
from edgespike.converters.onnx.model import OnnxNode
from edgespike.int8.averages import Float32Mean
from edgespike.int8.net import Int8AveragePool, Int8MaxPool, Int8Pad, Stored


def max_pool(walk: Walk, node: OnnxNode, codes: Codes) -> Codes:
    """Take the largest of each window, of stored numbers or of real ones."""
    if any(name for name in node.outputs[1:]):
        raise RefusedError("it gives the places of its maxima too; leave them out")
    windows = pool_windows_of(node, codes.shape, walk.shape(node))
    op = Int8MaxPool(windows.kernel, windows.stride, windows.padding)
    source = walk.arranged(codes, as_image(codes.shape, node))
    return walk.add(node.title, op, codes.stored, [source], walk.shape(node), real=codes.real)


def average_pool(walk: Walk, node: OnnxNode) -> Pending:
    """Read an AveragePool of dequantised values."""
    return _averages(walk, node, real(walk, node, 0))


def global_average_pool(walk: Walk, node: OnnxNode) -> Pending:
    """Read a GlobalAveragePool of dequantised values."""
    return _global(walk, node, real(walk, node, 0))


def reduce_mean(walk: Walk, node: OnnxNode) -> Pending:
    """Read a ReduceMean over height and width."""
    x = real(walk, node, 0)
    axes = node.attributes.get("axes")
    if axes is None:
        axes = walk.constant(node, 1, "axes").ravel().tolist()
    rank = len(x.shape) + 1
    if len(x.shape) != 3 or sorted(int(axis) % rank for axis in axes) != [2, 3]:
        raise RefusedError(
            f"it averages axes {tuple(axes)} of {(1, *x.shape)}; only height and width may be "
            "averaged"
        )
    return _global(walk, node, x)


def qlinear_average_pool(walk: Walk, node: OnnxNode) -> Codes:
    """Read ONNX Runtime's QLinearAveragePool."""
    _refuse_channels_last(node)
    return finished(
        walk, _averages(walk, node, stored_input(walk, node, 0)), walk.stored(node, 3, 4)
    )


def qlinear_global_average_pool(walk: Walk, node: OnnxNode) -> Codes:
    """Read ONNX Runtime's QLinearGlobalAveragePool."""
    _refuse_channels_last(node)
    return finished(walk, _global(walk, node, stored_input(walk, node, 0)), walk.stored(node, 3, 4))


def _averages(walk: Walk, node: OnnxNode, x: Codes) -> Pending:
    windows = pool_windows_of(node, x.shape, walk.shape(node))
    kernel, stride, padding = windows.kernel, windows.stride, windows.padding
    image = as_image(x.shape, node)
    source = walk.arranged(x, image)
    if node.attributes.get("count_include_pad", 0) and any(padding):
        top, bottom, left, right = padding
        channels, height, width = image
        wider = (channels, height + top + bottom, width + left + right)
        source = walk.add(f"{node.title}_padded", Int8Pad(padding), x.stored, [source], wider).node
        padding = (0, 0, 0, 0)

    def make(stored: Stored) -> Made:
        return Int8AveragePool(kernel, stride, of_mean(x.stored, stored), padding), (source,)

    return Pending(node.title, make, walk.shape(node), certain=False)


def _global(walk: Walk, node: OnnxNode, x: Codes) -> Pending:
    image = as_image(x.shape, node)
    source = walk.arranged(x, image)
    size = image[1:]

    def make(stored: Stored) -> Made:
        return Int8AveragePool(size, (1, 1), Float32Mean(x.stored, stored)), (source,)

    own = (image[0], 1, 1)
    places = places_of(own).reshape(walk.shape(node))
    certain = node.op != "ReduceMean"  # which has no integer kernel
    return Pending(node.title, make, own, places=places, certain=certain)


def _refuse_channels_last(node: OnnxNode) -> None:
    if node.attributes.get("channels_last", 0):
        raise RefusedError("its channels_last is 1; it must be 0, export before optimising")
