"""From torch modules of :mod:`edgespike.nn` to a graph.

A net is a sequence, however nested, of input scaling, then blocks of a quantised layer, an
optional normalisation, an optional max pool and an activation of few levels, then a quantised
readout. Residual blocks hold such sequences. For recurrent nets see `torch_recurrent`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache, partial
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from edgespike.converters.base import Converter
from edgespike.converters.builder import CannotGoOnError, Progress, Sums
from edgespike.converters.torch.recurrent import (
    children_refusals,
    float_refusals,
    pass_input_on,
    recurrent_layer,
    start_sequence,
)
from edgespike.converters.torch.sequence import is_sequence, walk, walk_all
from edgespike.converters.torch.weights import check_weights, floats, zero_share
from edgespike.errors import UnsupportedError
from edgespike.graph import Conv2d, Dense, Graph, MaxPool2d, Operation, ReadoutMode, Reshape
from edgespike.graph import SumPool2d as SumOfEvents
from edgespike.passes.folding import Normalisation

if TYPE_CHECKING:
    from torch import nn


def convert_module(module: nn.Module, input_shape: tuple[int, ...], name: str) -> Graph:
    """Turn a torch module into a graph.

    Integer weights, and normalisation folded into thresholds, are exact. The readout's bias is
    rounded half up to whole units of its accumulator, so a logit may differ from the module's
    by half a weight's step. The module is read as in evaluation mode. A module that is used
    several times becomes as many layers. Forward hooks are refused: they may change results.

    Raises
    ------
    UnsupportedError
        Lists every module that cannot be converted, by its path, and what is supported.
    GraphError
        The name is none that a graph may have, or a sum may be too large.
    """
    return convert_parts(module, input_shape, name).graph(name)


def convert_parts(module: nn.Module, input_shape: tuple[int, ...], name: str) -> Progress:
    """Do what `convert_module` does, and give the nodes with what is known of them."""
    refused = [fault for path, part in walk_all(module) for fault in _refusals(path, part)]
    if refused:
        known = ", ".join(sorted(kind.__name__ for kind in _handlers()))
        supported = f"supported are {known} in a Sequential"
        raise UnsupportedError(f"model {name!r} cannot be converted", [*refused, supported])
    progress = start_sequence(module, input_shape) or Progress.start(input_shape)
    try:
        _convert_sequence(progress, module, "")
        progress.finish()
    except CannotGoOnError as stop:
        progress.violations.append(str(stop))
    if progress.violations:
        raise UnsupportedError(f"model {name!r} cannot be converted", progress.violations)
    return progress


def _convert_sequence(progress: Progress, module: Any, path: str) -> None:
    for place, part in walk(module, path):
        if not is_sequence(part):
            _handlers()[type(part)](progress, part, place)


def _refusals(path: str, module: Any) -> Iterator[str]:
    """Yield why a module may compute something else than its type says."""
    from edgespike.nn.layers.quant_rnn import QuantRNN
    from edgespike.nn.layers.residual import EventSum, Residual

    place = path or "the model"
    if found := list(float_refusals(place, module)):
        yield from found
        return
    if not is_sequence(module) and type(module) not in _handlers():
        yield f"{place} is a {type(module).__qualname__}"
        return
    yield from _changes(place, module)
    if isinstance(module, Residual):
        if type(module.sum) is not EventSum:
            yield f"{place}.sum is a {type(module.sum).__qualname__}, not an EventSum"
        yield from _changes(f"{place}.sum", module.sum)
    if isinstance(module, QuantRNN):
        yield from children_refusals(place, module)
        for name, child in module.named_children():
            yield from _changes(f"{place}.{name}", child)


def _changes(place: str, module: Any) -> Iterator[str]:
    """Yield what may change the result of a module."""
    if module._forward_hooks or module._forward_pre_hooks:
        yield (
            f"{place} has forward hooks, which may change what it computes; remove them first "
            "(a SynapticPenalty's by close(), those of pruning by torch.nn.utils.prune.remove)"
        )
    if "forward" in vars(module):
        yield f"{place} has a forward function of its own; use its type's"


def _input_scale(progress: Progress, leaf: Any, path: str) -> None:
    progress.scale_input(path, leaf.maximum)


def _nothing(progress: Progress, leaf: Any, path: str) -> None:
    """Leave out a module that does nothing in evaluation mode."""


def _conv(progress: Progress, leaf: Any, path: str) -> None:
    if leaf.padding_mode != "zeros" or isinstance(leaf.padding, str):
        raise CannotGoOnError(
            f"{path} pads with {leaf.padding_mode}, {leaf.padding!r}; give zeros and a number"
        )
    geometry = {
        "stride": tuple(leaf.stride),
        "padding": tuple(leaf.padding),
        "dilation": tuple(leaf.dilation),
        "groups": leaf.groups,
    }
    _weighted(progress, leaf, path, "conv", partial(Conv2d, **geometry))


def _linear(progress: Progress, leaf: Any, path: str) -> None:
    _weighted(progress, leaf, path, "dense", Dense)


def _weighted(
    progress: Progress, leaf: Any, path: str, label: str, make: Callable[..., Operation]
) -> None:
    if progress.sums is not None:
        raise CannotGoOnError(
            f"{path} follows a weighted layer without an activation between them; add one"
        )
    check_weights(leaf.weight, path)
    weight = leaf.integer_weight().cpu().numpy().astype(np.int64)
    bias = zero_share(weight, progress.event_zero)
    float_nonzero = leaf.float_nonzero().cpu().numpy()
    progress.append(path, label, make(weight, bias, float_nonzero=float_nonzero))
    scale = Fraction(float(leaf.weight_scale())) * progress.event_scale
    trained = np.zeros(len(weight)) if leaf.bias is None else floats(leaf.bias)
    progress.sums = Sums(scale, trained)


def _batch_norm(progress: Progress, leaf: Any, path: str) -> None:
    if leaf.running_mean is None:
        progress.violations.append(
            f"{path} keeps no running statistics; set track_running_stats=True"
        )
    else:
        _normalise(progress, leaf, path, len(leaf.running_mean), leaf.eps)


def _layer_batch_norm(progress: Progress, leaf: Any, path: str) -> None:
    _normalise(progress, leaf, path, leaf.channels, leaf.epsilon)


def _normalise(progress: Progress, leaf: Any, path: str, channels: int, epsilon: float) -> None:
    sums = progress.sums
    if sums is None or sums.normalisation is not None or sums.pool is not None:
        progress.violations.append(
            f"{path} must stand right behind a weighted layer, before pool and activation"
        )
    elif channels != len(sums.bias):
        progress.violations.append(
            f"{path} normalises {channels} channels; the layer before it has {len(sums.bias)}"
        )
    else:
        # One number a channel, or one for the layer.
        mean, variance = (
            np.broadcast_to(floats(values), channels)
            for values in (leaf.running_mean, leaf.running_var)
        )
        gamma = np.ones(channels) if leaf.weight is None else floats(leaf.weight)
        beta = np.zeros(channels) if leaf.bias is None else floats(leaf.bias)
        sums.normalisation = Normalisation(gamma, beta, mean, variance, float(epsilon))


def _max_pool(progress: Progress, leaf: Any, path: str) -> None:
    """Remember the pool: behind the activation it is the same, since that is monotone.

    That holds for either sign of gamma, because the pool stands behind the normalisation.
    """
    if leaf.ceil_mode or _pair(leaf.dilation) != (1, 1) or leaf.return_indices:
        progress.violations.append(
            f"{path} has ceil_mode, dilation or return_indices; only plain windows are supported"
        )
        return
    op = MaxPool2d(_pair(leaf.kernel_size), _pair(leaf.stride), _pair(leaf.padding))
    if progress.sums is None:
        progress.append(path, "pool", op)
    elif progress.sums.pool is None:
        progress.sums.pool = op
    else:
        progress.violations.append(f"{path} follows another pool; put the activation between")


def _sum_pool(progress: Progress, leaf: Any, path: str) -> None:
    if progress.sums is not None:
        progress.violations.append(f"{path} stands before an activation; put it behind")
    else:
        size = _pair(leaf.kernel_size)
        progress.append(path, "pool", SumOfEvents(size, size))


def _activation(progress: Progress, leaf: Any, path: str) -> None:
    for name in ("first", "step", "scale"):
        value = getattr(leaf, name)
        if not isinstance(value, int | float) or not isfinite(value):
            raise CannotGoOnError(f"{path} has {name} {value!r}; give one finite number")
    if progress.mode is ReadoutMode.LAST:
        pass_input_on(progress, path)
    progress.fire(path, leaf.thresholds(), Fraction(leaf.scale))


def _residual(progress: Progress, leaf: Any, path: str) -> None:
    progress.add_branches(
        path,
        [
            partial(_convert_sequence, progress, branch, f"{path}.{name}")
            for name, branch in (("body", leaf.body), ("shortcut", leaf.shortcut))
        ],
    )


def _flatten(progress: Progress, leaf: Any, path: str) -> None:
    if (leaf.start_dim, leaf.end_dim) != (1, -1):
        progress.violations.append(f"{path} must flatten everything behind the sample axis")
    elif progress.sums is not None:
        progress.violations.append(f"{path} stands before an activation; put it behind")
    else:
        progress.append(path, "flatten", Reshape((progress.tensor.size,)))


def _pair(value: Any) -> tuple[int, int]:
    vertical, horizontal = value if isinstance(value, tuple | list) else (value, value)
    return int(vertical), int(horizontal)


Handler = Callable[[Progress, Any, str], None]


@cache
def _handlers() -> dict[type, Handler]:
    """Return what converts each supported type of module; torch is imported by now."""
    from torch import nn

    from edgespike.nn.layers.activation import LevelActivation, RoundClip
    from edgespike.nn.layers.normalise import LayerBatchNorm
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
        nn.MaxPool2d: _max_pool,
        SumPool2d: _sum_pool,
        SpikeActivation: _activation,
        RoundClip: _activation,
        LevelActivation: _activation,
        Residual: _residual,
        QuantRNN: recurrent_layer,
        LastStep: _nothing,
        nn.Flatten: _flatten,
        nn.Dropout: _nothing,
        nn.Identity: _nothing,
    }


def _is_module(model: Any) -> bool:
    """Return whether it is a torch module, without importing torch for models of other kinds."""
    return any(
        f"{base.__module__}.{base.__name__}" == "torch.nn.modules.module.Module"
        for base in type(model).__mro__
    )


CONVERTER = Converter(
    "torch", "torch modules built of the layers in edgespike.nn", _is_module, convert_module
)
