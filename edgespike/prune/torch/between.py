"""What may lie between a recurrent layer and what takes its values: modules without weights."""

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
    # Containers: what they hold is looked at by itself.
    nn.Sequential,
    nn.ModuleList,
    nn.ModuleDict,
)
"""They hand values on as they are, when they are evaluated."""

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
"""They change each unit's value by itself."""


def is_activation(module: nn.Module) -> bool:
    """Return whether a module changes each unit's value by itself."""
    return isinstance(module, _ACTIVATIONS)


def treats_units_apart(module: nn.Module) -> bool:
    """Return whether a module without weights hands each unit's value on by itself.

    Of torch's own modules those are known that do. Modules of other origin are taken to do so:
    what takes the last step is one of them.
    """
    own = next(kind for kind in type(module).__mro__ if kind.__module__.startswith("torch.nn."))
    return own is nn.Module or isinstance(module, (*_UNCHANGED, *_ACTIVATIONS))
