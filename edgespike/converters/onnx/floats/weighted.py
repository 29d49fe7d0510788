"""Convolutions, matrix products and batch normalisations."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgespike.converters.floats import Shape, UnreadableError
from edgespike.converters.onnx.floats.building import Building, as_reals
from edgespike.converters.onnx.floats.values import Value, ordered
from edgespike.converters.onnx.floats.windows import windows_of
from edgespike.converters.onnx.model import OnnxNode
from edgespike.converters.torch.constants import normalisation
from edgespike.floats.net import FloatConv2d, FloatDense, Reals


def conv(net: Building, node: OnnxNode) -> Value:
    """Convert a convolution over a length or an image."""
    weight = net.reals(node, 1, "weights")
    bias = net.reals(node, 2, "a bias")
    if weight.ndim not in (3, 4):
        raise UnreadableError(
            f"is a convolution over {weight.ndim - 2} axes; a graph has lengths and images"
        )
    value = net.value(node)
    windows = windows_of(node, value, weight.shape[2:])
    op = FloatConv2d(
        weight[:, :, None] if weight.ndim == 3 else weight,
        np.zeros(len(weight)) if bias is None else bias,
        windows.own.stride,
        windows.padding,
        windows.own.dilation,
        node.attributes.get("group", 1),
    )
    image = net.image(node, value)
    channels, *size = net.shape(node)[1:]
    height, width = (1, *size)[-2:]
    return net.add(node, op, image, stored=(channels, height, width))


def gemm(net: Building, node: OnnxNode) -> Value:
    """Convert ``alpha a b + beta c``, with a or b or both transposed."""
    value = net.unpadded(node)
    if len(value.shape) != 2:
        raise UnreadableError(f"receives values of shape {value.shape}; give (batch, features)")
    weight = node.attributes.get("alpha", 1.0) * net.reals(node, 1, "a matrix")
    offset = net.reals(node, 2, "a bias")
    if node.attributes.get("transA", 0):
        value = Value(value.node, value.stored, value.elements.T)
    if not node.attributes.get("transB", 0):
        weight = weight.T
    if offset is not None:
        offset = node.attributes.get("beta", 1.0) * offset
    return _dense(net, node, value, weight, offset)


def matmul(net: Building, node: OnnxNode) -> Value:
    """Convert a product with a constant matrix, on either side."""
    first, second = (net.depends(name) for name in node.inputs)
    if first and second:
        raise UnreadableError(
            "multiplies two values of the net, as attention does; a graph multiplies only by "
            "constants"
        )
    if first:
        weight = _matrix(net.reals(node, 1, "a matrix"))
        return _dense(net, node, net.unpadded(node), weight.T, None)
    weight, value = _matrix(net.reals(node, 0, "a matrix")), net.unpadded(node, 1)
    if len(value.shape) != 2 or value.shape[1] != 1:
        raise UnreadableError(
            f"multiplies a matrix by values of shape {value.shape}; give the values first, "
            "(batch, features)"
        )
    turned = Value(value.node, value.stored, value.elements.T)
    return _dense(net, node, turned, weight, None)


def _matrix(weight: Reals) -> Reals:
    """Return a matrix without axes of size 1 before it."""
    if weight.ndim < 2 or weight.size != weight.shape[-1] * weight.shape[-2]:
        raise UnreadableError(f"has a matrix of shape {weight.shape}; give (inputs, outputs)")
    return weight.reshape(weight.shape[-2:])


def _dense(net: Building, node: OnnxNode, value: Value, weight: Reals, offset: Any) -> Value:
    """Append ``weight @ x + offset`` for the last axis of a value."""
    outputs, inputs = weight.shape
    if value.shape[-1] != inputs:
        raise UnreadableError(f"has weights for {inputs} values and gets {value.shape}")
    bias = np.zeros(outputs) if offset is None else _bias(as_reals(offset), net.shape(node))
    if value.elements.size > inputs:
        return _at_each_place(net, node, value, weight, bias)
    # Weights follow the elements to where they are kept.
    kept = np.empty_like(weight)
    kept[:, value.elements.reshape(-1)] = weight
    as_kept = Value(value.node, value.stored, ordered((inputs,)))
    flat = net.stored_as(node, as_kept, (inputs,))
    return net.add(node, FloatDense(kept, bias), flat, stored=(outputs,))


def _bias(offset: Reals, shape: Shape) -> Reals:
    """Return a row of what broadcasts to values of a shape; all rows must be equal."""
    try:
        rows = np.broadcast_to(offset, shape).reshape(-1, shape[-1])
    except ValueError:
        rows = None
    if rows is None or not (rows == rows[0]).all():
        raise UnreadableError(f"has a bias of shape {offset.shape}; give ({shape[-1]},)")
    return np.array(rows[0])


def _at_each_place(
    net: Building, node: OnnxNode, value: Value, weight: Reals, bias: Reals
) -> Value:
    """Append a product at each place of an image whose channels are the last axis in ONNX."""
    outputs, inputs = weight.shape
    channels_first = value.elements.reshape(-1, inputs).T
    places = channels_first.shape[1]
    size = value.stored[1:] if value.stored[0] == inputs else (1, places)
    moved = Value(value.node, value.stored, channels_first)
    height, width = size if len(size) == 2 else (1, places)
    image = net.stored_as(node, moved, (inputs, height, width))
    op = FloatConv2d(weight[:, :, None, None], bias)
    elements = ordered((outputs, places)).T.reshape(net.shape(node))
    return net.add(node, op, image, stored=(outputs, height, width), elements=elements)


def batch_norm(net: Building, node: OnnxNode) -> Value:
    """Convert a batch normalisation in evaluation mode to one factor and one offset a channel."""
    if node.attributes.get("training_mode", 0):
        raise UnreadableError(
            "normalises by the statistics of each batch; export the net in evaluation mode"
        )
    if not node.attributes.get("spatial", 1):
        raise UnreadableError("has statistics for each place; use one a channel")
    value = net.unpadded(node)
    weight, bias, mean, variance = (
        net.reals(node, place, name)
        for place, name in enumerate(("scale", "bias", "mean", "variance"), start=1)
    )
    epsilon = node.attributes.get("epsilon", 1e-5)
    if ((variance + epsilon) <= 0).any():
        raise UnreadableError("has a variance that is not above 0; train again")
    scale, offset = normalisation(mean, variance, epsilon, weight, bias)
    along = (-1, *(1,) * (len(value.shape) - 2))
    return net.affine(node, value, scale.reshape(along), offset.reshape(along))
