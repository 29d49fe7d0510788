"""Convolutions, matrix products and batch normalisations."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from edgespike.converters.floats import UnreadableError
from edgespike.converters.torch.constants import floats, normalisation
from edgespike.converters.torch.floats.building import Building
from edgespike.converters.torch.floats.values import Call, Value
from edgespike.converters.torch.geometry import convolution_sides, pair
from edgespike.floats.net import FloatAffine, FloatConv2d, FloatDense, Reals
from edgespike.graph.ops.windows import Padding, padded_twice

_TRANSPOSED = (
    "spreads each value over several places; use a convolution, after a repetition of the values "
    "outside the graph if the image must grow"
)


def linear(net: Building, call: Call) -> Value:
    """Convert ``input @ weight.T + bias``."""
    return _dense(net, call, call.value("input"), _parameter(call, "weight"), call["bias"])


def matmul(net: Building, call: Call) -> Value:
    """Convert ``input @ weight``."""
    names = [name for name in call.arguments if name in ("self", "other", "mat2")]
    return _dense(net, call, call.value(names[0]), _parameter(call, names[1]).T, None)


def addmm(net: Building, call: Call) -> Value:
    """Convert ``bias + input @ weight``."""
    if (call["beta"], call["alpha"]) != (1, 1):
        raise UnreadableError("has factors beta and alpha; use 1 for both")
    weight = _parameter(call, "mat2").T
    return _dense(net, call, call.value("mat1"), weight, _parameter(call, "self"))


def _dense(net: Building, call: Call, value: Value, weight: Reals, bias: Any) -> Value:
    if weight.ndim != 2:
        raise UnreadableError(f"has weights of shape {weight.shape}; use (outputs, inputs)")
    features = weight.shape[1]
    if prod(value.shape) != features:
        raise UnreadableError(
            f"works on the last axis of samples of shape {value.shape}, place by place; flatten "
            "them first, or use a convolution of kernel 1 over (channels, height, width)"
        )
    flat = net.stored_as(call, value, (features,))
    made = net.add(call, FloatDense(weight, _bias(bias, len(weight))), flat, shape=(len(weight),))
    shape = (*value.shape[:-1], len(weight))
    return made if len(shape) == 1 else net.reshaped(call, made, shape)


def _bias(bias: Any, outputs: int) -> Reals:
    """Return one number for each output."""
    if bias is None:
        return np.zeros(outputs)
    given = floats(bias)
    if given.shape not in ((), (1,), (outputs,), (1, 1), (1, outputs)):
        raise UnreadableError(f"has a bias of shape {given.shape}; give ({outputs},)")
    return np.array(np.broadcast_to(given.reshape(-1), (outputs,)))


def conv1d(net: Building, call: Call) -> Value:
    """Convert a convolution over ``(channels, length)``: over an image of one row."""
    weight = _parameter(call, "weight")[:, :, None, :]
    ((stride,), (dilation,)) = (_several(call[name], 1) for name in ("stride", "dilation"))
    return _conv(net, call, weight, (1, stride), (1, dilation), axes=1)


def conv2d(net: Building, call: Call) -> Value:
    """Convert a convolution over ``(channels, height, width)``."""
    stride, dilation = (_several(call[name], 2) for name in ("stride", "dilation"))
    pairs = (stride[0], stride[1]), (dilation[0], dilation[1])
    return _conv(net, call, _parameter(call, "weight"), *pairs, axes=2)


def convolution(net: Building, call: Call) -> Value:
    """Convert the operator that all convolutions become."""
    if call["transposed"]:
        raise UnreadableError(_TRANSPOSED)
    axes = _parameter(call, "weight").ndim - 2
    if axes not in (1, 2):
        raise UnreadableError(f"is a convolution over {axes} axes; a graph has images of two")
    return conv1d(net, call) if axes == 1 else conv2d(net, call)


def _conv(
    net: Building,
    call: Call,
    weight: Reals,
    stride: tuple[int, int],
    dilation: tuple[int, int],
    *,
    axes: int,
) -> Value:
    value = call.value("input")
    if len(value.shape) != axes + 1:
        raise UnreadableError(f"receives samples of shape {value.shape}; give the axis of channels")
    bias = np.zeros(len(weight)) if call["bias"] is None else _parameter(call, "bias")
    padding = padded_twice(_sides(call, axes), value.padding)
    op = FloatConv2d(weight, bias, stride, padding, dilation, int(call["groups"]))
    return net.add(call, op, value)


def _sides(call: Call, axes: int) -> Padding:
    """Return the padding of a convolution, which may be given as a word."""
    kernel = tuple(call["weight"].shape[2:])
    sides = convolution_sides(call["padding"], kernel, _several(call["dilation"], axes))
    (top, bottom), (left, right) = ((0, 0), *sides)[-2:]
    return (top, bottom, left, right)


def _several(numbers: Any, axes: int) -> tuple[int, ...]:
    """Return one whole number for each axis, of which a call may give one for all."""
    return pair(numbers)[-axes:]


def batch_norm(net: Building, call: Call) -> tuple[Value, None, None]:
    """Convert a batch normalisation with running statistics to one factor and one offset."""
    value = call.unpadded("input")
    mean, variance = (_parameter(call, f"running_{name}") for name in ("mean", "var"))
    weight, bias = (
        None if call[name] is None else _parameter(call, name) for name in ("weight", "bias")
    )
    op = FloatAffine(*normalisation(mean, variance, call["eps"], weight, bias))
    return net.add(call, op, value, shape=value.shape), None, None


def batch_statistics(net: Building, call: Call) -> Value:
    """Refuse a normalisation by the statistics of the batch."""
    raise UnreadableError(
        "normalises by the statistics of each batch; create it with track_running_stats=True and "
        "train again, or compute its statistics once"
    )


def _parameter(call: Call, name: str) -> Reals:
    """Return an argument that does not depend on the samples."""
    found = call[name]
    if isinstance(found, Value) or not hasattr(found, "detach"):
        raise UnreadableError(
            f"has {name} that depends on the sample; a graph's weights are constants"
        )
    return floats(found)
