"""The real value of one level of an activation, in each channel.

The step is the one of some candidates whose levels are nearest to the float net's values, in the
mean square, behind the pool where one follows. Candidates are parts of the step that saturates
nowhere, and powers of two, so that values that lie on such a grid are kept exactly.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgespike.floats.net import Reals

FRACTIONS = np.geomspace(1.0, 0.08, 56)
"""Of the step at which nothing saturates."""

POWERS = 5
"""How many powers of two are tried, from the one above the largest candidate downwards."""

MOST_VALUES = 2**13
"""Values a channel that the search looks at, drawn with a fixed seed."""


def best_steps(values: Reals, lowest: int, highest: int, maximum: float | None = None) -> Reals:
    """Return the step of each channel whose levels are nearest to some values.

    Parameters
    ----------
    values
        ``(channels, values)``.
    lowest, highest
        Levels are whole numbers in ``lowest..highest``, and stand for themselves times the step.
    maximum
        What bounds the activation from above, another candidate's largest value.

    Returns
    -------
    steps
        ``(channels,)``. A channel without values other than 0 gets the median of the others.
    """
    values = _sampled(values)
    reach = np.maximum(values.max(axis=1) / max(highest, 1), -values.min(axis=1) / max(-lowest, 1))
    alive = reach > 0
    if not alive.any():
        return np.full(len(values), 1.0 if maximum is None else maximum / highest)
    steps, losses = np.ones(len(values)), np.full(len(values), np.inf)
    for candidate in _candidates(np.where(alive, reach, 1.0), highest, maximum):
        loss = _loss(values, candidate, lowest, highest)
        better = loss < losses
        steps, losses = np.where(better, candidate, steps), np.where(better, loss, losses)
    steps[~alive] = np.median(steps[alive])
    return steps


def _sampled(values: Reals) -> Reals:
    if values.shape[1] <= MOST_VALUES:
        return values
    chosen = np.random.default_rng(0).choice(values.shape[1], MOST_VALUES, replace=False)
    return values[:, np.sort(chosen)]


def _candidates(reach: Reals, highest: int, maximum: float | None) -> Iterator[Reals]:
    """Yield steps in the order in which equally good ones are preferred."""
    if maximum is not None:
        yield np.full(len(reach), maximum / highest)
    power = 2.0 ** np.ceil(np.log2(reach))
    yield from (power / 2.0**i for i in range(POWERS))
    yield from (reach * fraction for fraction in FRACTIONS)


def _loss(values: Reals, steps: Reals, lowest: int, highest: int) -> Reals:
    """Return the squared error of each channel."""
    levels = np.clip(np.floor(values / steps[:, None] + 0.5), lowest, highest)
    error = levels * steps[:, None] - values
    return np.asarray(np.einsum("cv,cv->c", error, error))
