"""Torch functions that a ``forward`` calls between its layers, as operations on real numbers."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from edgespike.converters.spiking import layers
from edgespike.converters.spiking.simulator import RefusedError
from edgespike.converters.spiking.values import Call, Value
from edgespike.converters.torch.constants import ConstantError, floats, per_channel
from edgespike.converters.torch.geometry import pair
from edgespike.floats.net import FloatAdd, FloatAffine, FloatConcatenate, FloatReshape, Reals

if TYPE_CHECKING:
    from edgespike.converters.spiking.building import NetBuilder
    from edgespike.converters.spiking.nodes import Made

Function = Callable[["NetBuilder", Call, Value], "Made"]


def _given(call: Call, *names: str, **defaults: Any) -> SimpleNamespace:
    """Return a call's arguments by name."""
    names = (*names, *defaults)
    given = {**defaults, **dict(zip(names, call.args, strict=False)), **call.kwargs}
    return SimpleNamespace(**given)


def _add(builder: NetBuilder, call: Call, value: Value) -> Made:
    given = _given(call, "input", "other", alpha=1)
    return _sum(builder, call, value, 1.0, float(given.alpha))


def _subtract(builder: NetBuilder, call: Call, value: Value) -> Made:
    given = _given(call, "input", "other", alpha=1)
    return _sum(builder, call, value, 1.0, -float(given.alpha))


def _subtract_from(builder: NetBuilder, call: Call, value: Value) -> Made:
    return _sum(builder, call, value, -1.0, 1.0)


def _sum(builder: NetBuilder, call: Call, value: Value, first: float, second: float) -> Made:
    """Return ``first * input + second * other``."""
    given = _given(call, "input", "other")
    parts = [(given.input, first), (given.other, second)]
    plain = [(part, factor) for part, factor in parts if not _is_value(part)]
    values = [(part, factor) for part, factor in parts if _is_value(part)]
    if not plain:
        nodes = [_times(builder, builder.build(part), factor, call) for part, factor in values]
        if any(made.shape != value.shape for made in nodes):
            raise RefusedError("adds values of different shapes; give them the same")
        return builder.nodes.join(FloatAdd(), nodes, value.shape, call.name)
    ((part, factor),), ((other, times),) = values, plain
    source = builder.build(part)
    offset = times * _channels(other, value)
    return builder.nodes.layer(
        FloatAffine(np.full(value.shape[0], factor), offset), source, value.shape, call.name
    )


def _multiply(builder: NetBuilder, call: Call, value: Value) -> Made:
    given = _given(call, "input", "other")
    source, factor = given.input, given.other
    if not _is_value(source):
        source, factor = factor, source
    if _is_value(factor):
        raise RefusedError("multiplies two values of a step; only constants can be factors")
    return _scale(builder, call, value, source, _channels(factor, value))


def _divide(builder: NetBuilder, call: Call, value: Value) -> Made:
    given = _given(call, "input", "other", rounding_mode=None)
    if _is_value(given.other) or given.rounding_mode is not None:
        raise RefusedError("divides by a value of the step, or rounds; divide by a constant")
    return _scale(builder, call, value, given.input, 1 / _channels(given.other, value))


def _scale(builder: NetBuilder, call: Call, value: Value, source: Any, scale: Any) -> Made:
    op = FloatAffine(scale, np.zeros(value.shape[0]))
    return builder.nodes.layer(op, builder.build(source), value.shape, call.name)


def _times(builder: NetBuilder, made: Made, factor: float, call: Call) -> Made:
    if factor == 1:
        return made
    channels = made.shape[0]
    op = FloatAffine(np.full(channels, factor), np.zeros(channels))
    return builder.nodes.layer(op, made, made.shape, call.name)


def _is_value(part: Any) -> bool:
    return isinstance(part, Value) and not part.is_constant


def _channels(part: Any, value: Value) -> Reals:
    """Return a constant as one number for each channel of a value."""
    constant = layers.reals(part.tensor) if isinstance(part, Value) else floats(part)
    try:
        return per_channel(constant, value.shape, value.shape[0])
    except ConstantError as error:
        raise RefusedError(str(error)) from None


def _concatenate(builder: NetBuilder, call: Call, value: Value) -> Made:
    given = _given(call, "tensors", dim=0)
    if given.dim not in (1, 1 - value.tensor.ndim):
        raise RefusedError(f"joins along axis {given.dim}; join the channels, dim=1")
    if not all(_is_value(part) for part in given.tensors):
        raise RefusedError("joins constants to values; leave them out")
    nodes = [builder.build(part) for part in given.tensors]
    return builder.nodes.join(FloatConcatenate(), nodes, value.shape, call.name)


def _reshape(builder: NetBuilder, call: Call, value: Value) -> Made:
    source = builder.build(call.input)
    if source.shape == value.shape:
        return source
    return builder.nodes.layer(FloatReshape(value.shape), source, value.shape, call.name)


def _dropout(builder: NetBuilder, call: Call, value: Value) -> Made:
    if _given(call, "input", p=0.5, training=True).training:
        raise RefusedError(
            "drops values also in evaluation mode; give it training=self.training, or use Dropout"
        )
    return builder.build(call.input)


_POOL: dict[str, Any] = {"kernel_size": None, "stride": None, "padding": 0}


def _max_pool(builder: NetBuilder, call: Call, value: Value) -> Made:
    rest = {"dilation": 1, "ceil_mode": False, "return_indices": False}
    return _by_layer(builder, call, value, layers.max_pool, _given(call, "input", **_POOL, **rest))


def _average_pool(builder: NetBuilder, call: Call, value: Value) -> Made:
    rest = {"ceil_mode": False, "count_include_pad": True, "divisor_override": None}
    return _by_layer(
        builder, call, value, layers.average_pool, _given(call, "input", **_POOL, **rest)
    )


def _adaptive(kind: str) -> Function:
    def convert(builder: NetBuilder, call: Call, value: Value) -> Made:
        from torch import nn

        layer = layers.torch_layers()[getattr(nn, kind)]
        return _by_layer(builder, call, value, layer, SimpleNamespace())

    return convert


def _linear(builder: NetBuilder, call: Call, value: Value) -> Made:
    given = _given(call, "input", "weight", bias=None)
    return _by_layer(builder, call, value, layers.dense, _weights(given))


def _conv2d(builder: NetBuilder, call: Call, value: Value) -> Made:
    given = _given(call, "input", "weight", bias=None, stride=1, padding=0, dilation=1, groups=1)
    layer = _weights(given)
    layer.padding_mode = "zeros"
    layer.out_channels, _, *layer.kernel_size = layer.weight.shape
    for name in ("stride", "dilation", "padding"):
        number = getattr(layer, name)
        setattr(layer, name, number if isinstance(number, str) else pair(number))
    return _by_layer(builder, call, value, layers.conv2d, layer)


def _weights(given: SimpleNamespace) -> SimpleNamespace:
    for name in ("weight", "bias"):
        part = getattr(given, name)
        if _is_value(part):
            raise RefusedError(f"has a {name} that is computed from the input; use a parameter")
        setattr(given, name, part.tensor if isinstance(part, Value) else part)
    return given


def _by_layer(
    builder: NetBuilder, call: Call, value: Value, convert: layers.Layer, layer: Any
) -> Made:
    source = builder.build(call.input)
    op = convert(layer, source.shape, value.shape)
    return source if op is None else builder.nodes.layer(op, source, value.shape, call.name)


FUNCTIONS: dict[str, Function] = {
    "add": _add,
    "add_": _add,
    "__radd__": _add,
    "sub": _subtract,
    "rsub": _subtract_from,
    "__rsub__": _subtract_from,
    "mul": _multiply,
    "div": _divide,
    "true_divide": _divide,
    "cat": _concatenate,
    "concat": _concatenate,
    "flatten": _reshape,
    "view": _reshape,
    "reshape": _reshape,
    "squeeze": _reshape,
    "unsqueeze": _reshape,
    "unflatten": _reshape,
    "dropout": _dropout,
    "dropout2d": _dropout,
    "max_pool2d": _max_pool,
    "avg_pool2d": _average_pool,
    "adaptive_avg_pool2d": _adaptive("AdaptiveAvgPool2d"),
    "adaptive_max_pool2d": _adaptive("AdaptiveMaxPool2d"),
    "linear": _linear,
    "conv2d": _conv2d,
}
"""How each supported torch function is read, by its name."""
