"""Checks of samples before they reach a graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.errors import InputError
from edgespike.graph.graph import Graph, as_graph
from edgespike.graph.ops import Input

_BYTES = {np.dtype(np.uint8): (0, 255), np.dtype(np.int8): (-128, 127)}
"""The ranges of types that hold an input's values and no others."""

_SMALL_PART = 0.02
"""Of an input's range. Reals within less were probably scaled in another way than in training."""


def as_samples(graph: Graph, array: NDArray[Any]) -> NDArray[Any]:
    """Check samples for a graph and add an axis of steps.

    Parameters
    ----------
    graph
        The graph that they are for.
    array
        Integers, either ``(samples, *shape)``, where each sample is shown unchanged at every
        step, or ``(samples, steps, *shape)``. Booleans too, where the input's range is 0..1.

    Returns
    -------
    array
        ``(samples, steps, *shape)`` in the same integer dtype, a view where possible; see
        :func:`never_changes`.

    Raises
    ------
    InputError
        Wrong shape, dtype or values outside the input's declared range; or, of several steps,
        the shape of one sample without an axis of samples, which as many constant samples also
        have.
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
    if array.dtype == np.bool_ and (op.low, op.high) == (0, 1):
        array = array.view(np.uint8)
    if array.dtype.kind not in "iu":
        raise InputError(_dtype_message(graph, op, array))
    single, stepped = op.shape, (graph.steps, *op.shape)
    if graph.steps > 1 and array.shape == stepped:
        raise InputError(
            f"input of graph {graph.name!r} has shape {array.shape}, which could be one sample of "
            f"{graph.steps} steps or {graph.steps} constant samples; give array[None] for one "
            f"sample, or numpy.repeat(array[:, None], {graph.steps}, axis=1) for constant ones"
        )
    if array.shape[1:] == single:
        array = array[:, None]
        if graph.steps > 1:
            array = np.broadcast_to(array, (len(array), *stepped))
    elif array.shape[1:] != stepped:
        expected = f"(samples, {', '.join(map(str, single))})"
        if graph.steps > 1:
            each = f"(samples, {', '.join(map(str, stepped))})"
            expected += f", or {each} for different values at each step"
        raise InputError(
            f"input of graph {graph.name!r} has shape {array.shape}; give {expected}"
            f"{reshaping(array.shape, single)}"
        )
    if len(array) == 0:
        raise InputError(f"input of graph {graph.name!r} has no samples; give at least one")
    if array.dtype in _BYTES and (op.low, op.high) == _BYTES[array.dtype]:
        return array  # no value of this type is outside
    low, high = int(array.min()), int(array.max())
    if low < op.low or high > op.high:
        raise InputError(
            f"input of graph {graph.name!r} has values {low}..{high}; its range is "
            f"{op.low}..{op.high} in units of {op.scale:g}; scale the data as in training "
            "(clipping would change the answers without an error)"
        )
    return array


def reshaping(found: tuple[int, ...], shape: tuple[int, ...]) -> str:
    """Return how samples of a wrong shape may become ones of the right shape, for a message.

    Parameters
    ----------
    found
        The shape of what was given.
    shape
        Of one sample, channels first.

    Returns
    -------
    str
        ``""`` where nothing is likely; else it starts with a colon.
    """
    if found == shape:
        return ": x[None] if it is one sample"
    one, channels_last = found[1:], (*shape[1:], *shape[:1])
    if [size for size in one if size != 1] == [size for size in shape if size != 1]:
        return f": x.reshape{(-1, *shape)}"
    if one == channels_last:
        return ": numpy.moveaxis(x, -1, 1), since the channels seem to be last"
    if [size for size in one if size != 1] == [size for size in channels_last if size != 1]:
        last = (-1, *channels_last)
        return f": numpy.moveaxis(x.reshape{last}, -1, 1), since the channels seem to be last"
    return ""


def never_changes(samples: NDArray[Any]) -> bool:
    """Return whether all steps of checked samples share their memory, so that one is enough.

    ``samples`` come from :func:`as_samples`, or are part of that. Equal steps that were given
    separately are not found: comparing all values would take longer than it saves.
    """
    return samples.strides[1] == 0


def _dtype_message(graph: Graph, op: Input, array: NDArray[Any]) -> str:
    found = f"input of graph {graph.name!r} has dtype {array.dtype}"
    needed = f"give integers {op.low}..{op.high}, where one unit stands for {op.scale:g}"
    if array.dtype == np.bool_:
        return f"{found}; {needed}: numpy.where(x, {op.high}, {op.low}) if True means the largest"
    if not np.issubdtype(array.dtype, np.floating) or array.size == 0:
        return f"{found}; {needed}"
    bad = int((~np.isfinite(array)).sum())
    if bad:
        return f"{found} with {bad} values that are not finite; replace them and {needed}"
    least, most = float(array.min()), float(array.max())
    found += f" and values {least:g}..{most:g}"
    whole = bool((array == np.floor(array)).all()) and op.low <= least and most <= op.high
    if whole and most > op.high * op.scale:  # units already, stored as floats
        return f"{found}; {needed}: x.astype(numpy.int64), since they are whole"
    rounded = f"numpy.floor(x / {op.scale:g} + 0.5).astype(numpy.int64)"
    inside = op.low * op.scale <= least and most <= op.high * op.scale
    if inside and most - least < (op.high - op.low) * op.scale * _SMALL_PART:
        return (
            f"{found}; {needed}; rounded, these would fill less than {_SMALL_PART:.0%} of that, so "
            f"scale the data as in training, then {rounded}"
        )
    if inside:
        return f"{found}; {needed}: {rounded}"
    return (
        f"{found}; {needed}: the values do not fit {op.low * op.scale:g}..{op.high * op.scale:g}, "
        f"so scale the data as in training, then {rounded}"
    )
