"""The layers of a ``.net`` file, after their fields have been checked."""

from __future__ import annotations

from dataclasses import dataclass

from edgespike.converters.lava_dl.neurons import LayerNeurons
from edgespike.graph.tensor import Integers

INPUT_WEIGHT = 64
"""netx's weight of an input layer that states none."""


@dataclass(frozen=True)
class InputLayer:
    """What the net receives.

    Parameters
    ----------
    path
        In the file, as for all layers.
    shape
        ``(features,)`` or ``(channels, height, width)``; ``None`` if the file does not state it.
    neurons
        Those that turn the input into spikes; ``None`` if the input is spikes.
    weight, bias
        With neurons: an input ``p`` of -1..1 drives them by ``weight * p + bias`` at each step. In
        netx this is a bias of the neurons, which the user sets.
    """

    path: str
    shape: tuple[int, ...] | None
    neurons: LayerNeurons | None = None
    weight: int = INPUT_WEIGHT
    bias: int = 0


@dataclass(frozen=True, eq=False)
class DenseLayer:
    """A dense layer and its neurons.

    Parameters
    ----------
    path
        In the file.
    weight
        ``(outputs, inputs)``.
    bias
        ``(outputs,)``.
    neurons
        netx's own if the file has none.
    stated
        Whether the file has neurons.
    recurrent
        Weights of the layer's own spikes of the step before, ``(outputs, outputs)``; or ``None``.
    delay
        How many steps later each synapse acts, in the shape of ``weight``; ``None`` if none does.
    """

    path: str
    weight: Integers
    bias: Integers
    neurons: LayerNeurons
    stated: bool
    recurrent: Integers | None = None
    delay: Integers | None = None


@dataclass(frozen=True, eq=False)
class ConvLayer:
    """A convolution and its neurons; ``weight`` is (outputs, inputs, height, width)."""

    path: str
    weight: Integers
    bias: Integers
    neurons: LayerNeurons
    shape: tuple[int, ...]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int


@dataclass(frozen=True)
class FlattenLayer:
    """The spikes of an image in a row, channels first."""

    path: str


Layer = InputLayer | DenseLayer | ConvLayer | FlattenLayer
