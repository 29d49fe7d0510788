"""A net of convolutions with integrate-and-fire neurons on 2 x 34 x 34 spikes, 8-bit weights.

The shape is that of ``cnn_sinabs.nir``, a net for N-MNIST in the NIR paper's repository. The file
is not part of edgespike: without it the weights are random, drawn such that each layer fires about
as often as the trained net's does when 3 % of the input are spikes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import (
    Conv2d,
    Dense,
    Graph,
    Input,
    Membrane,
    Node,
    Readout,
    Reshape,
    SumPool2d,
)

if TYPE_CHECKING:
    from edgespike.graph import Operation  # older checkouts may not have it

SHAPE = (2, 34, 34)
WEIGHTS = {
    0: (16, 2, 5, 5),
    2: (16, 16, 3, 3),
    5: (8, 16, 3, 3),
    9: (256, 128),
    11: (10, 256),
}
"""Shapes of the net's weights, by their names in the NIR file."""

SPREAD = {0: 1.31, 2: 2.58, 5: 1.1, 9: 0.39, 11: 3.22}
"""Standard deviation of each layer's random weights, times the root of a neuron's inputs."""


def convolutional_net(steps: int, weights: Path | None) -> Graph:
    """Build a net of convolutions, sum pools and integrate-and-fire neurons with 8-bit weights."""
    nodes = [Node("input", Input(SHAPE, 0, 1, 1.0))]

    def add(name: str, op: Operation) -> None:
        nodes.append(Node(name, op, (nodes[-1].name,)))

    for place, real in _real_weights(weights).items():
        unit = np.abs(real).max() / 127
        weight, bias = np.rint(real / unit).astype(np.int64), np.zeros(len(real), np.int64)
        if real.ndim == 4:
            stride = (2, 2) if place == 0 else (1, 1)
            add(f"conv{place}", Conv2d(weight, bias, stride=stride, padding=(1, 1)))
        else:
            add(f"dense{place}", Dense(weight, bias))
        add(f"fire{place}", Membrane(np.full(len(real), round(1 / unit))))
        if place in (2, 5):
            add(f"pool{place}", SumPool2d((2, 2), (2, 2)))
        if place == 5:
            add("flat", Reshape((128,)))
    add("out", Readout(np.ones(10)))
    return Graph("convolutions", tuple(nodes), steps)


def random_spikes(shape: tuple[int, ...], share: float) -> NDArray[np.int8]:
    """Draw zeros and ones, of which a share are ones."""
    drawn = np.random.default_rng(1).random(shape, np.float32)
    return (drawn < share).astype(np.int8)


def _real_weights(path: Path | None) -> dict[int, NDArray[Any]]:
    """Read weights for thresholds of 1, or draw some."""
    if path is None:
        rng = np.random.default_rng(0)
        return {
            place: rng.normal(0, SPREAD[place] / np.sqrt(np.prod(shape[1:])), shape)
            for place, shape in WEIGHTS.items()
        }
    import h5py  # type: ignore[import-untyped,unused-ignore]

    with h5py.File(path) as file:
        return {place: file[f"node/nodes/{place}/weight"][()] for place in WEIGHTS}
