"""Hidden dense and convolution layers: spectral pruning of units and channels.

Spectral pruning of recurrent networks is an extension of this method: channels are chosen by the
covariance of what the next layer receives, and the reconstruction is folded into its weights.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from edgespike.prune.choosing.choice import Choice, Group
from edgespike.prune.choosing.covariance import Covariance
from edgespike.prune.torch.parameters import array, replace

PrunableLayer = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d
"""A layer with weights whose units (outputs or channels) can be pruned."""

_MIXING = (
    nn.GLU,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.LocalResponseNorm,
    nn.LogSoftmax,
    nn.Softmax,
    nn.Softmax2d,
    nn.Softmin,
    nn.ChannelShuffle,
    nn.PixelShuffle,
    nn.PixelUnshuffle,
    nn.Fold,
    nn.Unfold,
    nn.Unflatten,
)
"""Modules without weights in which a unit's value depends on others, or moves."""


@dataclass(frozen=True, eq=False)
class HiddenLayer:
    """A layer with weights and the next such layer, which takes its units' values.

    Attributes
    ----------
    name
        Name of the layer in the model.
    layer
        The layer whose units, outputs or channels, are pruned.
    norms
        Batch normalisations in between.
    taker_name
        Name of the next layer.
    taker
        The next layer.
    """

    name: str
    layer: PrunableLayer
    norms: tuple[_BatchNorm, ...]
    taker_name: str
    taker: PrunableLayer

    @property
    def size(self) -> int:
        """The number of units."""
        return int(self.layer.weight.shape[0])

    def group(self, gathered: Mapping[str, Covariance]) -> Group:
        """Return the units, with the next layer's weights for them at each of its positions."""
        output = np.moveaxis(self._by_unit(), 1, -1).reshape(-1, self.size)
        return Group(self.name, gathered[self.name].matrix(), output)

    def states(self, received: Tensor) -> Tensor:
        """Arrange the input of the next layer as states, (..., units)."""
        if isinstance(self.taker, nn.Linear):
            by_unit = received.reshape(*received.shape[:-1], self.size, -1)
            return by_unit.movedim(-2, -1)
        return received.movedim(1 - self.taker.weight.ndim, -1)

    def cut(self, choice: Choice) -> None:
        """Keep the chosen units, and fold the reconstruction into the next layer's weights."""
        by_unit = self._by_unit()
        folded = np.einsum("oup,uk->okp", by_unit, choice.estimate)
        shape = self.taker.weight.shape
        replace(self.taker, "weight", folded.reshape(shape[0], -1, *shape[2:]))
        for module in (self.layer, *self.norms):
            for name in ("weight", "bias", "running_mean", "running_var"):
                if getattr(module, name, None) is not None:
                    replace(module, name, array(getattr(module, name))[choice.units])
        for norm in self.norms:
            norm.num_features = len(choice.units)
        _resize(self.layer)
        _resize(self.taker)

    def _by_unit(self) -> NDArray[np.float64]:
        """Return the next layer's weights, (its outputs, units, positions)."""
        weight = array(self.taker.weight)
        return weight.reshape(len(weight), self.size, -1)


def _resize(layer: PrunableLayer) -> None:
    outputs, inputs = layer.weight.shape[:2]
    if isinstance(layer, nn.Linear):
        layer.out_features, layer.in_features = outputs, inputs
    else:
        layer.out_channels, layer.in_channels = outputs, inputs


def hidden_layers(model: nn.Module) -> dict[str, HiddenLayer | str]:
    """Find the hidden layers of an nn.Sequential, nested ones included.

    A layer can be pruned if the next layer with weights takes each unit's values separately: only
    batch normalisation and modules without weights that treat channels separately may lie in
    between. The search stops at other modules that hold layers with weights, and starts again
    after them.

    Returns
    -------
    dict[str, HiddenLayer | str]
        For each dense or convolution layer except the last: the layer, or why it cannot be pruned.
    """
    sequence = list(_flat("", model))
    weighted = [
        (k, name, m) for k, (name, m) in enumerate(sequence) if isinstance(m, PrunableLayer)
    ]
    found: dict[str, HiddenLayer | str] = {}
    for (start, name, layer), (end, taker_name, taker) in itertools.pairwise(weighted):
        between = [module for _, module in sequence[start + 1 : end]]
        norms = tuple(module for module in between if isinstance(module, _BatchNorm))
        fault = _fault(layer, between, taker)
        found[name] = fault or HiddenLayer(name, layer, norms, taker_name, taker)
    return found


def _flat(name: str, module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the modules that run one after another, with their names."""
    if isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward:
        for own, child in module.named_children():
            yield from _flat(f"{name}.{own}" if name else own, child)
    else:
        yield name, module


def _fault(layer: PrunableLayer, between: list[nn.Module], taker: PrunableLayer) -> str:
    """Return why a layer's units cannot be told apart in the next layer's input; "" if they can."""
    for module in between:
        tensors = [*module.parameters(), *module.buffers()]
        own = any(tensor.numel() > 1 for tensor in tensors) and not isinstance(module, _BatchNorm)
        if own or isinstance(module, _MIXING):
            return f"{type(module).__name__} after it mixes units, or has weights"
    if any(getattr(module, "groups", 1) != 1 for module in (layer, taker)):
        return "it or the next layer is a grouped convolution"
    units = layer.weight.shape[0]
    if isinstance(taker, nn.Linear) and not isinstance(layer, nn.Linear):
        fits = any(isinstance(module, nn.Flatten) for module in between)
        fits = fits and taker.in_features % units == 0
    else:
        fits = isinstance(taker, nn.Linear) == isinstance(layer, nn.Linear)
        fits = fits and taker.weight.shape[1] == units
    return "" if fits else f"the next layer does not take its {units} units directly"
