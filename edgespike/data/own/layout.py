"""What the axes of an array of samples mean."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.data.own.chunks import chunks
from edgespike.data.own.items import Kind
from edgespike.errors import InputError
from edgespike.graph import Graph

_CHANNELS = (1, 3, 4)


def laid_out_as(
    place: str, values: NDArray[Any], said: str = ""
) -> tuple[Kind, NDArray[Any], tuple[str, ...]]:
    """Return what the samples are, and the samples with channels first.

    Two axes are rows of features, four are images and five are frames of events. Three are grey
    images if they are called so, uint8, or square and floats of 0..1; else sequences.

    Raises
    ------
    InputError
        There are too few or too many axes.
    """
    if values.ndim == 2:
        return "rows", values[:, :, None, None], ()
    if values.ndim == 3:
        if said == "images" or (said != "sequences" and _look_grey(values)):
            return "images", values[:, None], ()
        return "sequences", values, ()
    if values.ndim == 4:
        first, width, last = values.shape[1:]
        if last in _CHANNELS and first not in (1, 2, 3, 4) and _is_side(first, width, last):
            return "images", np.moveaxis(values, -1, 1), (f"{place} had its channels last",)
        return "images", values, ()
    if values.ndim == 5:
        return "events", values, ()
    raise InputError(
        f"{place} has shape {values.shape}; give (samples, features), (samples, height, width), "
        "(samples, channels, height, width), (samples, steps, features) or "
        "(samples, steps, channels, height, width)"
    )


def _is_side(height: int, width: int, channels: int) -> bool:
    # With one channel last, (6, 64, 1) may as well be six channels of 64 x 1.
    return height == width if channels == 1 else width > channels


def _look_grey(values: NDArray[Any]) -> bool:
    if values.dtype.kind != "f":
        return values.dtype == np.uint8
    square = values.shape[1] == values.shape[2]
    return square and bool(values.size and values.min() >= 0 and values.max() <= 1)


def arranged_shape(sample: tuple[int, ...], recurrent: bool) -> tuple[int, ...]:
    """Return the shape of one sample as a net takes it; the order in memory stays.

    Images and rows stay as they are. Of sequences and frames of events, a recurrent net takes
    ``(steps, numbers of a step)``, another the channels of all steps as channels.
    """
    if len(sample) == 3:
        return sample
    if recurrent:
        return (sample[0], prod(sample[1:]))
    steps, channels, *picture = sample
    return (steps * channels, *(picture or (1, 1)))


def fitted(graph: Graph, samples: NDArray[Any]) -> NDArray[Any]:
    """Return samples in the shape of a graph's input, where they are those of its training.

    They may differ in axes of one entry, or as `arranged_shape` says. Others are returned as they
    are.
    """
    found, shape = samples.shape[1:], graph.input_op.shape
    wanted = (shape, (graph.steps, *shape))
    if found in wanted:
        return samples
    for one in wanted:
        if [n for n in found if n != 1] == [n for n in one if n != 1]:
            return samples.reshape(len(samples), *one)
    return unfolded(graph, samples)


def unfolded(graph: Graph, samples: NDArray[Any]) -> NDArray[Any]:
    """Return sequences and frames as a graph takes them that was trained on them; others as is."""
    found, shape = samples.shape[1:], graph.input_op.shape
    for one, recurrent in ((shape, False), ((graph.steps, *shape), True)):
        if len(found) in (2, 4) and arranged_shape(found, recurrent) == one:
            return samples.reshape(len(samples), *one)
    return samples


def not_finite(values: NDArray[Any]) -> int:
    """Return how many numbers are NaN or infinite."""
    if values.dtype.kind != "f":
        return 0
    return sum(
        int(np.count_nonzero(~np.isfinite(values[piece])))
        for piece in chunks(len(values), values[:1].size)
    )
