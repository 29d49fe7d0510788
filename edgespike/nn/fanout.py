"""Which layers receive spikes, and how many of their synapses each spike reaches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.grad import conv2d_input

from edgespike.errors import UnsupportedError
from edgespike.nn.activation import LevelActivation

Weighted: TypeAlias = nn.Conv2d | nn.Linear


@dataclass(frozen=True)
class Events:
    """What enters a layer in one forward pass.

    Parameters
    ----------
    layer
        The layer's path.
    values
        Whole numbers (samples, ...), differentiable: spikes, or levels.
    graded
        Whether they are levels of more than two states: each that is not 0 is one event, which
        carries a number. A spike is an event without one; a pool may let several meet.
    """

    layer: str
    values: Tensor
    graded: bool

    def count(self) -> Tensor:
        """Give the number of events, in the shape of ``values``."""
        return (self.values != 0).to(self.values) if self.graded else self.values


class SpikeInputs:
    """Record what enters the weighted layers that run after a model's first activation.

    Which layers these are is seen while the model runs: the order in which its modules are
    registered decides nothing. Each forward pass of the model starts anew.

    Parameters
    ----------
    model
        Carries hooks until `close`.

    Attributes
    ----------
    layers
        All weighted layers of the model by path, those that receive no spikes among them.
    """

    def __init__(self, model: nn.Module) -> None:
        self.layers: dict[str, Weighted] = {}
        self._entered: list[Events] | None = None
        self._activation: LevelActivation | None = None
        self._hooks = [
            model.register_forward_pre_hook(self._begin),
            model.register_forward_hook(self._end),
        ]
        for name, module in model.named_modules():
            if isinstance(module, LevelActivation):
                self._hooks.append(module.register_forward_hook(self._see_spikes))
            elif isinstance(module, nn.Conv2d | nn.Linear):
                self.layers[name] = module
                self._hooks.append(module.register_forward_pre_hook(self._recorder(name)))

    def latest(self) -> list[Events]:
        """Give what entered each layer, in the order of the latest forward pass.

        A layer that ran several times appears as often.

        Raises
        ------
        UnsupportedError
            No forward pass was seen, or none of its weighted layers ran after an activation of few
            levels.
        """
        if not self._entered:
            reason = (
                "no forward pass of the model was seen; run the model after hooking it and before "
                "closing"
                if self._entered is None
                else "no Conv2d or Linear ran after a SpikeActivation or RoundClip in the latest "
                "forward pass; give a spiking net, and call its modules rather than functions on "
                "their weights"
            )
            raise UnsupportedError("synaptic operations cannot be counted", [reason])
        return self._entered

    def close(self) -> None:
        """Take the hooks off the model, and forget its latest forward pass."""
        for hook in self._hooks:
            hook.remove()
        self._entered = None

    def _begin(self, _model: nn.Module, _inputs: tuple[Tensor, ...]) -> None:
        self._entered, self._activation = [], None

    def _end(self, _model: nn.Module, _inputs: tuple[Tensor, ...], _output: Tensor) -> None:
        # A layer that is called on its own afterwards is no part of the pass.
        self._activation = None

    def _see_spikes(self, module: nn.Module, _inputs: tuple[Tensor, ...], _output: Tensor) -> None:
        if isinstance(module, LevelActivation):
            self._activation = module

    def _recorder(self, name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def record(_layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            activation = self._activation
            if activation is None or self._entered is None:
                return
            values, scale = inputs[0], activation.scale
            self._entered.append(
                Events(name, values if scale == 1 else values / scale, activation.states > 2)
            )

        return record


def fan_out(layer: Weighted, input_shape: torch.Size, mask: Tensor) -> Tensor:
    """Count the synapses that leave each neuron of a layer's input, exactly.

    For a convolution it is the transposed convolution of an all-ones output with the mask: a
    neuron near a border or between strides reaches fewer synapses than one in the middle.

    Parameters
    ----------
    layer
        The layer that the neurons feed.
    input_shape
        Shape of one sample at the layer's input, without the batch.
    mask
        In the shape of the layer's weight: 1 where a synapse exists, else 0.

    Returns
    -------
    Tensor
        float64 whole numbers, ``input_shape``.
    """
    mask = mask.double()
    if isinstance(layer, nn.Linear):
        return mask.sum(dim=0).expand(input_shape)
    height, width = (_output_size(layer, input_shape, axis) for axis in (0, 1))
    ones = mask.new_ones((1, layer.out_channels, height, width))
    counts: Tensor = conv2d_input(  # type: ignore[no-untyped-call]
        (1, *input_shape), mask, ones, layer.stride, layer.padding, layer.dilation, layer.groups
    )
    # Whatever algorithm the convolution uses: these are sums of ones.
    return counts[0].round()


def _output_size(layer: nn.Conv2d, input_shape: torch.Size, axis: int) -> int:
    reach = layer.dilation[axis] * (layer.kernel_size[axis] - 1) + 1
    free = input_shape[axis + 1] + 2 * int(layer.padding[axis]) - reach
    return free // layer.stride[axis] + 1
