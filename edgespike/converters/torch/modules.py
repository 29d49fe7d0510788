"""From torch modules of :mod:`edgespike.nn` to a graph.

A net is a sequence, however nested and wrapped, of input scaling, then blocks of a quantised
layer, an optional normalisation, an optional pool and an activation of few levels, then a
quantised readout. Residual blocks hold such sequences. For recurrent nets see
:mod:`edgespike.converters.torch.recurrent`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache, partial
from itertools import chain
from math import isfinite, prod
from typing import TYPE_CHECKING, Any

import numpy as np

from edgespike.converters.builder import GraphBuilder
from edgespike.converters.sums import ConversionStoppedError, Sums
from edgespike.converters.torch.constants import floats
from edgespike.converters.torch.gated import gated_layer
from edgespike.converters.torch.pooling import (
    adaptive_average_pool,
    adaptive_max_pool,
    average_pool,
    max_pool,
    sum_pool,
)
from edgespike.converters.torch.recurrent import pass_input_on, recurrent_layer, start_sequence
from edgespike.converters.torch.refusals import global_refusals, refusals, softmax_refusals
from edgespike.converters.torch.sequence import (
    order_preserving,
    parts_of,
    too_deep,
    walk,
    walk_all,
    without_effect,
)
from edgespike.converters.torch.weights import check_weights, zero_share
from edgespike.errors import UnsupportedError
from edgespike.graph import Conv2d, Dense, Graph, Operation, ReadoutMode, Reshape
from edgespike.passes.folding import Normalisation

if TYPE_CHECKING:
    from torch import nn


def convert_module(module: nn.Module, input_shape: tuple[int, ...], name: str) -> Graph:
    """Turn a torch module into a graph.

    Integer weights, and normalisation folded into thresholds, are exact. The readout's bias is
    rounded half up to whole units of its accumulator, so a logit may differ from the module's
    by half a weight's step. A normalisation of the readout is folded into its bias and its scales,
    which are rounded to float64. A softmax at the end is left out: the logits are its input, in
    which the classes have the same order. The module is read in evaluation mode; float16 and
    bfloat16 parameters are read as float32. A module that is used several times becomes as many
    layers. Forward hooks are refused, because they may change results.

    Parameters
    ----------
    input_shape
        Shape of one sample: ``(features,)`` or ``(channels, height, width)``; for a recurrent net
        ``(steps, features)``.

    Raises
    ------
    UnsupportedError
        Lists every module that cannot be converted, by its path, and what is supported.
    GraphError
        A graph may not have this name, or a sum may be too large.
    """
    return convert_parts(module, input_shape, name).graph(name)


def convert_parts(module: nn.Module, input_shape: tuple[int, ...], name: str) -> GraphBuilder:
    """Do what `convert_module` does, and return the builder: it knows the activations' paths."""
    what = f"model {name!r} cannot be converted"
    if refused := list(_refusals(module)):
        raise UnsupportedError(what, refused)
    builder = start_sequence(module, input_shape) or GraphBuilder.start(input_shape)
    with builder.collecting(what):
        _convert_sequence(builder, module, "")
        builder.finish()
    return builder


def _refusals(module: nn.Module) -> Iterator[str]:
    """Yield why parts of a module cannot be converted, whatever their place."""
    if (deep := too_deep(module)) is not None:
        yield deep
        return
    handlers = _handlers()
    found = list(global_refusals())
    found += [fault for path, part in walk_all(module) for fault in refusals(path, part, handlers)]
    found += softmax_refusals(module)
    yield from found
    if found:
        known = ", ".join(sorted(kind.__name__ for kind in handlers))
        yield f"supported are {known} in a Sequential"


def _convert_sequence(builder: GraphBuilder, module: Any, path: str) -> None:
    for place, part in walk(module, path):
        if parts_of(part) is None:
            _handlers()[type(part)](builder, part, place)


def _input_scale(builder: GraphBuilder, leaf: Any, path: str) -> None:
    builder.scale_input(path, leaf.maximum, leaf.minimum)


def _nothing(builder: GraphBuilder, leaf: Any, path: str) -> None:
    """Leave out a module that does nothing in evaluation mode."""


def _conv(builder: GraphBuilder, leaf: Any, path: str) -> None:
    from edgespike.nn.layers.fanout import padding_sides

    if leaf.padding_mode != "zeros":
        raise ConversionStoppedError(f"{path} pads with {leaf.padding_mode}; use zeros")
    geometry = {
        "stride": tuple(leaf.stride),
        "padding": tuple(chain(*padding_sides(leaf))),
        "dilation": tuple(leaf.dilation),
        "groups": leaf.groups,
    }
    _weighted(builder, leaf, path, "conv", partial(Conv2d, **geometry))


def _linear(builder: GraphBuilder, leaf: Any, path: str) -> None:
    _weighted(builder, leaf, path, "dense", Dense)


def _weighted(
    builder: GraphBuilder, leaf: Any, path: str, label: str, make: Callable[..., Operation]
) -> None:
    if builder.sums is not None:
        raise ConversionStoppedError(
            f"{path} follows a weighted layer without an activation between them; add one"
        )
    check_weights(leaf.weight, path)
    weight = leaf.integer_weight().cpu().numpy().astype(np.int64)
    bias = zero_share(weight, builder.event_zero)
    float_nonzero = leaf.float_nonzero().cpu().numpy()
    builder.append(path, label, make(weight, bias, float_nonzero=float_nonzero))
    scale = Fraction(float(leaf.weight_scale())) * builder.event_scale
    trained = np.zeros(len(weight)) if leaf.bias is None else floats(leaf.bias)
    builder.sums = Sums(scale, trained)


def _batch_norm(builder: GraphBuilder, leaf: Any, path: str) -> None:
    if leaf.running_mean is None:
        builder.violations.append(
            f"{path} keeps no running statistics; set track_running_stats=True"
        )
    else:
        _normalise(builder, leaf, path, len(leaf.running_mean), leaf.eps)


def _layer_batch_norm(builder: GraphBuilder, leaf: Any, path: str) -> None:
    _normalise(builder, leaf, path, leaf.channels, leaf.epsilon)


def _normalise(builder: GraphBuilder, leaf: Any, path: str, channels: int, epsilon: float) -> None:
    sums = builder.sums
    if sums is None or sums.normalisation is not None or sums.pools:
        builder.violations.append(
            f"{path} must directly follow a weighted layer, before pool and activation"
        )
    elif channels != len(sums.bias):
        builder.violations.append(
            f"{path} normalises {channels} channels; the layer before it has {len(sums.bias)}"
        )
    else:
        # One number for each channel, or one for the layer.
        mean, variance = (
            np.broadcast_to(floats(values), channels)
            for values in (leaf.running_mean, leaf.running_var)
        )
        gamma = np.ones(channels) if leaf.weight is None else floats(leaf.weight)
        beta = np.zeros(channels) if leaf.bias is None else floats(leaf.bias)
        sums.normalisation = Normalisation(gamma, beta, mean, variance, float(epsilon))


def _pad(builder: GraphBuilder, leaf: Any, path: str) -> None:
    if len(leaf.padding) != 4:
        raise ConversionStoppedError(
            f"{path} has padding {tuple(leaf.padding)}; give one number, or left, right, top and "
            "bottom"
        )
    left, right, top, bottom = leaf.padding
    if leaf.value != 0 or min(leaf.padding) < 0:
        raise ConversionStoppedError(
            f"{path} pads with {leaf.value}, {tuple(leaf.padding)} elements; only zeros can be "
            "added, and nothing can be cropped"
        )
    if builder.sums is not None:
        raise ConversionStoppedError(f"{path} precedes an activation; move it after the activation")
    builder.pad(path, (top, bottom, left, right))


def _activation(builder: GraphBuilder, leaf: Any, path: str) -> None:
    for name in ("first", "step", "scale"):
        value = getattr(leaf, name)
        if not isinstance(value, int | float) or not isfinite(value):
            raise ConversionStoppedError(f"{path} has {name} {value!r}; give one finite number")
    if builder.mode is ReadoutMode.LAST:
        pass_input_on(builder, path)
    builder.fire(path, leaf.thresholds(), Fraction(leaf.scale))


def _residual(builder: GraphBuilder, leaf: Any, path: str) -> None:
    builder.add_branches(
        path,
        [
            partial(_convert_sequence, builder, branch, f"{path}.{name}")
            for name, branch in (("body", leaf.body), ("shortcut", leaf.shortcut))
        ],
    )


def _flatten(builder: GraphBuilder, leaf: Any, path: str) -> None:
    axes = len(builder.tensor.shape) + 1  # with that of samples
    if (leaf.start_dim % axes, leaf.end_dim % axes) != (1, axes - 1):
        raise ConversionStoppedError(
            f"{path} must flatten all axes after that of samples; use start_dim 1, end_dim -1"
        )
    _reshape(builder, path, "flatten", (builder.tensor.size,))


def _unflatten(builder: GraphBuilder, leaf: Any, path: str) -> None:
    axes, sizes = len(builder.tensor.shape) + 1, leaf.unflattened_size
    if axes != 2 or leaf.dim not in (1, -1) or not all(isinstance(size, int) for size in sizes):
        raise ConversionStoppedError(
            f"{path} must give the features of a sample a shape; put it where a sample has one "
            "axis, and use dim 1 and a tuple of whole numbers"
        )
    features = builder.tensor.size
    known = prod(size for size in sizes if size != -1)
    _reshape(
        builder,
        path,
        "unflatten",
        tuple(features // max(known, 1) if size == -1 else size for size in sizes),
    )


def _reshape(builder: GraphBuilder, path: str, label: str, shape: tuple[int, ...]) -> None:
    if builder.sums is not None:
        raise ConversionStoppedError(f"{path} precedes an activation; move it after the activation")
    builder.append(path, label, Reshape(shape))


Handler = Callable[[GraphBuilder, Any, str], None]


@cache
def _handlers() -> dict[type, Handler]:
    """Return the function that converts each supported type of module; torch is imported."""
    from torch import nn

    from edgespike.nn.layers.activation import LevelActivation, RoundClip
    from edgespike.nn.layers.normalise import LayerBatchNorm
    from edgespike.nn.layers.quant_gru import QuantGRU
    from edgespike.nn.layers.quant_rnn import QuantRNN
    from edgespike.nn.layers.recurrent import LastStep
    from edgespike.nn.layers.residual import Residual
    from edgespike.nn.layers.spike import SpikeActivation
    from edgespike.nn.layers.weighted import InputScale, QuantConv2d, QuantLinear, SumPool2d

    return {
        InputScale: _input_scale,
        QuantConv2d: _conv,
        QuantLinear: _linear,
        nn.BatchNorm1d: _batch_norm,
        nn.BatchNorm2d: _batch_norm,
        LayerBatchNorm: _layer_batch_norm,
        nn.ZeroPad2d: _pad,
        nn.ConstantPad2d: _pad,
        nn.MaxPool2d: max_pool,
        nn.AdaptiveMaxPool2d: adaptive_max_pool,
        nn.AvgPool2d: average_pool,
        nn.AdaptiveAvgPool2d: adaptive_average_pool,
        SumPool2d: sum_pool,
        SpikeActivation: _activation,
        RoundClip: _activation,
        LevelActivation: _activation,
        Residual: _residual,
        QuantRNN: recurrent_layer,
        QuantGRU: gated_layer,
        LastStep: _nothing,
        nn.Flatten: _flatten,
        nn.Unflatten: _unflatten,
        **dict.fromkeys(without_effect(), _nothing),
        **dict.fromkeys(order_preserving(), _nothing),
    }
