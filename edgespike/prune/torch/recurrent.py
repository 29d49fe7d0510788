"""Layers of nn.RNN, nn.GRU and nn.LSTM: their groups of units, and how units are removed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edgespike.prune.choosing.bound import PrunedLayer, PrunedPart, output_bound
from edgespike.prune.choosing.choice import Choice, Group, gate_rows
from edgespike.prune.choosing.covariance import Covariance
from edgespike.prune.torch.parameters import array, replace


@dataclass(frozen=True, eq=False)
class RecurrentLayer:
    """One of the stacked layers of an nn.RNN, nn.GRU or nn.LSTM.

    Attributes
    ----------
    name
        Name of the module in the model.
    rnn
        The module.
    level
        Number of the layer in it, from 0.
    """

    name: str
    rnn: nn.RNNBase
    level: int

    @property
    def size(self) -> int:
        """The number of units in each direction."""
        return self.rnn.hidden_size

    @property
    def suffixes(self) -> list[str]:
        """The suffixes of torch's weight names, for each direction."""
        suffix = f"l{self.level}"
        return [suffix, f"{suffix}_reverse"] if self.rnn.bidirectional else [suffix]

    @property
    def groups(self) -> list[str]:
        """The names of the groups of units: one for each direction, chosen separately."""
        return [f"{self.name}.{suffix}" if self.name else suffix for suffix in self.suffixes]

    def weight(self, kind: str, suffix: str) -> NDArray[np.float64]:
        """Return ``weight_{kind}_{suffix}`` as float64; ``kind`` is "ih" or "hh"."""
        return array(getattr(self.rnn, f"weight_{kind}_{suffix}"))

    def input_weights(self) -> NDArray[np.float64]:
        """Return the layer's input weights, with the rows of all directions."""
        return np.concatenate([self.weight("ih", suffix) for suffix in self.suffixes])

    def cut(self, choices: Sequence[Choice], below: NDArray[np.float64] | None) -> None:
        """Keep the chosen units in every gate.

        The module's ``hidden_size`` is unchanged until all its layers are cut.

        Parameters
        ----------
        choices
            The choice of each direction.
        below
            The matrix that estimates all values of the layer below from its kept ones, (before,
            after); None for the first layer.
        """
        for suffix, choice in zip(self.suffixes, choices, strict=True):
            arriving = self.weight("ih", suffix)
            rows = gate_rows(len(arriving), self.size, choice.units)
            arriving = arriving[rows] if below is None else arriving[rows] @ below
            recurring = self.weight("hh", suffix)[rows] @ choice.estimate
            replace(self.rnn, f"weight_ih_{suffix}", arriving)
            replace(self.rnn, f"weight_hh_{suffix}", recurring)
            if self.rnn.bias:
                for kind in ("ih", "hh"):
                    name = f"bias_{kind}_{suffix}"
                    replace(self.rnn, name, array(getattr(self.rnn, name))[rows])


@dataclass(frozen=True, eq=False)
class RecurrentChain:
    """Recurrent layers, each taking the values of the one before, and their readout.

    Attributes
    ----------
    layers
        The layers in order.
    readout_name
        Name of the readout in the model.
    readout
        Takes the last layer's values.
    activated
        Whether an activation changes values in between; then the outputs are not bounded.
    """

    layers: tuple[RecurrentLayer, ...]
    readout_name: str
    readout: nn.Linear
    activated: bool = False

    def groups(self, gathered: Mapping[str, Covariance]) -> list[list[Group]]:
        """Return the groups of units of each layer, one for each direction."""
        above = [layer.input_weights() for layer in self.layers[1:]]
        above.append(array(self.readout.weight))
        return [
            [
                Group(name, gathered[name].matrix(), output, layer.weight("hh", suffix))
                for name, suffix, output in zip(
                    layer.groups,
                    layer.suffixes,
                    np.split(taken, len(layer.suffixes), axis=1),
                    strict=True,
                )
            ]
            for layer, taken in zip(self.layers, above, strict=True)
        ]

    def cut(self, choices: Mapping[str, Choice]) -> None:
        """Keep the chosen units; choices are given by the names of groups."""
        estimates = [
            _beside_each_other([choices[name].estimate for name in layer.groups])
            for layer in self.layers
        ]
        for layer, below in zip(self.layers, [None, *estimates[:-1]], strict=True):
            layer.cut([choices[name] for name in layer.groups], below)
        replace(self.readout, "weight", array(self.readout.weight) @ estimates[-1])
        self.readout.in_features = self.readout.weight.shape[1]
        for layer in self.layers:
            if layer.level == 0:
                layer.rnn.hidden_size = layer.weight("hh", "l0").shape[1]
                layer.rnn.input_size = layer.weight("ih", "l0").shape[1]
                layer.rnn.flatten_parameters()

    def bound(
        self, groups: Mapping[str, Group], choices: Mapping[str, Choice], steps: int
    ) -> float | None:
        """Return a bound of the change of the outputs; None if there are gates or activations.

        Parameters
        ----------
        groups, choices
            By the names of groups.
        steps
            Number of steps of the longest sequence.
        """
        if self.activated or not all(isinstance(layer.rnn, nn.RNN) for layer in self.layers):
            return None
        layers = [
            PrunedLayer(
                tuple(
                    PrunedPart(groups[name], choices[name], layer.weight("ih", suffix))
                    for name, suffix in zip(layer.groups, layer.suffixes, strict=True)
                )
            )
            for layer in self.layers
        ]
        return output_bound(layers, array(self.readout.weight), steps)


def _beside_each_other(blocks: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return a matrix with the blocks on its diagonal."""
    ends = np.cumsum([block.shape for block in blocks], axis=0)
    result = np.zeros(ends[-1])
    for block, (row, column) in zip(blocks, ends, strict=True):
        result[row - block.shape[0] : row, column - block.shape[1] : column] = block
    return result


def single_layers(rnn: nn.RNNBase) -> Iterator[nn.RNNBase]:
    """Yield the stacked layers as modules of one layer each, with copies of the weights."""
    directions = 2 if rnn.bidirectional else 1
    for level in range(rnn.num_layers):
        arriving = rnn.input_size if level == 0 else rnn.hidden_size * directions
        kind = {"nonlinearity": rnn.nonlinearity} if isinstance(rnn, nn.RNN) else {}
        first = rnn.weight_ih_l0
        layer: nn.RNNBase = type_of(rnn)(
            arriving,
            rnn.hidden_size,
            bias=rnn.bias,
            batch_first=rnn.batch_first,
            bidirectional=rnn.bidirectional,
            device=first.device,
            dtype=first.dtype,
            **kind,
        )
        with torch.no_grad():
            for name, parameter in layer.named_parameters():
                parameter.copy_(getattr(rnn, name.replace("_l0", f"_l{level}")))
        yield layer.eval()


def type_of(rnn: nn.RNNBase) -> Callable[..., nn.RNNBase]:
    """Return torch's own class of a module."""
    return next(kind for kind in (nn.RNN, nn.GRU, nn.LSTM) if isinstance(rnn, kind))
