"""A spiking net that tells clothes apart, made without gradients, and the shipped test images."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.floats.net import (
    FloatDense,
    FloatInput,
    FloatNet,
    FloatNeurons,
    FloatNode,
    FloatReadout,
    Reals,
)
from edgespike.floats.run import run_steps
from edgespike.models import shipped_images

HIDDEN, CLASSES, STEPS, BETA = 96, 10, 12, 0.9
CALIBRATION, TEST = slice(0, 120), slice(120, 200)
"""Which images are for calibration, and which to measure."""


@cache
def images() -> tuple[Reals, NDArray[Any]]:
    """Return every second pixel of the images, 0 to 1, ``(200, 196)``, and their classes."""
    pixels, labels = shipped_images()
    return pixels[:, 0, ::2, ::2].reshape(len(pixels), -1) / 255, labels


@cache
def clothes_net() -> FloatNet:
    """Return a net of leaky neurons whose last layer fits the classes of 120 images.

    The first layer compares an image with differences of images; the last is a ridge regression on
    the spikes of the first, scaled so that its neurons fire.
    """
    x, labels = images()
    rng = np.random.default_rng(0)
    pairs = rng.integers(0, CALIBRATION.stop, (2, HIDDEN))
    weight = (x[pairs[0]] - x[pairs[1]]) * 0.12
    net = _net(weight, np.zeros((CLASSES, HIDDEN)), np.zeros(CLASSES))
    counts = np.sum([step["lif1"] for step in run_steps(net, x[CALIBRATION])], axis=0) / STEPS
    rates = np.hstack([counts, np.ones((len(counts), 1))])
    wanted = np.eye(CLASSES)[labels[CALIBRATION]]
    solved = np.linalg.solve(rates.T @ rates + 3 * np.eye(HIDDEN + 1), rates.T @ wanted).T
    return _net(weight, solved[:, :-1], solved[:, -1])


def _net(first: Reals, second: Reals, bias: Reals) -> FloatNet:
    def neurons(count: int, threshold: float) -> FloatNeurons:
        return FloatNeurons(np.full(count, threshold), np.full(count, BETA))

    nodes = (
        FloatNode("input", FloatInput((first.shape[1],))),
        FloatNode("fc1", FloatDense(first, np.zeros(HIDDEN)), ("input",), "net.fc1"),
        FloatNode("lif1", neurons(HIDDEN, 1.0), ("fc1",), "net.lif1"),
        FloatNode("fc2", FloatDense(second, bias), ("lif1",), "net.fc2"),
        FloatNode("lif2", neurons(CLASSES, 1.0), ("fc2",), "net.lif2"),
        FloatNode("readout", FloatReadout(), ("lif2",), "net"),
    )
    return FloatNet(nodes, STEPS)


def with_neurons(net: FloatNet, **changes: Any) -> FloatNet:
    """Return a net whose neurons have some other fields."""
    nodes = tuple(
        replace(node, op=replace(node.op, **changes)) if isinstance(node.op, FloatNeurons) else node
        for node in net.nodes
    )
    return replace(net, nodes=nodes)
