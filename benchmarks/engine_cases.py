"""The nets and samples on which the cpu target is compared, and what is expected of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from conv_net import SHAPE, convolutional_net, random_spikes
from engine_rivals import LITERT, SNNTORCH
from mlp_net import INPUTS, mlp
from numpy.typing import NDArray

import edgespike
from edgespike.graph import Graph
from edgespike.models import shipped_images, shipped_model

BATCH, SINGLES = 64, 16
"""Samples of a batch, and samples that run one by one: the time depends on the sample."""

CONV, MLP, IMAGES = "net of convolutions", "784-256-10", "fashion_s3nn"
"""The three nets that are measured over firing rates."""

RATES = (0.01, 0.03, 0.1, 0.2, 0.5)
CONV_STEPS, MLP_STEPS = 20, 8
CONV_LIMITS: dict[float, dict[str, float]] = {
    0.01: {LITERT: 20},
    0.03: {LITERT: 10, SNNTORCH: 16},
    0.1: {LITERT: 5},
    0.5: {LITERT: 2},
}
AVX2_LIMITS = {0.03: 6.0}
MLP_LIMITS: dict[float, dict[str, float]] = {
    0.01: {SNNTORCH: 30},
    0.1: {SNNTORCH: 15},
    0.5: {SNNTORCH: 5},
}


@dataclass(frozen=True)
class Case:
    """A net with samples.

    Parameters
    ----------
    net, what
        Name of the net, and what the samples are.
    graph, samples
        What runs.
    rate
        The share of the input's elements that are events, where it was set; else ``None``.
    least
        How many times as fast as a rival edgespike should be.
    batch
        Samples of a call.
    least_with_avx2
        How many times as fast as LiteRT edgespike should be without wider vectors.
    """

    net: str
    what: str
    graph: Graph
    samples: NDArray[Any]
    rate: float | None = None
    least: dict[str, float] = field(default_factory=dict)
    batch: int = BATCH
    least_with_avx2: float | None = None

    @property
    def name(self) -> str:
        """Return a title for people."""
        return f"{self.net}, {self.what}, batch {self.batch}"

    @property
    def batches(self) -> list[NDArray[Any]]:
        """Return the samples of each call."""
        return list(self.samples.reshape(-1, self.batch, *self.samples.shape[1:]))


def cases(weights: Path | None) -> Iterator[Case]:
    """Make all cases; ``weights`` is the NIR file with the net of convolutions, if there is one."""
    yield from _images("fashion_s3nn", {BATCH: 1.8, 1: 1.8}, noise=1)
    yield from _images("fashion_maqd", {BATCH: 1.3}, noise=None)
    yield from _images("fashion_rnn", {BATCH: 3, 1: 4}, noise=None)
    conv, layers = convolutional_net(CONV_STEPS, weights), mlp(MLP_STEPS)
    for rate in RATES:
        spikes = random_spikes((BATCH, CONV_STEPS, *SHAPE), rate)
        case = _at_rate(CONV, conv, spikes, rate, CONV_LIMITS)
        yield replace(case, least_with_avx2=AVX2_LIMITS.get(rate))
    if weights is not None:
        yield _as_converted(weights)
    for rate in RATES:
        spikes = random_spikes((BATCH, MLP_STEPS, INPUTS), rate)
        yield _at_rate(MLP, layers, spikes, rate, MLP_LIMITS)
    for rate in RATES:
        yield _at_rate(IMAGES, shipped_model(IMAGES), _sparse_noise(rate), rate, {})


def _images(name: str, least: dict[int, float], noise: float | None) -> Iterator[Case]:
    graph, (images, _) = shipped_model(name), shipped_images(name)
    for batch, limit in least.items():
        chosen = images[: max(batch, SINGLES)]
        yield Case(name, "test images", graph, chosen, None, {LITERT: limit}, batch)
    if noise is not None:
        drawn = np.random.default_rng(0).integers(0, 256, images[:BATCH].shape, np.uint8)
        yield Case(name, "uniform noise", graph, drawn, least={LITERT: noise})


def _at_rate(
    net: str,
    graph: Graph,
    samples: NDArray[Any],
    rate: float,
    limits: dict[float, dict[str, float]],
) -> Case:
    what = f"{100 * rate:g} % of the input"
    return Case(net, what, graph, samples, rate, limits.get(rate, {}))


def _as_converted(weights: Path) -> Case:
    """Return the net as the converter reads it: sinabs' neurons emit several spikes in a step."""
    graph = edgespike.convert(weights, steps=CONV_STEPS, bits=8, input_range=(0, 1))
    spikes = random_spikes((BATCH, CONV_STEPS, *SHAPE), 0.03)
    return Case(CONV, "3 % of the input, several spikes a step", graph, spikes)


def _sparse_noise(rate: float) -> NDArray[np.uint8]:
    """Draw images of which a share of the pixels are not 0."""
    shape = (BATCH, 1, 28, 28)
    bright = np.random.default_rng(0).integers(1, 256, shape, np.uint8)
    return bright * random_spikes(shape, rate).astype(np.uint8)
