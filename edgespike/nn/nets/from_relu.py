"""Turn a trained float ReLU net into one of spikes or few levels, to be fine-tuned.

Layer by layer, each normalisation is set so that it gives the float net's own values, times a
factor that fits the activation's thresholds: what a layer's integer weights and the levels before
it lose in mean and slope is made up for in each channel. No gradient is needed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from edgespike.errors import InputError
from edgespike.nn.layers.activation import LevelActivation
from edgespike.nn.layers.normalise import LayerBatchNorm
from edgespike.nn.layers.residual import Residual
from edgespike.nn.nets.models import build
from edgespike.nn.nets.spec import ConvSpec, LayerSpec, NetSpec, ResidualSpec

FACTORS, SPAN = 100, 300.0
"""How many factors are tried, and how many times the largest is the smallest."""

SMALLEST = 1e-12
"""Replaces the variance and the largest value of a silent channel or layer."""

QUANTISING = (
    "threshold",
    "alpha",
    "beta",
    "readout_bits",
    "activation_states",
    "weight_states",
    "readout_states",
    "surrogate",
    "bump",
    "normalisation",
    "reading",
)
"""Entries of a description that do not change the shape of a net."""

Normalisation = nn.BatchNorm1d | nn.BatchNorm2d | LayerBatchNorm


def is_relu_net_of(found: NetSpec, wanted: NetSpec) -> bool:
    """Return whether a float ReLU net has the shape of a spiking net or one of levels."""
    alike = replace(
        wanted,
        activation=found.activation,
        layers=tuple(map(_shape_of, wanted.layers)),
        **{name: getattr(found, name) for name in QUANTISING},
    )
    shape = replace(found, layers=tuple(map(_shape_of, found.layers)))
    return (
        found.activation == "relu"
        and wanted.activation != "relu"
        and wanted.normalisation in ("batch", "layer_batch")
        and alike == shape
    )


def _shape_of(layer: LayerSpec) -> LayerSpec:
    return replace(layer, bits=8, states=0)


@torch.no_grad()
def from_relu(model: nn.Sequential, spec: NetSpec, images: Tensor) -> nn.Sequential:
    """Build a net of spikes or levels that approximates a float ReLU net of its shape.

    Parameters
    ----------
    model
        A net that `build` returned for the activation "relu".
    spec
        Description of the net to build; see `is_relu_net_of`.
    images
        Some of the training data, (samples, *input_shape).

    Returns
    -------
    torch.nn.Sequential
        In evaluation mode.

    Raises
    ------
    InputError
        The values of the float net on ``images`` are not finite.
    """
    with torch.random.fork_rng():  # the weights drawn here are replaced
        net = build(spec).eval()
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.load_state_dict(model.get_submodule(name).state_dict())
    was_training = model.training
    model.eval()
    blocks = _blocks(net)
    seen = _values(model, images, [name for block in blocks for name in block])
    model.train(was_training)
    if not all(torch.isfinite(values).all() for pair in seen.values() for values in pair):
        raise InputError(
            "the float net's values become infinite or NaN on the training data, which no levels "
            "can hold; train it with a lower learning rate"
        )
    inputs = {activation: seen[activation][0] for _, activation in blocks}
    factors = _factors(net, inputs)
    for normalisation, activation in blocks:
        _fit(net, images, normalisation, seen[normalisation][1], factors[activation])
    if blocks:
        _, last = blocks[-1]
        readout = net[-1]
        assert isinstance(readout, nn.Linear)
        value = _value_of_one(net.get_submodule(last), inputs[last], factors[last])
        readout.weight.mul_(value / _added_up(spec.layers[-1]))
    return net


def _added_up(layer: LayerSpec) -> int:
    """Return how many events a layer's pool adds up, where the float net takes their mean."""
    match layer:
        case ConvSpec(pooling="sum", pool=size) | ResidualSpec(pool=size):
            return size**2
        case _:
            return 1


def _blocks(net: nn.Module) -> list[tuple[str, str]]:
    """Name each normalisation and the activation that follows it, in order of execution."""
    modules = list(net.named_modules())
    normalisations = [name for name, module in modules if isinstance(module, Normalisation)]
    activations = [name for name, module in modules if isinstance(module, LevelActivation)]
    return list(zip(normalisations, activations, strict=True))


def _values(net: nn.Module, images: Tensor, names: Sequence[str]) -> dict[str, tuple[Tensor, ...]]:
    """Return what enters and what leaves modules, by name."""
    found: dict[str, tuple[Tensor, ...]] = {}

    def keeper(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def keep(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            found[name] = inputs[0], output

        return keep

    hooks = [net.get_submodule(name).register_forward_hook(keeper(name)) for name in names]
    try:
        net(images)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _factors(net: nn.Module, inputs: Mapping[str, Tensor]) -> dict[str, float]:
    """Choose by how much each activation's input is multiplied: the one of least squared error.

    Residual sums add levels of several activations, which must stand for the same values: there,
    all activations have one factor.
    """
    together = any(isinstance(module, Residual) for module in net.modules())
    groups = [list(inputs)] if together else [[name] for name in inputs]
    found: dict[str, float] = {}
    for names in groups:
        largest = max(*(float(inputs[name].max()) for name in names), SMALLEST)
        found |= dict.fromkeys(names, _best_factor(net, {x: inputs[x] for x in names}, largest))
    return found


def _best_factor(net: nn.Module, inputs: Mapping[str, Tensor], largest: float) -> float:
    """Try factors from the one that lets the largest value reach the first threshold upwards."""

    def error(factor: float) -> float:
        total = 0.0
        for name, values in inputs.items():
            activation, wanted = net.get_submodule(name), values.relu()
            levels = activation(values * factor)
            error = wanted - levels * _value_of_one(activation, values, factor)
            total += float(error.square().sum() / wanted.square().sum().clamp(min=SMALLEST))
        return total

    activation = net.get_submodule(next(iter(inputs)))
    assert isinstance(activation, LevelActivation)
    first = activation.first / largest
    tried = torch.logspace(0, math.log10(SPAN), FACTORS).tolist()
    best: float = min(tried, key=lambda factor: error(first * factor))
    return first * best


def _value_of_one(activation: nn.Module, values: Tensor, factor: float) -> float:
    """Return which real value 1 stands for in an activation's output, by least squares."""
    levels: Tensor = activation(values * factor)
    squares = float(levels.square().sum())
    return float((levels * values.relu()).sum()) / squares if squares else 1 / factor


def _fit(net: nn.Module, images: Tensor, name: str, wanted: Tensor, factor: float) -> None:
    """Set a normalisation so that it gives ``factor * wanted``, as nearly as a line can."""
    norm = net.get_submodule(name)
    assert isinstance(norm, Normalisation)
    ((found, _),) = _values(net, images, [name]).values()
    axes = tuple(axis for axis in range(found.ndim) if axis != 1)
    mean, target = found.mean(axes), wanted.mean(axes)
    spread = found - mean.reshape(-1, *[1] * (found.ndim - 2))
    variance = spread.square().mean(axes)
    slope = (spread * wanted).mean(axes) / variance.clamp(min=SMALLEST)
    if isinstance(norm, LayerBatchNorm):
        mean_taken, variance_taken, eps = found.mean(), found.var(correction=0), norm.epsilon
    else:
        mean_taken, variance_taken, eps = mean, variance, norm.eps
    for running, taken in (
        (norm.running_mean, mean_taken),
        (norm.running_var, variance_taken),
    ):
        assert running is not None  # `build` makes normalisations that track them
        running.copy_(taken)
    norm.weight.copy_(factor * slope * (variance_taken + eps).sqrt())
    norm.bias.copy_(factor * (target + slope * (mean_taken - mean)))
