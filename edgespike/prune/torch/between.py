"""Modules without weights that may lie between a recurrent layer and the one that follows it."""

from __future__ import annotations

from torch import nn

_UNCHANGED = (
    nn.Identity,
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.AlphaDropout,
    nn.FeatureAlphaDropout,
    # Containers: their contents are looked at separately.
    nn.Sequential,
    nn.ModuleList,
    nn.ModuleDict,
)
"""Modules that pass values on unchanged in evaluation mode."""

_ACTIVATIONS = (
    nn.CELU,
    nn.ELU,
    nn.GELU,
    nn.Hardshrink,
    nn.Hardsigmoid,
    nn.Hardswish,
    nn.Hardtanh,
    nn.LeakyReLU,
    nn.LogSigmoid,
    nn.Mish,
    nn.ReLU,
    nn.RReLU,
    nn.SELU,
    nn.SiLU,
    nn.Sigmoid,
    nn.Softplus,
    nn.Softshrink,
    nn.Softsign,
    nn.Tanh,
    nn.Tanhshrink,
    nn.Threshold,
)
"""Modules that change each unit's value separately."""


def is_activation(module: nn.Module) -> bool:
    """Return whether a module is an activation, which changes each unit's value separately."""
    return isinstance(module, _ACTIVATIONS)


def treats_units_apart(module: nn.Module) -> bool:
    """Return whether a module without weights passes on each unit's value separately.

    For torch's own modules this is known. Other modules are assumed to do so, such as one that
    selects the last step.
    """
    own = next(kind for kind in type(module).__mro__ if kind.__module__.startswith("torch.nn."))
    return own is nn.Module or isinstance(module, (*_UNCHANGED, *_ACTIVATIONS))
