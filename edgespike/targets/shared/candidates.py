"""Random samples of many kinds, among which an artefact's check samples are chosen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import Input
from edgespike.graph.tensor import Integers

Shape = tuple[int, ...]
Real = NDArray[np.float64]


def draw(op: Input, steps: int, index: int) -> Integers:
    """Draw a sample, always the same one for an index; consecutive ones are of different kinds.

    Parameters
    ----------
    op
        The input that the sample is for.
    steps
        Steps of the sample.
    index
        Number of the sample, from 0. The first two of each kind fill the whole range.

    Returns
    -------
    sample
        ``(steps, *shape)`` within the input's range.
    """
    random = np.random.default_rng([0, index])
    field = _KINDS[index % len(_KINDS)](random, (steps, *op.shape))
    first, last = (0.0, 1.0) if index < 2 * len(_KINDS) else np.sort(random.random(2))
    span = op.high - op.low
    values = np.floor((first + (last - first) * field) * (span + 1)).astype(np.int64)
    return op.low + np.clip(values, 0, span)


def _noise(random: np.random.Generator, shape: Shape) -> Real:
    return random.random(shape)


def _sparse(random: np.random.Generator, shape: Shape) -> Real:
    """Return noise at a few places and 0 elsewhere."""
    return np.where(random.random(shape) < random.random() ** 2, random.random(shape), 0.0)


def _waves(random: np.random.Generator, shape: Shape) -> Real:
    """Return a sum of waves, with up to a few periods along each axis."""
    total = np.zeros(shape)
    for _ in range(3):
        phase = np.full((1,) * len(shape), random.random())
        for axis, size in enumerate(shape):
            place = np.linspace(0, 3 * random.standard_normal(), size)
            phase = phase + place.reshape(-1, *(1,) * (len(shape) - axis - 1))
        total += np.cos(2 * np.pi * phase)
    return total / 6 + 0.5


def _shapes(random: np.random.Generator, shape: Shape) -> Real:
    """Return patches of noise with smooth edges, and 0 elsewhere."""
    waves = _waves(random, shape)
    return np.where(waves > random.random(), np.sqrt(waves * random.random(shape)), 0.0)


def _constant(random: np.random.Generator, shape: Shape) -> Real:
    return np.full(shape, random.random())


_KINDS: tuple[Callable[[np.random.Generator, Shape], Real], ...] = (
    _noise,
    _waves,
    _sparse,
    _shapes,
    _constant,
)
