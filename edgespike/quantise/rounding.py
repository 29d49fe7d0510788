"""Whole weights for real ones: the unit of each output channel, and which way to round.

The rounding is that of GPTQ (Frantar et al., arXiv 2210.17323, equations 2 and 3, and its lazy
batches): input by input, the error that a rounded weight makes on the layer's inputs is made up for
by the weights that are not rounded yet. Written from the paper's equations.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.floats.net import Reals
from edgespike.graph.tensor import Integers

WHOLE = NDArray[np.integer[Any]]
"""Whole numbers of any size."""

SEARCH = np.geomspace(1.0, 0.3, 40)
"""Units that are tried, as fractions of the one at which no weight saturates."""

MOST_INPUTS = 2048
"""Inputs whose errors are made up for together. A layer with more is rounded in as many blocks of
equal size as are needed, each by itself, since the time grows with the cube of this number."""

BATCH = 64
"""Inputs after which the weights of all others are brought up to date."""

DAMPING = 0.01
"""Added to the diagonal of the inputs' second moments, as a fraction of its mean."""

BLOCK_VALUES = 2**20
"""Weights whose units are searched at once; 8 MB."""


def largest(bits: int) -> int:
    """Return the largest weight of so many bits; weights are symmetric around 0."""
    return int(2 ** (bits - 1) - 1)


def best_units(weight: Reals, most: int) -> Reals:
    """Return for each row the unit in which its rounded weights are nearest, in the mean square.

    Parameters
    ----------
    weight
        ``(rows, weights)``.
    most
        Whole weights are in ``-most..most``.

    Returns
    -------
    units
        ``(rows,)``, positive; 1 for a row of zeros. Where a power of two, or the unit at which
        nothing saturates, loses nothing, it is that.
    """
    rows = max(1, BLOCK_VALUES // max(1, weight.shape[1]))
    parts = [_best_units(weight[i : i + rows], most) for i in range(0, len(weight), rows)]
    return np.concatenate(parts)


def _best_units(weight: Reals, most: int) -> Reals:
    reach = np.abs(weight).max(axis=1, initial=0) / most
    reach[reach == 0] = 1.0
    units, losses = reach, np.full(len(weight), np.inf)
    powers = [2.0 ** np.ceil(np.log2(reach)) / 2.0**i for i in range(2)]
    for candidate in (*powers, *(reach * fraction for fraction in SEARCH)):
        error = weight - nearest(weight / candidate[:, None], most) * candidate[:, None]
        loss = np.einsum("rw,rw->r", error, error)
        better = loss < losses
        units, losses = np.where(better, candidate, units), np.where(better, loss, losses)
    return np.asarray(units)


def nearest(weight: Reals, most: int) -> Reals:
    """Round to the nearest whole number, half up, in ``-most..most``."""
    rounded: Reals = np.clip(np.floor(weight + 0.5), -most, most)
    return rounded


def rounded(weight: Reals, inputs: NDArray[np.float32], most: int) -> Integers:
    """Return whole weights whose sums of some inputs are near those of real weights.

    Parameters
    ----------
    weight
        ``(outputs, inputs)``, in units of the accumulator.
    inputs
        ``(rows, inputs)``: what the layer receives.
    most
        Whole weights are in ``-most..most``.
    """
    count = weight.shape[1]
    if not len(inputs):
        return nearest(weight, most).astype(np.int64)
    blocks = np.array_split(np.arange(count), -(-count // MOST_INPUTS))
    parts = [_rounded(weight[:, block], inputs[:, block], most) for block in blocks]
    return np.concatenate(parts, axis=1).astype(np.int64)


def _rounded(weight: Reals, inputs: NDArray[np.float32], most: int) -> Reals:
    moments = (inputs.T @ inputs).astype(np.float64)
    diagonal = moments.diagonal().copy()
    silent = diagonal == 0
    if silent.all() or np.array_equal(weight, nearest(weight, most)):
        return nearest(weight, most)
    # Inputs that matter most first: the others can still make up for their errors.
    order = np.argsort(-diagonal, kind="stable")
    moments[np.diag_indices_from(moments)] += np.where(silent, 1.0, 0) + DAMPING * diagonal.mean()
    inverse = np.linalg.inv(moments[np.ix_(order, order)])
    upper = np.asarray(np.linalg.cholesky((inverse + inverse.T) / 2).T, np.float64)
    found = _in_order(weight[:, order], upper, most)
    return found[:, np.argsort(order, kind="stable")]


def _in_order(weight: Reals, upper: Reals, most: int) -> Reals:
    """Round one input's weights after the other, and make up for each with the later ones.

    Weights that are 0 stay 0, because they may be pruned.
    """
    pruned, weight, found = weight == 0, weight.copy(), np.empty_like(weight)
    for start in range(0, weight.shape[1], BATCH):
        end = min(start + BATCH, weight.shape[1])
        errors = np.empty((len(weight), end - start))
        for i in range(start, end):
            found[:, i] = np.where(pruned[:, i], 0, nearest(weight[:, i], most))
            error = (weight[:, i] - found[:, i]) / upper[i, i]
            weight[:, i + 1 : end] -= np.outer(error, upper[i, i + 1 : end])
            errors[:, i - start] = error
        weight[:, end:] -= errors @ upper[start:end, end:]
    return found
