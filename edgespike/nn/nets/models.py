"""Build nets from their descriptions: spiking nets, nets of few levels, and float nets."""

from __future__ import annotations

import math

from torch import nn

from edgespike.nn.layers.activation import RoundClip
from edgespike.nn.layers.normalise import LayerBatchNorm
from edgespike.nn.layers.residual import Residual
from edgespike.nn.layers.spike import SpikeActivation
from edgespike.nn.layers.surrogates import StraightThrough, SumOfBumps
from edgespike.nn.layers.weighted import QuantConv2d, QuantLinear, SumPool2d
from edgespike.nn.nets.recurrent import build_recurrent, input_scale
from edgespike.nn.nets.recurrent_spec import RecurrentSpec
from edgespike.nn.nets.spec import AnySpec, ConvSpec, DenseSpec, NetSpec, ResidualSpec

GROUPS = 8
"""Number of groups of a group normalisation."""


def build(spec: AnySpec) -> nn.Sequential:
    """Build a net; its weights are drawn from torch's global random generator.

    Returns
    -------
    torch.nn.Sequential
        It takes (samples, *input_shape), uint8 or any other numbers from 0 to 255, or int8 from
        -127 to 127 if the spec is signed, and returns float logits (samples, classes).
    """
    if isinstance(spec, RecurrentSpec):
        return build_recurrent(spec)
    return _feed_forward(spec)


def _feed_forward(spec: NetSpec) -> nn.Sequential:
    modules: list[nn.Module] = [input_scale(spec.signed)]
    channels, height, width = spec.input_shape
    for layer in spec.layers:
        if isinstance(layer, DenseSpec):
            continue
        if isinstance(layer, ResidualSpec):
            modules += _residual_block(spec, layer, channels)
        else:
            modules += _conv_block(spec, layer, channels)
        channels = layer.channels
        height, width = layer.output_size(height), layer.output_size(width)
    modules.append(nn.Flatten())
    features = channels * height * width
    for layer in spec.layers:
        if isinstance(layer, DenseSpec):
            modules.append(_dense(spec, features, layer, bias=False))
            modules += [_normalisation(spec, layer.features, images=False), _activation(spec)]
            features = layer.features
    readout = DenseSpec(spec.classes, spec.readout_bits, spec.readout_states)
    modules.append(_dense(spec, features, readout, bias=True))
    return nn.Sequential(*modules)


def _conv_block(spec: NetSpec, layer: ConvSpec, channels: int) -> list[nn.Module]:
    return [
        _convolution(spec, layer, channels),
        _normalisation(spec, layer.channels, images=True),
        *_pool_and_activation(spec, layer),
    ]


def _residual_block(spec: NetSpec, layer: ResidualSpec, channels: int) -> list[nn.Module]:
    first, second, shortcut = layer.convolutions()
    body = [*_conv_block(spec, first, channels), *_conv_block(spec, second, layer.channels)]
    same = layer.stride == 1 and layer.channels == channels
    passed_on = None if same else nn.Sequential(*_conv_block(spec, shortcut, channels))
    block = Residual(nn.Sequential(*body), passed_on)
    return [block] if layer.pool == 1 else [block, _sum_pool(spec, layer.pool)]


def _pool_and_activation(spec: NetSpec, layer: ConvSpec) -> list[nn.Module]:
    if layer.pool == 1:
        return [_activation(spec)]
    if layer.pooling == "max":
        return [nn.MaxPool2d(layer.pool), _activation(spec)]
    return [_activation(spec), _sum_pool(spec, layer.pool)]


def _sum_pool(spec: NetSpec, size: int) -> nn.Module:
    """Return what adds up events, or takes the mean of a float net's values."""
    return nn.AvgPool2d(size) if spec.activation == "relu" else SumPool2d(size)


def _normalisation(spec: NetSpec, channels: int, *, images: bool) -> nn.Module:
    if spec.normalisation == "layer_batch":
        return LayerBatchNorm(channels, spec.reading)
    if spec.normalisation == "layer":
        return nn.GroupNorm(1, channels)
    if spec.normalisation == "group":
        return nn.GroupNorm(math.gcd(GROUPS, channels), channels)
    return nn.BatchNorm2d(channels) if images else nn.BatchNorm1d(channels)


def _activation(spec: NetSpec) -> nn.Module:
    if spec.activation == "relu":
        return nn.ReLU()
    if spec.activation == "spike":
        return SpikeActivation(spec.threshold, spec.alpha, spec.beta, spec.bump)
    bumps = spec.surrogate == "bumps"
    surrogate = SumOfBumps(spec.alpha, spec.beta, spec.bump) if bumps else StraightThrough()
    return RoundClip(spec.activation_states, surrogate=surrogate)


def _states(spec: NetSpec, states: int) -> int | None:
    return states or spec.weight_states if spec.activation == "levels" else None


def _convolution(spec: NetSpec, layer: ConvSpec, channels: int) -> nn.Conv2d:
    shape = (channels, layer.channels, layer.kernel, layer.stride, layer.padding, layer.dilation)
    if spec.activation == "relu":
        return nn.Conv2d(*shape, groups=layer.groups, bias=False)
    states = _states(spec, layer.states)
    return QuantConv2d(*shape, groups=layer.groups, bits=layer.bits, states=states)


def _dense(spec: NetSpec, inputs: int, layer: DenseSpec, *, bias: bool) -> nn.Linear:
    if spec.activation == "relu":
        return nn.Linear(inputs, layer.features, bias)
    return QuantLinear(inputs, layer.features, bias, layer.bits, _states(spec, layer.states))
