"""Checks of samples before they reach a graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.errors import InputError
from edgespike.graph.graph import Graph, as_graph
from edgespike.graph.ops import Input


def as_samples(graph: Graph, array: NDArray[Any]) -> NDArray[Any]:
    """Check samples for a graph and add an axis of steps.

    Parameters
    ----------
    graph
        The graph that they are for.
    array
        Integers, either ``(samples, *shape)``, where each sample is shown unchanged at every
        step, or ``(samples, steps, *shape)``.

    Returns
    -------
    array
        ``(samples, steps, *shape)`` in the same integer dtype, a view where possible; see
        :func:`never_changes`.

    Raises
    ------
    InputError
        Wrong shape, dtype or values outside the input's declared range.
    """
    op = as_graph(graph).input_op
    if np.ma.is_masked(array):
        raise InputError(
            f"input of graph {graph.name!r} is masked, but a graph has no missing values; fill "
            "them, for example with array.filled(0)"
        )
    try:
        array = np.asarray(array)
    except (ValueError, TypeError, RuntimeError) as error:  # other packages' tensors too
        raise InputError(f"input of graph {graph.name!r} is not an array: {error}") from None
    if array.dtype == np.bool_:
        array = array.view(np.uint8)
    if array.dtype.kind not in "iu":
        raise InputError(_dtype_message(graph, op, array))
    single, stepped = op.shape, (graph.steps, *op.shape)
    if array.shape[1:] == single:
        array = np.broadcast_to(array[:, None], (len(array), *stepped))
    elif array.shape[1:] != stepped:
        expected = f"(samples, {', '.join(map(str, single))})"
        raise InputError(
            f"input of graph {graph.name!r} has shape {array.shape}; give {expected}, or "
            f"(samples, {', '.join(map(str, stepped))}) for different values at each step"
        )
    if len(array) == 0:
        raise InputError(f"input of graph {graph.name!r} has no samples; give at least one")
    low, high = int(array.min()), int(array.max())
    if low < op.low or high > op.high:
        raise InputError(
            f"input of graph {graph.name!r} has values {low}..{high}; its range is "
            f"{op.low}..{op.high} in units of {op.scale:g}; clip or quantise them again"
        )
    return array


def never_changes(samples: NDArray[Any]) -> bool:
    """Return whether all steps of checked samples share their memory, so that one is enough.

    ``samples`` come from :func:`as_samples`, or are part of that. Equal steps that were given
    separately are not found: comparing all values would take longer than it saves.
    """
    return samples.strides[1] == 0


def _dtype_message(graph: Graph, op: Input, array: NDArray[Any]) -> str:
    found = f"input of graph {graph.name!r} has dtype {array.dtype}"
    if np.issubdtype(array.dtype, np.floating):
        bad = int((~np.isfinite(array)).sum())
        found += f" with {bad} values that are not finite" if bad else ""
    return (
        f"{found}; give integers {op.low}..{op.high}, where one unit stands for {op.scale:g}: "
        f"numpy.floor(x / {op.scale:g} + 0.5).astype(numpy.int32)"
    )
