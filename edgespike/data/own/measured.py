"""Measured numbers as the whole numbers that a graph takes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.data.own.chunks import chunks
from edgespike.graph import Graph
from edgespike.graph.inputs import as_samples


def as_whole(graph: Graph, values: NDArray[Any], limit: int | None = None) -> NDArray[Any]:
    """Apply a graph's scaling to samples.

    Parameters
    ----------
    graph
        It has a scaling.
    values
        ``(samples, *shape)`` or ``(samples, steps, *shape)``.
    limit
        Take at most the first so many.

    Returns
    -------
    array
        Of the same shape, of the smallest type that holds the input's range.

    Raises
    ------
    InputError
        The shape is another, or values are not finite.
    """
    op, scaling = graph.input_op, graph.scaling
    if scaling is None:
        raise ValueError("the graph has no scaling")
    as_samples(graph, np.broadcast_to(np.int64(op.low), values.shape))  # is the shape right?
    values = values[:limit]
    dtype = np.promote_types(np.min_scalar_type(op.low), np.min_scalar_type(op.high))
    out = np.empty(values.shape, dtype)
    for piece in chunks(len(values), values[:1].size):
        out[piece] = scaling.apply(np.asarray(values[piece]), op.shape, op.low, op.high)
    return out
